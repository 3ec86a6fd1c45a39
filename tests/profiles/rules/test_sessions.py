"""Sessions: whose reservation lets in when, and how many come without one."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from profiles.person import Person
from profiles.rules.sessions import Session, Sessions, walked_in
from tests.profiles.facts import HeldFacts

CHINA = timezone(timedelta(hours=8))
DAY = date(2026, 11, 26)
MORNING = {"name": "am", "from": "09:00", "to": "12:00", "walk_ins": 5}
AFTERNOON = {"name": "pm", "from": "13:00", "to": "17:00"}
SESSIONS = Sessions.model_validate({"early_ms": 900_000, "each": [MORNING, AFTERNOON]})
RESERVED = Person(areas=frozenset({"pm-20261126"}))


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 26, hour, minute, tzinfo=CHINA)


@pytest.mark.parametrize(
    ("each", "said"),
    [
        ([{"name": "am", "from": "12:00", "to": "12:00"}], "later than from"),
        ([{"name": "am", "from": "22:00", "to": "02:00"}], "later than from"),
        ([MORNING, {"name": "am", "from": "13:00", "to": "14:00"}], "stands here twice"),
        ([MORNING, {"name": "noon", "from": "11:59", "to": "14:00"}], "begins before am ends"),
        ([AFTERNOON, MORNING], "put them in order"),
        ([{"name": "am", "from": "25:00", "to": "26:00"}], "time"),
        ([], "at least 1"),
    ],
)
def test_sessions_that_cannot_be_told_apart_are_refused_with_a_reason(each: list[object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Sessions.model_validate({"each": each})


def test_a_reservation_lets_in_a_little_earlier_and_until_the_end_of_its_own_day() -> None:
    assert SESSIONS.reserved(RESERVED, at(12, 44)) is None
    assert SESSIONS.reserved(RESERVED, at(12, 45)) == SESSIONS.reserved(RESERVED, at(16, 59)) == SESSIONS.each[1]
    assert SESSIONS.reserved(RESERVED, at(17)) is None
    assert SESSIONS.reserved(RESERVED, at(14) + timedelta(days=1)) is None
    assert SESSIONS.reserved(None, at(14)) is None


def test_who_has_reserved_a_later_session_is_known_until_it_begins() -> None:
    assert SESSIONS.reserved_later(RESERVED, at(9)) == SESSIONS.each[1]
    assert SESSIONS.reserved_later(RESERVED, at(13)) is None
    assert SESSIONS.reserved_later(Person(), at(9)) is None


def test_between_sessions_none_is_on() -> None:
    assert [SESSIONS.now(at(hour)) for hour in (8, 12, 17)] == [None, None, None]
    assert SESSIONS.now(at(9)) == SESSIONS.each[0]


@given(st.lists(st.integers(1, 4), max_size=12))
def test_never_more_come_without_a_reservation_than_the_session_has_places(groups: list[int]) -> None:
    facts, morning = HeldFacts(), SESSIONS.each[0]
    for people in groups:
        if SESSIONS.fits(morning, people, facts):
            facts.put(SESSIONS.came(morning, people, facts))
    assert walked_in(morning, facts) <= 5
    assert SESSIONS.fits(morning, 1, facts) == (walked_in(morning, facts) < 5)


@given(st.lists(st.integers(1, 3), max_size=8))
def test_who_did_not_come_after_all_gives_the_place_back(groups: list[int]) -> None:
    facts, morning = HeldFacts(), SESSIONS.each[0]
    for people in groups:
        facts.put(SESSIONS.came(morning, people, facts))
    for people in groups:
        facts.put(SESSIONS.came(morning, -people, facts))
    assert walked_in(morning, facts) == 0


def test_the_count_begins_anew_on_the_next_day() -> None:
    facts, morning = HeldFacts(), Session.model_validate(MORNING)
    facts.put(SESSIONS.came(morning, 5, facts))
    assert not SESSIONS.fits(morning, 1, facts)
    facts.now_ms += 86_400_000
    assert SESSIONS.fits(morning, 5, facts)
