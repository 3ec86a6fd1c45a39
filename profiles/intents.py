"""One intent of a payment: what is to be paid, who pays it, what it counts. Its way is :mod:`profiles.payment`'s."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, TypedDict

from pydantic import Field

from profiles.api import Facts, Mark, State, Subject
from profiles.meal import Meal
from profiles.payers import CREDIT, Payers, divided, own_share_fen
from profiles.questions import Authorised, Money
from profiles.ride import Ride
from profiles.rules import guardian
from profiles.rules.accounts import is_within
from profiles.rules.credit import owing
from profiles.rules.offline_pay import sold


class Booked(TypedDict):
    """Whose sale it is in the books."""

    operator: str | None
    shift: str | None
    business_date: str


class Bill(NamedTuple):
    """What is to be paid, and how it is booked."""

    amount_fen: int
    business_date: str
    """``YYYYMMDD``."""
    operator: str | None = None
    shift: str | None = None
    account: str | None = None
    """:data:`~profiles.payers.CREDIT` where it settles what the holder owes."""
    funds: Mapping[str, int] = MappingProxyType({})
    meal: Meal | None = None
    payers: Payers | None = None
    """The accounts among which the holder's share is divided; without, the funds say who pays."""
    ride: Ride | None = None
    number: str = ""
    """Of the bill or prescription that it pays."""
    since_ms: int | None = None
    """When the stay began that it ends."""


class Payment(State):
    """One intent."""

    asked_id: bytes
    intent_id: bytes
    amount_fen: int
    business_date: str
    medium: bytes
    subject_namespace: str
    subject_id: bytes
    provisional: bool
    presentation: bytes | None = None
    offline: bool = False
    operator: str | None = None
    shift: str | None = None
    account: str | None = None
    funds: dict[str, int] = Field(default_factory=dict)
    meal: Meal | None = Field(default=None, description="what it takes of the person's limits and subsidies")
    payers: Payers | None = Field(default=None, description="until it is known who pays")
    shown_in: bytes | None = Field(
        default=None, description="the record that the asked one refers to, by which it is late"
    )
    due: str = Field(default="", description="by when what was put on credit is to be settled")
    spent_on: str = Field(default="", description="the business date of the sale, whenever it is given back")
    ride: Ride | None = Field(default=None, description="what it takes of the person's day and trip")
    number: str = Field(default="", description="of the bill or prescription that it pays")
    since_ms: int | None = Field(default=None, description="when the stay began that it ends; null: it ends none")

    @property
    def public(self) -> Mapping[str, str | int | bool]:
        """What the records that end it say beside the money."""
        return {} if self.ride is None else self.ride.public

    @property
    def own_fen(self) -> int:
        """What the holder pays, from whichever account."""
        return own_share_fen(self.amount_fen, self.funds)

    @property
    def guarded_fen(self) -> int:
        """What counts towards the guardian's limit: what is settled was spent, and counted, before."""
        return 0 if self.account == CREDIT else self.own_fen

    @property
    def at_risk_fen(self) -> int:
        """What counts towards the offline ceilings: a debt has a ceiling of its own."""
        return self.amount_fen - self.funds.get(CREDIT, 0)

    def by(self, shares: Mapping[str, int]) -> Payment:
        """Paid by these accounts of the holder's."""
        due = self.payers.due if self.payers is not None and shares.get(CREDIT) else ""
        return self.model_copy(update={"funds": divided(self.funds, shares), "payers": None, "due": due})

    @property
    def subject(self) -> Subject:
        """The person who pays."""
        return Subject(self.subject_namespace, self.subject_id, self.provisional)

    def money(self, merchant: str) -> Money:
        """As its records have it."""
        return Money(
            amount_fen=self.amount_fen,
            intent_id=self.intent_id,
            merchant=merchant,
            business_date=self.business_date,
            operator=self.operator,
            shift=self.shift,
            account=self.account,
            funds=self.funds,
        )


def divided_by(answer: Authorised, payment: Payment) -> Payment | None:
    """The payment as the platform divided it; ``None`` where that is not what it was offered."""
    if payment.payers is None:
        return payment if answer.accounts is None else None
    shares = answer.accounts or {}
    return payment.by(shares) if is_within(shares, payment.own_fen, payment.payers.offers) else None


def money_marks(payment: Payment, amount_fen: int, funds: Mapping[str, int], facts: Facts, by: int) -> tuple[Mark, ...]:
    """What so much of a payment, by these funds, counts (1), or takes off (-1): of the day's risk, and of the debt.

    What was put on credit is owed; what a settlement gives back is owed again.
    """
    on_credit_fen = funds.get(CREDIT, 0)
    at_risk_fen = amount_fen - on_credit_fen
    risk = sold(by * at_risk_fen, payment.subject, facts) if payment.offline and at_risk_fen else ()
    owed_fen = on_credit_fen - (amount_fen if payment.account == CREDIT else 0)
    return (*risk, *owing(by * owed_fen, payment.subject, facts)) if owed_fen else risk


def limit_marks(payment: Payment, facts: Facts, by: int) -> tuple[Mark, ...]:
    """What it takes of the person's limits and subsidies (1), or gives back (-1)."""
    meal = () if payment.meal is None else payment.meal.marks(facts, by)
    return (*meal, *guardian.spent(payment.subject, by * payment.guarded_fen, payment.spent_on, facts))
