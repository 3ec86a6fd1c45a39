"""Attendance figures (考勤): who was at school on a day, late, absent or on leave, from the notices of all gates.

Day pupils are there if any gate saw them that day, and late if the first thing that was seen was a late coming.
Boarders are there unless they went out before the day began and did not come back. Whoever is not there is on leave if
a permit covers any of the day, and else absent; but only on a day with lessons. Whether it was one, the gates say: of a
day without any notice nothing is known, and nobody is called absent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from profiles.rules.attendance import NoticeReason
from tools.platform.ledger import Owner
from tools.platform.notices import CAME, IN_TIME, WENT, day_of, notice_table
from tools.platform.pupils import Enrolled, enrolled
from tools.platform.store import Transaction


class Presence(StrEnum):
    """What a day was for a pupil."""

    PRESENT = "present"
    LATE = "late"
    ABSENT = "absent"
    ON_LEAVE = "on-leave"
    UNTOLD = "untold"
    """Not seen, on a day without lessons, or one of which nothing is known."""


@dataclass(frozen=True, slots=True)
class PupilDay:
    """One pupil on one day."""

    pupil: Owner
    class_name: str
    presence: Presence
    came_ms: int | None
    """When the first coming of the day was."""
    minutes_late: int = 0


@dataclass(frozen=True, slots=True)
class SchoolDay:
    """A day of a school."""

    day: date
    lessons: bool | None
    """``None``: no gate has told anything of this day."""
    pupils: tuple[PupilDay, ...]

    def by_class(self) -> Mapping[str, Counter[Presence]]:
        """The figures of each class."""
        counted: dict[str, Counter[Presence]] = {}
        for each in self.pupils:
            counted.setdefault(each.class_name, Counter())[each.presence] += 1
        return counted


def attendance(transaction: Transaction, day: date, class_name: str | None = None) -> SchoolDay:
    """The day of the whole school, or of one class."""
    begins_ms, ends_ms = day_of(day)
    columns = notice_table.c
    query = sa.select(notice_table).where(columns.time_ms >= begins_ms, columns.time_ms < ends_ms, IN_TIME)
    seen: dict[Owner, list[sa.Row[Any]]] = {}
    lessons: bool | None = None
    for row in transaction.connection.execute(query.order_by(columns.time_ms, columns.id)):
        seen.setdefault((row.namespace, row.subject), []).append(row)
        lessons = bool(lessons) or bool(row.lessons)
    pupils = [
        _boarder(transaction, each, seen.get(each.owner, []), begins_ms, lessons is True)
        if each.pupil.boards
        else _day_pupil(each, seen.get(each.owner, []), begins_ms, ends_ms, lessons is True)
        for each in enrolled(transaction, class_name)
    ]
    return SchoolDay(day, lessons, tuple(pupils))


def _day_pupil(
    who: Enrolled, seen: Sequence[sa.Row[Any]], begins_ms: int, ends_ms: int, lessons: bool
) -> PupilDay:  # fmt: skip
    if not seen:
        permitted = any(leave.from_ms < ends_ms and leave.until_ms > begins_ms for leave in who.pupil.leaves)
        return PupilDay(who.owner, who.class_name, _away(permitted, lessons), None)
    first = seen[0]
    is_late = first.reason == NoticeReason.CAME_LATE.code
    minutes = int(first.minutes_late) if is_late else 0
    presence = Presence.LATE if is_late else Presence.PRESENT
    return PupilDay(who.owner, who.class_name, presence, _came_ms(seen), minutes)


def _boarder(
    transaction: Transaction, who: Enrolled, seen: Sequence[sa.Row[Any]], begins_ms: int, lessons: bool
) -> PupilDay:  # fmt: skip
    columns = notice_table.c
    query = sa.select(notice_table).where(columns.namespace == who.owner[0], columns.subject == who.owner[1])
    query = (
        query.where(columns.time_ms < begins_ms, IN_TIME).order_by(columns.time_ms.desc(), columns.id.desc()).limit(1)
    )
    before = transaction.connection.execute(query).one_or_none()
    was_out = before is not None and before.reason in WENT
    back = next((row for row in seen if row.reason in CAME), None)
    if was_out and before is not None and back is None:
        permitted = before.back_by_ms is not None and before.back_by_ms > begins_ms
        return PupilDay(who.owner, who.class_name, _away(permitted, lessons), None)
    is_late = was_out and back is not None and back.reason == NoticeReason.CAME_BACK_LATE.code
    minutes = int(back.minutes_late) if is_late and back is not None else 0
    presence = Presence.LATE if is_late else Presence.PRESENT
    return PupilDay(who.owner, who.class_name, presence, _came_ms(seen), minutes)


def _away(permitted: bool, lessons: bool) -> Presence:
    if permitted:
        return Presence.ON_LEAVE
    return Presence.ABSENT if lessons else Presence.UNTOLD


def _came_ms(seen: Sequence[sa.Row[Any]]) -> int | None:
    return next((int(row.time_ms) for row in seen if row.reason in CAME), None)
