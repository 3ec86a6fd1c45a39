"""A school's days: lessons, days off within a term, vacation; by the school's calendar bundle or the lane's settings.

Within a term a day has lessons if the calendar says so, else if China's calendar has it as a working day
(:mod:`profiles.rules.calendar`). A day that no calendar speaks of counts as one in term, by its weekday, and the
terminal alarms once a day: nobody is let out of a school because a file is missing.
"""

from __future__ import annotations

from datetime import date
from enum import Enum, auto
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from profiles.api import Effect, Facts, Kind, Mark, RaiseAlarm, Record
from profiles.dates import midnight_ms
from profiles.reasons import ReasonEnum, Sentence
from profiles.rules.admission import Code
from profiles.rules.calendar import announced
from profiles.school_calendar import SchoolCalendar

SCOPE = "term.unknown"
MAX_TERMS = 20
MAX_DATES = 400
_S = Sentence


class TermReason(ReasonEnum):
    """What a school's calendar has to say."""

    UNKNOWN = (
        "term-unknown",
        _S("请走旁边通道", "Please use the next lane"),
        _S(
            "没有今天的校历，按学期内的星期判断；请下发校历",
            "no school calendar speaks of today: the weekday decides; publish one",
        ),
    )
    VACATION = (
        "school-vacation",
        _S("现在是假期，有事请联系门卫", "It is vacation; please speak to the guard"),
        _S("校历上是假期，学生不能入校", "vacation by the school's calendar: pupils are not admitted"),
    )


class SchoolDay(Enum):
    """What a day is at a school."""

    LESSONS = auto()
    FREE = auto()
    """In a term, without lessons."""
    VACATION = auto()


class TermDates(BaseModel):
    """First and last day of one term, both included."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    first: date = Field(alias="from", description='"2026-09-01"')
    last: date = Field(alias="to", description='"2027-01-22"')


class CalendarDates(BaseModel):
    """A school's calendar as people write it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    terms: tuple[TermDates, ...] = Field(min_length=1, max_length=MAX_TERMS, description="in their order")
    holidays: frozenset[date] = Field(default=frozenset(), max_length=MAX_DATES, description="days without lessons")
    workdays: frozenset[date] = Field(
        default=frozenset(), max_length=MAX_DATES, description="weekend days and public holidays with lessons (调休)"
    )

    @model_validator(mode="after")
    def can_be(self) -> CalendarDates:
        """Terms lie one after the other, and a day says one thing."""
        if any(term.last < term.first for term in self.terms):
            raise _said("学期的 to 早于 from", "a term ends before it begins")
        if any(later.first <= earlier.last for earlier, later in pairwise(self.terms)):
            raise _said("学期应按先后排列，互不重叠", "terms should stand in their order, without overlap")
        if both := self.holidays & self.workdays:
            days = ", ".join(sorted(str(day) for day in both))
            raise _said(f"{days} 既放假又上课", f"{days} cannot be both without and with lessons")
        return self

    def known(self) -> SchoolCalendar:
        """The same as profiles have it."""
        return SchoolCalendar(tuple((term.first, term.last) for term in self.terms), self.holidays, self.workdays)


class Term(BaseModel):
    """Which calendar a lane goes by."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    calendar: Code = Field(default="school", description="the bundle calendar-… of the school")
    own: CalendarDates | None = Field(default=None, description="as long as no such bundle is installed")

    def day(self, facts: Facts) -> SchoolDay:
        """What today is."""
        today, calendar = facts.local_time.date(), self._calendar(facts)
        if calendar is not None and calendar.speaks_of(today):
            if not calendar.in_term(today):
                return SchoolDay.VACATION
            if today in calendar.workdays:
                return SchoolDay.LESSONS
            if today in calendar.holidays:
                return SchoolDay.FREE
        return SchoolDay.LESSONS if announced(today).workday else SchoolDay.FREE

    def warning(self, facts: Facts) -> tuple[Effect, ...]:
        """Once a local day and terminal: a record and an alarm, if no calendar speaks of it."""
        calendar, key = self._calendar(facts), self.calendar.encode()
        if (calendar is not None and calendar.speaks_of(facts.local_time.date())) or facts.mark(SCOPE, key):
            return ()
        ends_ms = midnight_ms(facts)
        record_id, reason = facts.new_id(), TermReason.UNKNOWN
        record = Record(record_id, Kind.ALARM, reason, marks=(Mark(SCOPE, key, 1, ends_ms),))
        return (record, RaiseAlarm(reason, record_id))

    def _calendar(self, facts: Facts) -> SchoolCalendar | None:
        installed = facts.calendar(self.calendar)
        if installed is not None or self.own is None:
            return installed
        return self.own.known()


def _said(zh: str, en: str) -> PydanticCustomError:
    return PydanticCustomError("said", "{en}", {"zh": zh, "en": en})
