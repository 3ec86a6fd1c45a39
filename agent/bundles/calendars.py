"""School calendars (:mod:`profiles.school_calendar`) as tables: a row is one day that differs from its weekday.

The key is the day, ``YYYYMMDD`` as 4 bytes big-endian; behind it stands one byte of flags. A table of days has deltas,
as every table, and what a term, a holiday and a swapped day are is the same row.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from enum import IntFlag
from itertools import pairwise

from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.table import Shape, Table
from profiles.reasons import Sentence
from profiles.school_calendar import SchoolCalendar

MAX_DAYS = 2_000
_KEY_BYTES = 4
SHAPE = Shape(_KEY_BYTES, _KEY_BYTES + 1)


class DayFlag(IntFlag):
    """What a day is."""

    TERM_BEGINS = 1
    TERM_ENDS = 2
    HOLIDAY = 4
    WORKDAY = 8


_ALL = int(DayFlag.TERM_BEGINS | DayFlag.TERM_ENDS | DayFlag.HOLIDAY | DayFlag.WORKDAY)


def rows_of(calendar: SchoolCalendar) -> list[bytes]:
    """The rows of a calendar."""
    flags: dict[date, DayFlag] = {}
    days: tuple[tuple[Iterable[date], DayFlag], ...] = (
        ((first for first, _ in calendar.terms), DayFlag.TERM_BEGINS),
        ((last for _, last in calendar.terms), DayFlag.TERM_ENDS),
        (calendar.holidays, DayFlag.HOLIDAY),
        (calendar.workdays, DayFlag.WORKDAY),
    )
    for some, flag in days:
        for day in some:
            flags[day] = flags.get(day, DayFlag(0)) | flag
    return [_number(day).to_bytes(_KEY_BYTES, "big") + bytes([flag]) for day, flag in flags.items()]


def calendar_of(table: Table) -> SchoolCalendar:
    """What the rows say. Raises :class:`BundleError`."""
    if table.shape != SHAPE or table.count > MAX_DAYS:
        raise _wrong("不是校历的行", "these are not the rows of a school's calendar")
    table.check()
    begins: list[date] = []
    ends: list[date] = []
    marked: dict[DayFlag, set[date]] = {DayFlag.HOLIDAY: set(), DayFlag.WORKDAY: set()}
    for row in table.rows():
        day, flags = _date(int.from_bytes(row[:_KEY_BYTES], "big")), row[_KEY_BYTES]
        if not flags or flags & ~_ALL or (flags & DayFlag.HOLIDAY and flags & DayFlag.WORKDAY):
            raise _wrong("有一天的标记无法识别", "the flags of a day are not known")
        if flags & DayFlag.TERM_BEGINS:
            begins.append(day)
        if flags & DayFlag.TERM_ENDS:
            ends.append(day)
        for flag, days in marked.items():
            if flags & flag:
                days.add(day)
    terms = tuple(zip(begins, ends, strict=False))
    ordered = all(first <= last for first, last in terms) and all(one[1] < next_[0] for one, next_ in pairwise(terms))
    if len(begins) != len(ends) or not terms or not ordered:
        raise _wrong("学期的首日和末日不配对", "the first and last days of the terms do not match")
    return SchoolCalendar(terms, frozenset(marked[DayFlag.HOLIDAY]), frozenset(marked[DayFlag.WORKDAY]))


def check_calendar(table: Table) -> None:
    """Hold every row to its form. Raises :class:`BundleError`."""
    calendar_of(table)


def _number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def _date(number: int) -> date:
    try:
        return date(number // 10_000, number // 100 % 100, number % 100)
    except ValueError as error:
        raise _wrong("有一天不存在", "a day does not exist") from error


def _wrong(zh: str, en: str) -> BundleError:
    return BundleError(BundleFault.CONTENT, Sentence(zh, en))
