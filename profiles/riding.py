"""What rides share: the fare's shares with what is taken off them, its marks, and what the ticket looks like."""

from __future__ import annotations

from typing import NamedTuple, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from profiles.amounts import yuan
from profiles.api import Actuate, Credential, Effect, Facts, Kind, Mark, Record, Subject
from profiles.payment import Payment, PaySettings
from profiles.reasons import Sentence
from profiles.ride import Ride
from profiles.rules.concession import Concession, concession_of, ridden, shares
from profiles.rules.discounts import Discounts, Rides, moved, not_ridden, rode
from profiles.rules.funds import ACCOUNT

LAMP_PULSE_MS = 1_500


class Ticket(NamedTuple):
    """Who pays what of a ride, and what goes with it."""

    funds: dict[str, int]
    own_fen: int
    """What the holder's own ride costs the holder."""
    concession: Concession | None


class RideSettings(PaySettings):
    """Settings that every scene of rides has."""

    concessions: tuple[Concession, ...] = Field(default=(), max_length=16, description="the first that fits holds")
    discounts: Discounts = Field(default=Discounts(), description="off the holder's own share")

    @model_validator(mode="after")
    def each_fund_once(self) -> Self:
        """By its fund a payment is known to have been at a concession, and at which."""
        funds = [*(concession.fund for concession in self.concessions), *self.discounts.funds]
        for fund in funds:
            if funds.count(fund) > 1:
                said = {
                    "zh": f"资金 {fund} 出现两次，请各用一个",
                    "en": f"the fund {fund} stands here twice; give each its own",
                }
                raise PydanticCustomError("said", "{en}", said)
        return self

    @property
    def lamps(self) -> dict[str, str]:
        """Those of concessions, as a lane's wiring has them."""
        return {f"concessions.{number}.lamp": each.lamp for number, each in enumerate(self.concessions) if each.lamp}

    def concession_in(self, payment: Payment) -> Concession | None:
        """The one at which a payment was made."""
        return next((each for each in self.concessions if each.fund in payment.funds), None)


def ticket_of(
    fare_fen: int, concessions: tuple[Concession, ...], discounts: Discounts, credential: Credential,
    travelled: Rides, began_ms: int, facts: Facts, people: int = 1,
) -> Ticket:  # fmt: skip
    """The full fare of so many people, by who pays it: first the concession, then what is taken off the holder's share.

    Companions pay the full fare. ``began_ms`` is when the ride began: a transfer is soon after the one before.
    """
    concession = concession_of(concessions, credential, facts)
    own_fen = shares(fare_fen, concession).get(ACCOUNT, 0)
    off = discounts.off(own_fen, travelled, began_ms)
    return Ticket(moved(shares(fare_fen, concession, people), off), own_fen - sum(off.values()), concession)


def taken(ride: Ride, concession: Concession | None, subject: Subject, facts: Facts) -> tuple[Mark, ...]:
    """The marks of a ride; they go with its intent."""
    marks = rode(subject, ride.own_fen, facts)
    return marks if concession is None else (*marks, ridden(concession, subject, facts))


def given_back(ride: Ride, concession: Concession | None, subject: Subject, facts: Facts) -> tuple[Mark, ...]:
    """The marks of a ride that was none."""
    marks = not_ridden(subject, ride.own_fen, ride.before_ms, facts)
    return marks if concession is None else (*marks, ridden(concession, subject, facts, -1))


def ticket_said(what: Sentence, concession: Concession | None, account_fen: int) -> Sentence:
    """The ticket, and what the holder's own account pays."""
    ticket = what if concession is None else concession.ticket.sentence
    own = yuan(account_fen)
    return Sentence(f"{ticket.zh}：{own} 元", f"{ticket.en}: {own} yuan")


def with_lamp(effects: tuple[Effect, ...], concession: Concession | None) -> tuple[Effect, ...]:
    """With the record of a payment at a concession, its lamp: the staff sees at a glance what was shown."""
    paid = next((each for each in effects if isinstance(each, Record) and each.kind is Kind.PAYMENT), None)
    if paid is None or concession is None or concession.lamp is None:
        return effects
    return (*effects, Actuate(concession.lamp, LAMP_PULSE_MS, paid.id))
