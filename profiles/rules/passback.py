"""Anti-passback: a card that went in must come out before it goes in again, so that nobody hands it back over the gate.

Where a person was last is a durable mark by area, saved with the record of the passage: a restart forgets nothing. Four
modes:

========= ==========================================================================================
``off``   nobody is asked
``soft``  the same direction twice is granted and stands in the record's trace
``hard``  the same direction twice is refused, until ``forget_after_h`` or an operator's reset
``timed`` the same direction within ``timed_min`` is refused; later the earlier passage counts for nothing
========= ==========================================================================================

Whoever is not known may go either way. The marks are this terminal's: lanes of one terminal share an area, those of
another do not know it. Marks hold ``±(generation · 2^42 + time_ms)``, positive for inside: a reset of a whole area is a
new generation, and no clock that jumps can undo it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from profiles.api import Facts, Mark, Subject
from profiles.direction import Direction
from profiles.reasons import ReasonEnum, Sentence
from profiles.trace import Asked, Rule

SCOPE = "passback."
FOR_EVER_MS = 10 * 366 * 86_400_000
_GENERATION = b"generation"
_TIME = 1 << 42
_GENERATIONS = 1 << 20
_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_S = Sentence


class PassbackReason(ReasonEnum):
    """What anti-passback has to say."""

    STILL_INSIDE = (
        "still-inside",
        _S("记录显示您尚未离开，请到服务台", "You are still inside by the records; please go to the service desk"),
        _S("防折返：同一人已在区域内，没有离开记录", "anti-passback: this person went in and did not come out"),
    )
    STILL_OUTSIDE = (
        "still-outside",
        _S("没有您进入的记录，请到服务台", "There is no record of your coming in; please go to the service desk"),
        _S("防折返：同一人已离开，没有再次进入的记录", "anti-passback: this person went out and did not come in since"),
    )


class Mode(StrEnum):
    """How strictly."""

    OFF = "off"
    SOFT = "soft"
    HARD = "hard"
    TIMED = "timed"


class Passback(BaseModel):
    """Settings of one lane; lanes of one area should agree."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Mode = Field(default=Mode.OFF, description="off, soft, hard or timed")
    timed_min: int = Field(default=10, ge=1, le=1_440, description="timed: so long the same direction is refused")
    forget_after_h: int = Field(default=18, ge=1, le=720, description="soft, hard: then nobody knows where he is")

    def rules(self, area: str, direction: Direction, subject: Subject, facts: Facts) -> Iterator[Asked]:
        """Whether this person may go this way."""
        if self.mode is not Mode.OFF:
            reason = PassbackReason.STILL_INSIDE if direction is Direction.IN else PassbackReason.STILL_OUTSIDE
            refusal = None if self.mode is Mode.SOFT else reason
            yield Rule.PASSBACK, self._last(area, subject, facts) is not direction, refusal

    def went(self, area: str, direction: Direction, subject: Subject, facts: Facts) -> tuple[Mark, ...]:
        """The mark of a passage that is granted."""
        if self.mode is Mode.OFF:
            return ()
        time_ms = min(facts.now_ms, _TIME - 1)
        value = _generation(area, facts) * _TIME + time_ms
        return (Mark(SCOPE + area, key_of(subject), _signed(value, direction), facts.now_ms + self._kept_ms),)

    def give_back(
        self, area: str, subject: Subject, granted: int | None, before: int | None, facts: Facts
    ) -> tuple[Mark, ...]:
        """The mark as it was ``before`` a grant that nobody used; none if another passage has set it since."""
        if granted is None or standing(area, subject, facts) != granted:
            return ()
        ends_ms = facts.now_ms if before is None else abs(before) % _TIME + self._kept_ms
        return (Mark(SCOPE + area, key_of(subject), before, ends_ms),)

    @property
    def _kept_ms(self) -> int:
        return self.timed_min * _MINUTE_MS if self.mode is Mode.TIMED else self.forget_after_h * _HOUR_MS

    def _last(self, area: str, subject: Subject, facts: Facts) -> Direction | None:
        """Which way the person went last; ``None`` if that is not known, or counts no more."""
        value = standing(area, subject, facts)
        if value is None or abs(value) // _TIME != _generation(area, facts):
            return None
        if self.mode is Mode.TIMED and not 0 <= facts.now_ms - abs(value) % _TIME < self._kept_ms:
            return None
        return Direction.IN if value > 0 else Direction.OUT


def standing(area: str, subject: Subject, facts: Facts) -> int | None:
    """The mark of a person as it stands."""
    return facts.mark(SCOPE + area, key_of(subject))


def forget_all(area: str, facts: Facts) -> Mark:
    """An operator's reset: from now on nobody's passage before counts."""
    generation = (_generation(area, facts) + 1) % _GENERATIONS
    return Mark(SCOPE + area, _GENERATION, generation, facts.now_ms + FOR_EVER_MS)


def key_of(subject: Subject) -> bytes:
    """The key of a person's marks."""
    return subject.namespace.encode() + b":" + subject.id


def _generation(area: str, facts: Facts) -> int:
    return facts.mark(SCOPE + area, _GENERATION) or 0


def _signed(value: int, direction: Direction) -> int:
    return value if direction is Direction.IN else -value
