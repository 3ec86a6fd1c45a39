"""How many people are in an area, and whether another one still fits.

The count is a durable mark by area that all lanes of a terminal share. Whoever is let in is counted with the grant, so
that two lanes cannot give one place to two people, and taken off again when he does not use it; whoever goes out is
taken off when he has passed. It is never negative: an exit that nobody saw come in leaves it at nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field

from profiles.api import Facts, Mark
from profiles.dates import midnight_ms
from profiles.reasons import ReasonEnum, Sentence
from profiles.trace import Asked, Rule

SCOPE = "occupancy"
MAX_PEOPLE = 1_000_000
_YEAR_MS = 366 * 86_400_000
_S = Sentence


class OccupancyReason(ReasonEnum):
    """What a full area has to say."""

    AREA_FULL = (
        "area-full",
        _S("里面已满，请稍候再来", "It is full inside; please wait until somebody leaves"),
        _S("区域人数已达上限", "the area's capacity is reached"),
        True,
    )


class Occupancy(BaseModel):
    """Settings of one lane; lanes of one area should agree."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    capacity: int | None = Field(default=None, ge=1, le=MAX_PEOPLE, description="people at most; null: no bound")
    daily: bool = Field(default=True, description="the count begins anew at midnight; false: it goes on")

    def rules(self, area: str, people: int, facts: Facts) -> Iterator[Asked]:
        """Whether so many more fit in."""
        if self.capacity is not None:
            yield Rule.CAPACITY, inside(area, facts) + people <= self.capacity, OccupancyReason.AREA_FULL

    def changed(self, area: str, by: int, facts: Facts) -> tuple[Mark, ...]:
        """The mark after people came (positive) or went."""
        people = min(MAX_PEOPLE, max(0, inside(area, facts) + by))
        ends_ms = midnight_ms(facts) if self.daily else facts.now_ms + _YEAR_MS
        return (Mark(SCOPE, area.encode(), people, ends_ms),) if by else ()

    def after(self, area: str, marks: tuple[Mark, ...], facts: Facts) -> int:
        """How many are inside once these marks are set."""
        set_now = [mark.value for mark in marks if (mark.scope, mark.key) == (SCOPE, area.encode())]
        return (set_now[-1] or 0) if set_now else inside(area, facts)

    def emptied(self, area: str, facts: Facts) -> Mark:
        """An operator's reset: nobody is inside."""
        return Mark(SCOPE, area.encode(), None, facts.now_ms)


def inside(area: str, facts: Facts) -> int:
    """How many people are in an area."""
    return facts.mark(SCOPE, area.encode()) or 0
