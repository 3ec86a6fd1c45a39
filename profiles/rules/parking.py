"""What a stay in a car park costs: free minutes, steps of time, and no more than so much in any 24 hours.

A fee never falls while the car stays. Minutes that are waived (a visit to the service hall, say) come off the stay
before anything is charged. A minute that was begun counts.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

MINUTE_MS = 60_000
DAY_MINUTES = 1_440
MAX_DAYS = 366
_MAX_FEN = 1_000_000


class Step(BaseModel):
    """A price for a part of the stay: so much for each unit that was begun."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    minutes: int | None = Field(
        default=None, ge=1, le=DAY_MINUTES, strict=True, description="so long this step lasts; null: to the end"
    )
    unit_minutes: int = Field(ge=1, le=DAY_MINUTES, strict=True, description="charged by units of so many minutes")
    unit_fen: int = Field(ge=0, le=_MAX_FEN, strict=True, description="for each unit that was begun")


class ParkingTariff(BaseModel):
    """The price of a stay."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    free_minutes: int = Field(
        default=15,
        ge=0,
        le=DAY_MINUTES,
        strict=True,
        description="a stay of no more costs nothing; a longer one all of it",
    )
    steps: tuple[Step, ...] = Field(min_length=1, max_length=12)
    day_fen: int | None = Field(
        default=None, ge=1, le=_MAX_FEN, strict=True, description="at most for each 24 hours; null: no bound"
    )

    @model_validator(mode="after")
    def goes_on_to_the_end(self) -> ParkingTariff:
        """The last step has no end, and every other one has."""
        ends = [step.minutes is None for step in self.steps]
        if not ends[-1] or any(ends[:-1]):
            said = {
                "zh": "最后一段不写 minutes（一直到结束），其余各段都要写",
                "en": "the last step has no minutes (it goes on to the end), every other one has",
            }
            raise PydanticCustomError("said", "{en}", said)
        return self

    def fee_fen(self, stay_ms: int, waived_minutes: int = 0) -> int:
        """Of a stay; a clock that went back makes it no shorter than nothing, and none is longer than a year."""
        minutes = max(0, -(-stay_ms // MINUTE_MS) - waived_minutes)
        if minutes <= self.free_minutes:
            return 0
        days, rest = divmod(min(minutes, MAX_DAYS * DAY_MINUTES), DAY_MINUTES)
        return days * self._day_fen(DAY_MINUTES) + self._day_fen(rest)

    def _day_fen(self, minutes: int) -> int:
        fee_fen = 0
        for step in self.steps:
            part = minutes if step.minutes is None else min(minutes, step.minutes)
            fee_fen += -(-part // step.unit_minutes) * step.unit_fen
            minutes -= part
        return fee_fen if self.day_fen is None else min(fee_fen, self.day_fen)
