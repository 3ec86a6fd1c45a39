"""Which days are worked in China: public holidays and the weekend days worked in their stead (调休).

The State Council announces a year's days each autumn, for that year alone, so nothing can compute them. They come from
the library ``chinesecalendar``, which is renewed with each announcement, or from the settings. Of a year that neither
knows, nothing is guessed in silence: the weekday decides, the answer says so (:attr:`DayType.known`), and the terminal
alarms once a day (:func:`warning`), beginning two weeks before such a year.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from profiles.api import Effect, Facts, Kind, Mark, RaiseAlarm, Record
from profiles.dates import midnight_ms
from profiles.reasons import ReasonEnum, Sentence

WARN_AHEAD = timedelta(days=14)
MARK_SCOPE = "calendar.unknown"
MAX_DATES = 400
_FRIDAY = 4
_S = Sentence


class CalendarReason(ReasonEnum):
    """What a calendar has to say."""

    YEAR_UNKNOWN = (
        "calendar-unknown",
        _S("请走旁边通道", "Please use the next lane"),
        _S(
            "不知道这一年（或两周后那一年）的法定节假日和调休，按星期判断；请更新软件，或在 schedule.calendar 中写明",
            "public holidays and swapped working days of this year, or of the one in two weeks, are not known:"
            " weekdays decide; update the software or write them under schedule.calendar",
        ),
    )


@dataclass(frozen=True, slots=True)
class DayType:
    """What one day is."""

    workday: bool
    holiday: bool
    """Off by a public holiday, its swapped days off and the weekends within it; a plain weekend is not."""
    known: bool
    """``False``: nobody has said, and the weekday was taken."""


class Calendar(BaseModel):
    """What the settings say beside the library, and before it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    holidays: frozenset[date] = Field(default=frozenset(), max_length=MAX_DATES, description="days off, as 2027-01-01")
    workdays: frozenset[date] = Field(
        default=frozenset(), max_length=MAX_DATES, description="weekend days that are worked (调休), as 2027-02-20"
    )
    complete_years: frozenset[int] = Field(
        default=frozenset(), max_length=10, description="of these years every such day stands here"
    )

    @model_validator(mode="after")
    def says_one_thing(self) -> Calendar:
        """A day cannot be both."""
        if both := self.holidays & self.workdays:
            days = ", ".join(sorted(str(day) for day in both))
            said = {"zh": f"{days} 既是节假日又是工作日", "en": f"{days} cannot be both a holiday and a working day"}
            raise PydanticCustomError("said", "{en}", said)
        return self

    def day(self, day: date) -> DayType:
        """What a local day is."""
        if day in self.holidays:
            return DayType(workday=False, holiday=True, known=True)
        if day in self.workdays:
            return DayType(workday=True, holiday=False, known=True)
        if day.year in self.complete_years:
            return _by_weekday(day, known=True)
        return announced(day)

    def warning(self, facts: Facts) -> tuple[Effect, ...]:
        """Once a local day and terminal: a record and an alarm, if today's year or the coming one is not known."""
        today = facts.local_time.date()
        unknown = [day for day in (today, today + WARN_AHEAD) if not self.day(day).known]
        if not unknown:
            return ()
        key = str(unknown[0].year).encode()
        if facts.mark(MARK_SCOPE, key) is not None:
            return ()
        ends_ms = midnight_ms(facts)
        record_id, reason = facts.new_id(), CalendarReason.YEAR_UNKNOWN
        mark = Mark(MARK_SCOPE, key, 1, ends_ms)
        record = Record(record_id, Kind.ALARM, reason, public={"year": unknown[0].year}, marks=(mark,))
        return (record, RaiseAlarm(reason, record_id))


@lru_cache(maxsize=64)
def announced(day: date) -> DayType:
    """What the State Council announced of a day, as the library has it."""
    import chinese_calendar  # 0.7 MB and 5 ms, for those whose schedule asks for it

    try:
        off, name = chinese_calendar.get_holiday_detail(day)
    except NotImplementedError:
        return _by_weekday(day, known=False)
    return DayType(workday=not off, holiday=off and name is not None, known=True)


def _by_weekday(day: date, *, known: bool) -> DayType:
    return DayType(workday=day.weekday() <= _FRIDAY, holiday=False, known=known)
