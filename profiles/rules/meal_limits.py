"""How many meals a person may take in a period and on a day, and how much a person may spend on a day.

Counted in durable marks by person and business date, which all lanes of a terminal share and a restart keeps. Another
terminal counts its own.
"""

from __future__ import annotations

from enum import Enum, auto

from pydantic import BaseModel, ConfigDict, Field

from profiles.api import Facts, Mark, Subject
from profiles.rules.tally import count, counted, key_of

SCOPE = "meal.taken"
SPENT_SCOPE = "meal.spent"


class Limit(Enum):
    """Which limit is reached."""

    PERIOD_MEALS = auto()
    DAY_MEALS = auto()
    DAY_FEN = auto()


class MealLimits(BaseModel):
    """Limits for one person; null: none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    period_meals: int | None = Field(default=None, ge=1, le=100, strict=True, description="meals in one period")
    day_meals: int | None = Field(default=None, ge=1, le=100, strict=True, description="meals on one business date")
    day_fen: int | None = Field(default=None, ge=1, le=10_000_000, strict=True, description="fen on one business date")

    def reached(
        self, subject: Subject, period: str, date: str, facts: Facts, *, amount_fen: int = 0, meals: int = 1
    ) -> Limit | None:
        """The limit that so many more meals, for so much, would exceed."""
        day = key_of(subject, date)
        in_period = key_of(subject, date, period)
        if self.period_meals is not None and counted(SCOPE, in_period, facts) + meals > self.period_meals:
            return Limit.PERIOD_MEALS
        if self.day_meals is not None and counted(SCOPE, day, facts) + meals > self.day_meals:
            return Limit.DAY_MEALS
        if self.day_fen is not None and counted(SPENT_SCOPE, day, facts) + amount_fen > self.day_fen:
            return Limit.DAY_FEN
        return None


def taken(
    subject: Subject, period: str, date: str, ends_ms: int, facts: Facts, *, amount_fen: int = 0, meals: int = 1
) -> tuple[Mark, ...]:
    """The marks of meals that were taken; of negative numbers, what takes them back."""
    day = key_of(subject, date)
    return (
        count(SCOPE, key_of(subject, date, period), meals, ends_ms, facts),
        count(SCOPE, day, meals, ends_ms, facts),
        count(SPENT_SCOPE, day, amount_fen, ends_ms, facts),
    )
