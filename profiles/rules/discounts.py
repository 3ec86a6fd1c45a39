"""What is taken off a traveller's own share of a fare: for a transfer soon after another ride, and beyond a day's cap.

Each names the fund that bears it, so that the record holds the full fare, what was charged, and who pays the rest. How
much somebody has travelled is kept in durable marks of the person, saved with the intent and given back with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from profiles.amounts import MAX_AMOUNT_FEN
from profiles.api import Facts, Mark, Subject
from profiles.dates import compact, midnight_ms
from profiles.rules.funds import ACCOUNT, FundName, is_own
from profiles.rules.tally import count, counted, key_of

LAST_SCOPE = "travel.last"
SPENT_SCOPE = "travel.spent"
MINUTE_MS = 60_000
MAX_WINDOW_MINUTES = 360


class _Borne(BaseModel):
    """Base: somebody pays what the traveller need not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fund: FundName = Field(description="who bears it, as the record's split has it; each its own")

    @field_validator("fund")
    @classmethod
    def not_the_travellers(cls, value: str) -> str:
        """What the traveller's account bears is no discount."""
        if is_own(value):
            said = {
                "zh": f"{value} 是本人账户，不能承担优惠",
                "en": f"{value} is the holder's own, and bears no discount",
            }
            raise PydanticCustomError("said", "{en}", said)
        return value


class Transfer(_Borne):
    """A ride that begins soon after another one costs less."""

    minutes: int = Field(
        ge=1,
        le=MAX_WINDOW_MINUTES,
        strict=True,
        description="from the payment of the ride before until this one begins",
    )
    off_fen: int = Field(
        ge=1, le=MAX_AMOUNT_FEN, strict=True, description="so much less; more than the fare: for nothing"
    )

    def off(self, own_fen: int, last_ms: int | None, began_ms: int) -> int:
        """What is taken off a ride that began then; one that a clock puts after it was none before."""
        soon = last_ms is not None and 0 <= began_ms - last_ms <= self.minutes * MINUTE_MS
        return min(own_fen, self.off_fen) if soon else 0


class DayCap(_Borne):
    """Nobody pays more in one day."""

    fen: int = Field(ge=1, le=MAX_AMOUNT_FEN, strict=True)

    def off(self, own_fen: int, spent_fen: int) -> int:
        """What is taken off so that the day's sum stays within the cap."""
        return own_fen - min(own_fen, max(0, self.fen - spent_fen))


class Rides(NamedTuple):
    """What is known of somebody's rides."""

    last_ms: int | None = None
    """When the last one was paid."""
    spent_fen: int = 0
    """What the person's own account has paid for rides today."""


class Discounts(BaseModel):
    """Both, each where wanted. The transfer goes first, so that the cap counts what is really paid."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    transfer: Transfer | None = None
    day_cap: DayCap | None = None

    @model_validator(mode="after")
    def each_fund_once(self) -> Discounts:
        """By its fund it is known what was taken off for what."""
        if len(set(self.funds)) < len(self.funds):
            said = {
                "zh": "transfer 与 day_cap 的 fund 须不同",
                "en": "transfer and day_cap have a fund of their own each",
            }
            raise PydanticCustomError("said", "{en}", said)
        return self

    @property
    def funds(self) -> tuple[str, ...]:
        """Who bears them."""
        return tuple(each.fund for each in (self.transfer, self.day_cap) if each is not None)

    def off(self, own_fen: int, travelled: Rides, began_ms: int) -> dict[str, int]:
        """What is taken off a share, by fund, each above zero."""
        off: dict[str, int] = {}
        if self.transfer is not None:
            off[self.transfer.fund] = self.transfer.off(own_fen, travelled.last_ms, began_ms)
        if self.day_cap is not None:
            off[self.day_cap.fund] = self.day_cap.off(own_fen - sum(off.values()), travelled.spent_fen)
        return {fund: fen for fund, fen in off.items() if fen}


def moved(shares: Mapping[str, int], off: Mapping[str, int]) -> dict[str, int]:
    """A fare's shares after what is taken off the account has gone to the funds that bear it; their sum stays."""
    after = {**shares, ACCOUNT: shares.get(ACCOUNT, 0) - sum(off.values()), **off}
    return {fund: fen for fund, fen in after.items() if fen}


def travelled(subject: Subject, facts: Facts) -> Rides:
    """What the lanes of this terminal know."""
    return Rides(facts.mark(LAST_SCOPE, key_of(subject)), counted(SPENT_SCOPE, _day(subject, facts), facts))


def rode(subject: Subject, paid_fen: int, facts: Facts) -> tuple[Mark, ...]:
    """The marks of a ride for which the person's account pays so much."""
    last = Mark(LAST_SCOPE, key_of(subject), facts.now_ms, facts.now_ms + MAX_WINDOW_MINUTES * MINUTE_MS)
    return last, _spent(subject, paid_fen, facts)


def not_ridden(subject: Subject, paid_fen: int, before_ms: int | None, facts: Facts) -> tuple[Mark, ...]:
    """The marks that give it back; ``before_ms`` is when the ride before it was."""
    last = Mark(LAST_SCOPE, key_of(subject), before_ms, (before_ms or 0) + MAX_WINDOW_MINUTES * MINUTE_MS)
    return last, _spent(subject, -paid_fen, facts)


def _spent(subject: Subject, fen: int, facts: Facts) -> Mark:
    return count(SPENT_SCOPE, _day(subject, facts), fen, midnight_ms(facts), facts)


def _day(subject: Subject, facts: Facts) -> bytes:
    return key_of(subject, compact(facts.local_time))
