"""Attendance (考勤): what a pupil's passage of the school's gate means, as a record of its own.

Guardians are told by these records, and the figures of a class are made of them; both by the platform, since only it
knows a pupil's guardians and what other terminals saw. A record says what this terminal knows at the time of the
passage: the first coming on a day with lessons, after they began, is late; whoever left on a permit is back in time or
not. The same way again within ``again_min`` is the same coming, and is not told twice.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from profiles.api import Facts, Kind, Mark, Record, Subject
from profiles.dates import midnight_ms
from profiles.direction import Direction
from profiles.person import Person
from profiles.reasons import ReasonEnum, Sentence
from profiles.rules import leave
from profiles.rules.admission import Code
from profiles.rules.local_time import LocalTime
from profiles.rules.tally import key_of
from profiles.rules.term import SchoolDay

CAME_SCOPE = "attendance.came"
LAST_SCOPE = "attendance.last"
_MINUTE_MS = 60_000
_S = Sentence


class NoticeReason(ReasonEnum):
    """What a guardian is told; the sentence of the citizen is the guardian's."""

    CAME_IN = ("came-in", _S("已到校", "has come to school"), _S("学生进校", "a pupil came in"))
    CAME_LATE = (
        "came-in-late",
        _S("已到校，迟到", "has come to school, late"),
        _S("学生上课后进校", "a pupil came in after lessons had begun"),
    )
    WENT_OUT = ("went-out", _S("已离校", "has left the school"), _S("学生离校", "a pupil went out"))
    WENT_ON_LEAVE = (
        "went-on-leave",
        _S("已请假离校", "has left the school on leave"),
        _S("学生凭请假条离校", "a pupil went out on a leave permit"),
    )
    CAME_BACK = (
        "came-back",
        _S("已按时返校", "is back at school in time"),
        _S("请假学生按时返校", "a pupil is back from leave in time"),
    )
    CAME_BACK_LATE = (
        "came-back-late",
        _S("已返校，超过返校时间", "is back at school, later than permitted"),
        _S("请假学生超时返校", "a pupil is back from leave, later than the permit says"),
    )


class Attendance(BaseModel):
    """When lessons begin, and what is told once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    starts: LocalTime | None = Field(
        default=None, description="HH:MM local time, in quotes: who comes first after it is late; null: nobody"
    )
    starts_of: Mapping[Code, LocalTime] = Field(
        default_factory=dict, max_length=200, description="the same for single classes, by the roster's unit"
    )
    again_min: int = Field(default=5, ge=0, le=120, description="the same way again within it is not told again")

    def noted(
        self, direction: Direction, subject: Subject, person: Person, day: SchoolDay, about: bytes, facts: Facts
    ) -> tuple[Record, ...]:
        """The record of a passage that the decision ``about`` granted; none if it was told just now, or of no pupil."""
        if person.pupil is None or self._told_just_now(direction, subject, facts):
            return ()
        public: dict[str, str | int | bool] = {"class": person.unit, "lessons": day is SchoolDay.LESSONS}
        ends_ms = midnight_ms(facts)
        marks: tuple[Mark, ...]
        if direction is Direction.IN:
            reason, late_min = self._came(subject, person, day, facts)
            is_back = leave.back_by(subject, facts) is not None
            came = Mark(CAME_SCOPE, key_of(subject), facts.now_ms, ends_ms)
            marks = (came, leave.came(subject, facts)) if is_back else (came,)
            public |= {"minutes_late": late_min} if late_min else {}
        else:
            permit = leave.current(person.pupil, facts.least_ms)
            reason = NoticeReason.WENT_OUT if permit is None else NoticeReason.WENT_ON_LEAVE
            marks = () if permit is None else (leave.went(permit, subject, facts),)
            public |= {} if permit is None else {"back_by_ms": permit.until_ms}
        sign = 1 if direction is Direction.IN else -1
        last = Mark(LAST_SCOPE, key_of(subject), sign * facts.now_ms, ends_ms)
        record = Record(
            facts.new_id(), Kind.NOTICE, reason, subject=subject, refers_to=about, public=public, marks=(last, *marks)
        )
        return (record,)

    def _came(self, subject: Subject, person: Person, day: SchoolDay, facts: Facts) -> tuple[NoticeReason, int]:
        """Why somebody's coming is told, and how many minutes late it is, rounded up."""
        back_by_ms = leave.back_by(subject, facts)
        if back_by_ms is not None:
            late_ms = facts.now_ms - back_by_ms
            return (NoticeReason.CAME_BACK, 0) if late_ms <= 0 else (NoticeReason.CAME_BACK_LATE, _minutes(late_ms))
        starts, now = self.starts_of.get(person.unit, self.starts), facts.local_time
        is_first = facts.mark(CAME_SCOPE, key_of(subject)) is None
        if starts is None or not is_first or _lives_here(person) or day is not SchoolDay.LESSONS:
            return NoticeReason.CAME_IN, 0
        begins = now.replace(hour=starts.hour, minute=starts.minute, second=0, microsecond=0)
        late_ms = round((now - begins).total_seconds() * 1000)
        return (NoticeReason.CAME_IN, 0) if late_ms <= 0 else (NoticeReason.CAME_LATE, _minutes(late_ms))

    def _told_just_now(self, direction: Direction, subject: Subject, facts: Facts) -> bool:
        last = facts.mark(LAST_SCOPE, key_of(subject))
        same_way = last is not None and (last > 0) is (direction is Direction.IN)
        return same_way and 0 <= facts.now_ms - abs(last or 0) < self.again_min * _MINUTE_MS


def _lives_here(person: Person) -> bool:
    """A boarder is at school before anybody opens the gate: he comes back, or not, and is not late in the morning."""
    return person.pupil is not None and person.pupil.boards


def _minutes(late_ms: int) -> int:
    return -(-late_ms // _MINUTE_MS)
