"""Subsidised meals: who has one, how much of it, how often a period; and how an amount is split over the funds.

The subsidy pays first and the holder's account the rest. What goes back goes back the other way round: first to the
holder's own accounts, so that a citizen's money returns before anybody else's.

A subsidised meal is counted in a durable mark of the person, business date and period, saved with the record that
claims it, and taken back when nothing comes of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from profiles.api import Credential, Facts, Mark, Subject
from profiles.rules.admission import Entitlement
from profiles.rules.funds import ACCOUNT, FundName, back_order, is_own
from profiles.rules.meals import MAX_PRICE_FEN, PeriodName
from profiles.rules.tally import count, counted, key_of

SCOPE = "meal.subsidised"


class Subsidy(BaseModel):
    """What one fund pays of one meal."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    fund: FundName = Field(default="subsidy", description="who pays it, as the record's split has it")
    whose: Entitlement = Field(
        alias="for", description="an entitlement of the credential, or the roster's word for the person's subsidy"
    )
    periods: frozenset[PeriodName] = Field(default=frozenset(), description="in which periods; none: in every one")
    meal_fen: int = Field(ge=1, le=MAX_PRICE_FEN, strict=True, description="at most so much of one meal")
    meals: int = Field(default=1, ge=1, le=10, strict=True, description="so many meals a person and period")

    @field_validator("fund")
    @classmethod
    def not_the_account(cls, value: str) -> str:
        """A subsidy that is the account would be charged to the citizen."""
        if is_own(value):
            raise PydanticCustomError(
                "said",
                "{en}",
                {"zh": f"{value} 是本人账户，不是补贴", "en": f"{value} is the holder's own, no subsidy"},
            )
        return value


def subsidy_of(
    subsidies: tuple[Subsidy, ...], credential: Credential, period: str, date: str, facts: Facts
) -> Subsidy | None:
    """The first subsidy that pays for this person's next meal; none for a card that stands in no register."""
    if credential.subject.provisional:
        return None
    person = facts.person(credential.subject)
    classes = credential.entitlements | ({person.subsidy} if person is not None else frozenset())
    had = counted(SCOPE, _key(credential.subject, period, date), facts)
    return next(
        (
            subsidy
            for subsidy in subsidies
            if subsidy.whose in classes and (not subsidy.periods or period in subsidy.periods) and had < subsidy.meals
        ),
        None,
    )


def claimed(subject: Subject, period: str, date: str, ends_ms: int, facts: Facts, *, meals: int = 1) -> Mark:
    """The mark of a subsidised meal; of a negative number, what gives the right back."""
    return count(SCOPE, _key(subject, period, date), meals, ends_ms, facts)


def split(amount_fen: int, subsidy: Subsidy | None) -> dict[str, int]:
    """Who pays what of an amount, every share above zero, in the order of paying. Their sum is the amount."""
    if subsidy is None:
        return {ACCOUNT: amount_fen}
    paid_fen = min(amount_fen, subsidy.meal_fen)
    rest_fen = amount_fen - paid_fen
    return {subsidy.fund: paid_fen} | ({ACCOUNT: rest_fen} if rest_fen else {})


def share_back(left: Mapping[str, int], amount_fen: int) -> dict[str, int]:
    """Who gets what of an amount that goes back, where each fund still has ``left`` of what it paid.

    Raises ``ValueError`` if that is less than the amount.
    """
    back: dict[str, int] = {}
    for fund in sorted(left, key=back_order):
        share_fen = min(left[fund], amount_fen - sum(back.values()))
        if share_fen > 0:
            back[fund] = share_fen
    if amount_fen < 0 or sum(back.values()) != amount_fen:
        raise ValueError("more than was paid cannot go back")
    return back


def _key(subject: Subject, period: str, date: str) -> bytes:
    return key_of(subject, date, period)
