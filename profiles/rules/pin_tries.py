"""How often a PIN may be tried, and how slowly: counted by person and day, before anybody is asked whether it is right.

The count and the moment from which the next try counts are durable marks, so neither another lane, a restart nor a
pulled plug gives a try back. Each wrong PIN doubles the pause before the next one.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from profiles.api import Facts, Mark, Subject
from profiles.dates import midnight_ms
from profiles.rules.tally import count, counted, key_of

SCOPE, NOT_BEFORE = "pin.tries", "pin.not-before"


class PinTries(BaseModel):
    """Settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    a_day: int = Field(default=3, ge=1, le=10, strict=True, description="wrong PINs a person and day at this terminal")
    pause_ms: int = Field(
        default=2_000, ge=0, le=60_000, description="before the next try; it doubles with every wrong one"
    )

    def left(self, subject: Subject, facts: Facts) -> int:
        """How many tries are left today."""
        return max(0, self.a_day - counted(SCOPE, key_of(subject), facts))

    def wait_ms(self, subject: Subject, facts: Facts) -> int:
        """How long until the next one counts."""
        return max(0, (facts.mark(NOT_BEFORE, key_of(subject)) or 0) - facts.now_ms)

    def delay_ms(self, subject: Subject, facts: Facts) -> int:
        """The pause after a wrong PIN, by how many there were."""
        tries = max(1, counted(SCOPE, key_of(subject), facts))
        return int(self.pause_ms * 2 ** (tries - 1))

    def tried(self, subject: Subject, facts: Facts) -> tuple[Mark, ...]:
        """One more, whatever comes of it."""
        return (count(SCOPE, key_of(subject), 1, self._ends_ms(facts), facts),)

    def wrong(self, subject: Subject, facts: Facts) -> tuple[Mark, ...]:
        """It was wrong, and is counted already: the next one has to wait."""
        until_ms = facts.now_ms + self.delay_ms(subject, facts)
        return (Mark(NOT_BEFORE, key_of(subject), until_ms, until_ms),)

    def right(self, subject: Subject, facts: Facts) -> tuple[Mark, ...]:
        """It was right: what was wrong before is forgotten."""
        ends_ms = self._ends_ms(facts)
        return (Mark(SCOPE, key_of(subject), None, ends_ms), Mark(NOT_BEFORE, key_of(subject), None, ends_ms))

    def given_back(self, subject: Subject, facts: Facts) -> tuple[Mark, ...]:
        """Nobody said whether it was right."""
        return (count(SCOPE, key_of(subject), -1, self._ends_ms(facts), facts),)

    def _ends_ms(self, facts: Facts) -> int:
        return midnight_ms(facts)
