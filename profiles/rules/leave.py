"""Leave permits (请假条): who may leave a school now, and who is back later than he promised.

Permits come with the signed roster. On days of a term boarders leave with a permit only, and day pupils while lessons
last. In the vacation nobody needs one. Whoever went out on a permit is expected back by its end: that stands in a
durable mark of the person, at this terminal, until he comes in again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from profiles.api import Facts, Mark, Subject
from profiles.pupil import Leave, Pupil
from profiles.reasons import ReasonEnum, Sentence
from profiles.rules.local_time import LocalTime
from profiles.rules.tally import key_of
from profiles.rules.term import SchoolDay
from profiles.trace import Asked, Rule

SCOPE = "leave.back-by"
KEPT_MS = 60 * 86_400_000
"""So long somebody is expected back, beyond his permit."""
_S = Sentence


class LeaveReason(ReasonEnum):
    """What is said to whoever may not leave."""

    NO_LEAVE = (
        "no-leave",
        _S("没有此时的离校许可，请找班主任", "You have no leave to go out now; please see your class teacher"),
        _S("名册中没有此时有效的请假条", "the roster has no leave permit of this pupil that holds now"),
    )


class Lessons(BaseModel):
    """From ``start`` (included) to ``end`` (excluded), on days with lessons."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    start: LocalTime = Field(alias="from", description="HH:MM local time, in quotes")
    end: LocalTime = Field(alias="to", description="HH:MM local time, in quotes")

    @model_validator(mode="after")
    def within_a_day(self) -> Lessons:
        """Lessons do not go past midnight."""
        if self.start >= self.end:
            raise PydanticCustomError(
                "said",
                "{en}",
                {"zh": "to 应晚于 from，且在同一天", "en": "to should be later than from, on the same day"},
            )
        return self

    def hold(self, moment: time) -> bool:
        """Whether they last at a local time."""
        return self.start <= moment < self.end


class Leaves(BaseModel):
    """Who needs a permit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    boarders: bool = Field(default=True, description="boarders, at any hour of a day in term")
    lessons: Lessons | None = Field(default=None, description="day pupils, while these last; null: never")

    def needed(self, pupil: Pupil, day: SchoolDay, facts: Facts) -> bool:
        """Whether this pupil needs one now."""
        if day is SchoolDay.VACATION:
            return False
        if pupil.boards:
            return self.boarders
        return day is SchoolDay.LESSONS and self.lessons is not None and self.lessons.hold(facts.local_time.time())

    def rules(self, pupil: Pupil, day: SchoolDay, facts: Facts) -> Iterator[Asked]:
        """Whether he may go out."""
        if self.needed(pupil, day, facts):
            yield Rule.LEAVE, current(pupil, facts.least_ms) is not None, LeaveReason.NO_LEAVE


def current(pupil: Pupil, now_ms: int) -> Leave | None:
    """The permit that holds; of several the one that lasts longest."""
    holding = (leave for leave in pupil.leaves if leave.from_ms <= now_ms < leave.until_ms)
    return max(holding, key=lambda leave: leave.until_ms, default=None)


def went(leave: Leave, subject: Subject, facts: Facts) -> Mark:
    """The mark of somebody who went out on a permit."""
    return Mark(SCOPE, key_of(subject), leave.until_ms, max(facts.now_ms, leave.until_ms) + KEPT_MS)


def back_by(subject: Subject, facts: Facts) -> int | None:
    """By when somebody is expected back; ``None`` of whoever is not out on a permit."""
    return facts.mark(SCOPE, key_of(subject))


def came(subject: Subject, facts: Facts) -> Mark:
    """The mark that ends it."""
    return Mark(SCOPE, key_of(subject), None, facts.now_ms)
