"""When a lane is open: weekly windows in local time, by days of the week or by China's working days and holidays.

Local time is the terminal's (``terminal.utc_offset_minutes``): China keeps UTC+8 all year, so that is Asia/Shanghai.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from profiles.api import Effect, Facts
from profiles.rules.calendar import Calendar, DayType
from profiles.rules.local_time import LocalTime


class Day(StrEnum):
    """Days of the week, in the order of ``datetime.weekday()``, then days by the calendar."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"
    WORKDAYS = "workdays"
    """Worked, weekend days that are swapped included (调休上班)."""
    RESTDAYS = "restdays"
    """Not worked: weekends and public holidays."""
    HOLIDAYS = "holidays"
    """Public holidays, with their swapped days off and the weekends within them."""


_WEEK = tuple(Day)[:7]
_BY_CALENDAR = frozenset(Day) - frozenset(_WEEK)
_CHINA = Calendar()


class Window(BaseModel):
    """From ``start`` (included) to ``end`` (excluded); an ``end`` before ``start`` lies on the next day."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    days: tuple[Day, ...] = Field(
        default=_WEEK, min_length=1, description="on which the window starts: mon … sun, workdays, restdays, holidays"
    )
    start: LocalTime = Field(alias="from", description="HH:MM local time, in quotes")
    end: LocalTime = Field(alias="to", description='HH:MM local time, in quotes; "00:00" is the end of the day')

    @field_validator("days", mode="before")
    @classmethod
    def one_or_several(cls, value: object) -> object:
        """``days: workdays`` is as good as ``days: [workdays]``."""
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def not_empty(self) -> Window:
        """A window of no length is a mistake; a whole day is ``00:00`` to ``00:00``."""
        if self.start == self.end and self.start != time.min:
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": "from 与 to 相同；全天请写 00:00 至 00:00",
                    "en": "from and to are equal; a whole day is 00:00 to 00:00",
                },
            )
        return self

    def holds(self, moment: datetime, calendar: Calendar = _CHINA) -> bool:
        """Whether a local moment lies in the window."""
        today, now = moment.date(), moment.time()
        if self.start < self.end:
            return self.start <= now < self.end and self._starts_on(today, calendar)
        yesterday = today - timedelta(days=1)
        return (now >= self.start and self._starts_on(today, calendar)) or (
            now < self.end and self._starts_on(yesterday, calendar)
        )

    @cached_property
    def by_calendar(self) -> bool:
        """Whether holidays matter to it."""
        return not _BY_CALENDAR.isdisjoint(self.days)

    def _starts_on(self, day: date, calendar: Calendar) -> bool:
        if _WEEK[day.weekday()] in self.days:
            return True
        return self.by_calendar and any(_is(each, calendar.day(day)) for each in self.days)


class Schedule(BaseModel):
    """A lane without windows is always open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    windows: tuple[Window, ...] = Field(default=(), max_length=32)
    calendar: Calendar = _CHINA

    @cached_property
    def by_calendar(self) -> bool:
        """Whether holidays matter to it."""
        return any(window.by_calendar for window in self.windows)

    def is_open(self, moment: datetime) -> bool:
        """Whether the lane is open at a local moment."""
        return not self.windows or any(window.holds(moment, self.calendar) for window in self.windows)

    def warning(self, facts: Facts) -> tuple[Effect, ...]:
        """What to record, once a day, when the calendar that this schedule asks does not know the year."""
        return self.calendar.warning(facts) if self.by_calendar else ()


def _is(day: Day, kind: DayType) -> bool:
    match day:
        case Day.WORKDAYS:
            return kind.workday
        case Day.RESTDAYS:
            return not kind.workday
        case Day.HOLIDAYS:
            return kind.holiday
        case _:
            return False
