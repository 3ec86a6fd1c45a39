"""A school's gate (校门): what a gate or a turnstile asks and tells beyond its own rules.

Two lines of a door's ``campus`` settings make a school's gate of it: in the vacation pupils are not admitted, boarders
leave with a permit, day pupils do not leave during lessons, and each passage of a pupil is told
(:mod:`profiles.rules.attendance`). Whoever is no pupil of the roster passes as at any door.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field

from profiles.api import Effect, Facts, Reason, Record, Subject
from profiles.direction import Direction
from profiles.pupil import Consent
from profiles.reasons import Sentence
from profiles.rules import leave
from profiles.rules.attendance import Attendance
from profiles.rules.leave import Leaves
from profiles.rules.term import SchoolDay, Term, TermReason
from profiles.trace import Asked, Rule

BACK_LATE = Sentence("请通行；您已超过返校时间，请到宿管处", "Please pass; you are back late: see the dormitory desk")


class Campus(BaseModel):
    """Settings of a door of a school."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    term: Term = Term()
    vacation_in: bool = Field(default=False, description="whether pupils come in during the vacation")
    leaves: Leaves = Leaves()
    attendance: Attendance = Attendance()

    def rules(self, direction: Direction, subject: Subject, facts: Facts) -> Iterator[Asked]:
        """Whether a pupil may pass this way."""
        person = facts.person(subject)
        if person is None or person.pupil is None:
            return
        day = self.term.day(facts)
        if direction is Direction.OUT:
            yield from self.leaves.rules(person.pupil, day, facts)
        elif not self.vacation_in:
            yield Rule.TERM, day is not SchoolDay.VACATION, TermReason.VACATION

    def passed(self, direction: Direction, subject: Subject, about: bytes, facts: Facts) -> tuple[Record, ...]:
        """What is told of a pupil who passed; of one whose guardian has not consented, nothing."""
        person = facts.person(subject)
        if person is None or person.pupil is None or person.pupil.consent is Consent.MISSING:
            return ()
        day = self.term.day(facts)
        return self.attendance.noted(direction, subject, person, day, about, facts)

    def said(self, direction: Direction, subject: Subject, facts: Facts) -> Sentence:
        """What the screen says to whoever may pass."""
        back_by_ms = leave.back_by(subject, facts) if direction is Direction.IN else None
        return BACK_LATE if back_by_ms is not None and back_by_ms < facts.least_ms else Reason.GRANTED.citizen

    def warning(self, facts: Facts) -> tuple[Effect, ...]:
        """Once a day, where no calendar speaks of it."""
        return self.term.warning(facts)
