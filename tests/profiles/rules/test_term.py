"""Which days a school has lessons on: by its bundle, its settings, or, where nobody speaks, by weekday and an alarm."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from profiles.api import RaiseAlarm, Record
from profiles.rules.term import CalendarDates, SchoolDay, Term, TermReason
from profiles.school_calendar import SchoolCalendar
from tests.profiles.facts import HeldFacts

CHINA = timezone(timedelta(hours=8))
OWN: dict[str, Any] = {
    "terms": [{"from": "2026-09-01", "to": "2027-01-22"}, {"from": "2027-02-26", "to": "2027-07-09"}],
    "holidays": ["2026-11-20"],
    "workdays": ["2026-11-28"],
}
TERM = Term.model_validate({"own": OWN})


def at(day: date, hour: int = 12) -> HeldFacts:
    return HeldFacts(round(datetime(day.year, day.month, day.day, hour, tzinfo=CHINA).timestamp() * 1000))


@pytest.mark.parametrize(
    ("day", "is_"),
    [
        (date(2026, 9, 1), SchoolDay.LESSONS),
        (date(2026, 11, 20), SchoolDay.FREE),  # a Friday that the school has off
        (date(2026, 11, 28), SchoolDay.LESSONS),  # a Saturday that makes up for it
        (date(2026, 11, 29), SchoolDay.FREE),
        (date(2026, 10, 1), SchoolDay.FREE),  # the National Day, which the school need not write
        (date(2026, 10, 10), SchoolDay.LESSONS),  # and the Saturday that is worked in its stead
        (date(2027, 1, 22), SchoolDay.LESSONS),
        (date(2027, 1, 23), SchoolDay.VACATION),
        (date(2027, 2, 25), SchoolDay.VACATION),
    ],
)
def test_a_day_is_what_the_calendar_says(day: date, is_: SchoolDay) -> None:
    facts = at(day)
    assert TERM.day(facts) is is_
    assert TERM.warning(facts) == ()


def test_an_installed_calendar_goes_before_the_settings() -> None:
    facts = at(date(2026, 11, 20))
    facts.calendars["school"] = SchoolCalendar(((date(2026, 9, 1), date(2026, 11, 30)),))
    assert TERM.day(facts) is SchoolDay.LESSONS


@given(st.dates(date(2027, 7, 10), date(2027, 12, 31)))
def test_a_day_that_nobody_speaks_of_is_never_vacation_and_alarms_once(day: date) -> None:
    facts = at(day)
    assert TERM.day(facts) is not SchoolDay.VACATION
    told = TERM.warning(facts)
    record, alarm = told
    assert isinstance(record, Record)
    assert isinstance(alarm, RaiseAlarm)
    assert (record.reason, alarm.about) == (TermReason.UNKNOWN, record.id)
    facts.keep(told)
    assert TERM.warning(facts) == ()
    facts.now_ms += 86_400_000
    assert TERM.warning(facts) != ()


def test_without_any_calendar_the_weekday_decides() -> None:
    term = Term()
    assert (term.day(at(date(2026, 11, 27))), term.day(at(date(2026, 11, 29)))) == (SchoolDay.LESSONS, SchoolDay.FREE)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"terms": [{"from": "2026-09-01", "to": "2026-08-01"}]}, "ends before it begins"),
        ({"terms": [*OWN["terms"], {"from": "2027-07-09", "to": "2027-08-01"}]}, "without overlap"),
        ({"workdays": ["2026-11-20"]}, "both without and with lessons"),
        ({"holidays": ["2026-11-31"]}, "holidays"),
        ({"terms": []}, "terms"),
    ],
)
def test_a_calendar_that_cannot_be_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CalendarDates.model_validate(OWN | change)
