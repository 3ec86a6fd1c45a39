"""Which moments a schedule takes, with China's holidays and swapped working days."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from profiles.api import Kind, RaiseAlarm, Record
from profiles.rules.calendar import Calendar, CalendarReason, announced
from profiles.rules.schedule import Schedule
from tests.profiles.facts import HeldFacts

CHINA = timezone(timedelta(hours=8))
KNOWN_DAYS = st.dates(date(2020, 1, 1), date(2026, 12, 31))
TIMES = st.times().map(lambda moment: moment.replace(second=0, microsecond=0))
LAST_KNOWN = next(year for year in range(2026, 2100) if not announced(date(year + 1, 6, 1)).known)
"""The library learns a year more each autumn."""
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def schedule(days: Any, start: str = "00:00", end: str = "00:00", **calendar: Any) -> Schedule:
    window = {"days": days, "from": start, "to": end}
    return Schedule.model_validate({"windows": [window], "calendar": calendar})


def at(day: date, hour: int = 12, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), CHINA)


def on(year: int, month: int, day: int) -> HeldFacts:
    return HeldFacts(int(at(date(year, month, day)).timestamp() * 1000))


@pytest.mark.parametrize(
    ("day", "open_for"),
    [
        (date(2026, 2, 13), {"workdays"}),  # a Friday like others
        (date(2026, 2, 14), {"workdays"}),  # a Saturday worked for the Spring Festival
        (date(2026, 2, 17), {"restdays", "holidays"}),  # the Spring Festival, a Tuesday
        (date(2026, 2, 20), {"restdays", "holidays"}),  # a Friday off, for that Saturday
        (date(2026, 2, 21), {"restdays", "holidays"}),  # a Saturday within the holiday
        (date(2026, 3, 7), {"restdays"}),  # a plain Saturday
        (date(2026, 10, 10), {"workdays"}),  # a Saturday worked for National Day
    ],
)
def test_days_are_what_the_state_council_announced(day: date, open_for: set[str]) -> None:
    assert {kind for kind in ("workdays", "restdays", "holidays") if schedule(kind).is_open(at(day))} == open_for


@given(KNOWN_DAYS)
def test_a_day_is_worked_or_not_and_a_holiday_is_not_worked(day: date) -> None:
    worked, rested, holiday = (schedule(kind).is_open(at(day)) for kind in ("workdays", "restdays", "holidays"))
    assert worked is not rested
    assert not (holiday and worked)
    assert announced(day).known


@given(KNOWN_DAYS, TIMES, TIMES, TIMES, st.sampled_from(("workdays", "restdays", "holidays", *WEEK)))
def test_a_window_over_midnight_belongs_to_the_day_on_which_it_starts(
    day: date, start: time, end: time, now: time, kind: str
) -> None:
    if start == end:
        return
    over_midnight = schedule(kind, start.isoformat("minutes"), end.isoformat("minutes"))
    moment = datetime.combine(day, now, CHINA)
    minutes = (end.hour - start.hour) * 60 + end.minute - start.minute
    length = timedelta(minutes=minutes % (24 * 60))
    begun = [datetime.combine(day - timedelta(days=back), start, CHINA) for back in (0, 1)]
    expected = any(each <= moment < each + length and schedule(kind).is_open(at(each.date())) for each in begun)
    assert over_midnight.is_open(moment) is expected


@given(
    st.dates(date(LAST_KNOWN + 1, 1, 1), date(2100, 1, 1)),
    st.frozensets(st.sampled_from((*WEEK, "workdays")), min_size=1),
)
def test_of_an_unknown_year_the_weekday_decides_and_it_is_said(day: date, days: frozenset[str]) -> None:
    weekday = WEEK[day.weekday()]
    assert not announced(day).known
    assert schedule(sorted(days)).is_open(at(day)) is (weekday in days or ("workdays" in days and day.weekday() < 5))
    assert not schedule("holidays").is_open(at(day))


@given(st.datetimes(datetime(1992, 1, 1), datetime(2060, 1, 1)))  # noqa: DTZ001 -- made aware below
def test_eight_hours_ahead_is_the_time_of_shanghai(moment: datetime) -> None:
    there = moment.replace(tzinfo=CHINA)
    assert there.astimezone(ZoneInfo("Asia/Shanghai")).replace(tzinfo=None) == moment


def test_one_name_needs_no_list_and_several_add_up() -> None:
    assert schedule("workdays") == schedule(["workdays"])
    both = schedule(["sat", "holidays"])
    assert both.is_open(at(date(2026, 2, 14)))  # a Saturday, worked or not
    assert both.is_open(at(date(2026, 2, 17)))
    assert not both.is_open(at(date(2026, 2, 13)))


def test_the_settings_go_before_the_library_and_know_years_that_it_does_not() -> None:
    year = LAST_KNOWN + 1
    monday = next(day for day in (date(year, 2, 1 + after) for after in range(7)) if day.weekday() == 0)
    saturday = monday + timedelta(days=5)
    assert schedule("workdays").is_open(at(monday))
    told: dict[str, Any] = {"holidays": [monday], "workdays": [str(saturday)], "complete_years": [year]}
    assert not schedule("workdays", **told).is_open(at(monday))
    assert schedule("holidays", **told).is_open(at(monday))
    assert schedule("workdays", **told).is_open(at(saturday))
    assert Calendar.model_validate(told).day(date(year, 7, 1)).known


def test_an_unknown_year_is_recorded_and_alarmed_once_a_day_and_two_weeks_ahead() -> None:
    by_calendar = schedule("workdays")
    assert by_calendar.warning(on(LAST_KNOWN, 12, 17)) == ()
    facts = on(LAST_KNOWN, 12, 18)
    record, alarm = by_calendar.warning(facts)
    assert isinstance(record, Record)
    assert isinstance(alarm, RaiseAlarm)
    said = (record.kind, record.reason, dict(record.public))
    assert said == (Kind.ALARM, CalendarReason.YEAR_UNKNOWN, {"year": LAST_KNOWN + 1})
    assert alarm.about == record.id
    facts.keep((record,))
    assert by_calendar.warning(facts) == ()
    facts.now_ms += 24 * 3_600_000
    assert by_calendar.warning(facts)
    assert schedule("mon").warning(facts) == ()
    assert schedule("workdays", complete_years=[LAST_KNOWN + 1]).warning(facts) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"windows": [{"days": "weekdays", "from": "08:00", "to": "18:00"}]},
        {"windows": [{"days": [], "from": "08:00", "to": "18:00"}]},
        {"windows": [{"from": "08:00", "to": "08:00"}]},
        {"windows": [{"from": "25:00", "to": "26:00"}]},
        {"calendar": {"holidays": ["2027-02-30"]}},
        {"calendar": {"holidays": ["2027-02-20"], "workdays": ["2027-02-20"]}},
    ],
)
def test_an_impossible_schedule_is_refused_when_it_is_read(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Schedule.model_validate(wrong)
