"""What bundles say of a school: pupils in the roster, and its calendar."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from cddl_verifier import Validator  # type: ignore[import-untyped]  # it ships no types
from hypothesis import given
from hypothesis import strategies as st

import agent.bundles
from agent.bundles.calendars import MAX_DAYS, SHAPE, DayFlag, calendar_of, rows_of
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.manifest import Kind
from agent.bundles.people import RosterTable
from agent.bundles.table import Shape, Table, encode
from profiles.api import Subject
from profiles.person import Person
from profiles.pupil import Consent, Leave, Pupil
from profiles.school_calendar import SchoolCalendar
from tests.agent.bundles.parts import Terminal, some_id
from tools import bundles as platform

CDDL = Validator(Path(agent.bundles.__file__).parent / "bundle.cddl")
PUPIL = Pupil(Consent.GIVEN, boards=True, day_limit_fen=3_000, leaves=(Leave(1_795_700_000_000, 1_795_900_000_000),))
ZHANG = Person("3-2", category="pupil", shown_as="张*三", pupil=PUPIL)
TERM = (date(2026, 9, 1), date(2027, 1, 22))
SPRING = (date(2027, 2, 26), date(2027, 7, 9))


def rows(*days: tuple[int, int]) -> Table:
    return Table.open(encode(SHAPE, [day.to_bytes(4, "big") + bytes([flags]) for day, flags in days]))


def test_a_roster_brings_a_pupil_as_the_school_has_written_him() -> None:
    content = platform.roster_content("city", [(some_id(1), ZHANG), (some_id(2), Person("office"))], 192)
    table = Table.open(content)
    assert table.shape.row_bytes == 192
    roster = RosterTable(table)
    assert roster.person(Subject("city", some_id(1))) == ZHANG
    assert roster.person(Subject("city", some_id(2))) == Person("office")
    row = next(table.rows())
    assert CDDL.validate(row[18 : 18 + int.from_bytes(row[16:18], "big")], root_type="person").valid


@pytest.mark.parametrize("name", ["张小三", "张**小三", "*三", "张* 三", "张*********三"])
def test_a_name_that_is_not_masked_comes_into_no_roster(name: str) -> None:
    with pytest.raises(ValueError, match="shown_as"):
        platform.roster_content("city", [(some_id(1), Person(shown_as=name))])


def test_a_masked_name_shows_in_no_log() -> None:
    assert "张*三" not in repr(ZHANG)


async def test_an_installed_calendar_speaks_to_the_lanes_under_its_own_name(terminal: Terminal) -> None:
    await terminal.install(terminal.full(Kind.CALENDAR))
    calendar = terminal.bundles.lists.current().calendars["school-3"]
    assert calendar == SchoolCalendar((TERM,), frozenset({date(2026, 10, 1)}))
    await terminal.install(terminal.delta(Kind.CALENDAR, 1, 2))
    assert terminal.bundles.lists.current().calendars["school-3"].holidays == frozenset({date(2026, 10, 2)})


DAYS = st.dates(date(2026, 1, 1), date(2028, 12, 31))


@given(ends=st.lists(DAYS, min_size=2, max_size=10, unique=True), marked=st.frozensets(DAYS, max_size=30))
def test_a_calendar_reads_as_it_was_written(ends: list[date], marked: frozenset[date]) -> None:
    ordered = sorted(ends[: len(ends) // 2 * 2])
    terms = tuple(zip(ordered[::2], ordered[1::2], strict=True))
    holidays = frozenset(day for day in marked if day.day % 2)
    calendar = SchoolCalendar(terms, holidays, marked - holidays)
    assert calendar_of(Table.open(encode(SHAPE, rows_of(calendar)))) == calendar


BEGINS, ENDS, OFF, ON = map(int, DayFlag)
IDS = (
    *("no-days", "no-end", "end-first", "two-begin", "both", "nothing"),
    *("unknown", "no-such-day", "twice", "too-many", "other-rows"),
)


@pytest.mark.parametrize(
    "table",
    [
        rows(),
        rows((20260901, BEGINS)),
        rows((20260901, ENDS), (20270122, BEGINS)),
        rows((20260901, BEGINS), (20260902, BEGINS), (20270121, ENDS), (20270122, ENDS)),
        rows((20260901, BEGINS), (20261001, OFF | ON), (20270122, ENDS)),
        rows((20260901, BEGINS), (20261001, 0), (20270122, ENDS)),
        rows((20260901, BEGINS), (20261001, 16), (20270122, ENDS)),
        rows((20260901, BEGINS), (20261131, OFF), (20270122, ENDS)),
        rows((20260901, BEGINS), (20261001, OFF), (20261001, ON), (20270122, ENDS)),
        rows((20260901, BEGINS), *((20300000 + number, OFF) for number in range(MAX_DAYS)), (20990122, ENDS)),
        Table.open(encode(Shape(4, 6), [bytes(6)])),
    ],
    ids=[
        "no-days",
        "no-end",
        "end-first",
        "two-begin",
        "both",
        "nothing",
        "unknown",
        "no-such-day",
        "twice",
        "too-many",
        "other-rows",
    ],
)
def test_a_calendar_that_makes_no_sense_is_not_installed(table: Table) -> None:
    with pytest.raises(BundleError) as caught:
        calendar_of(table)
    assert caught.value.fault is BundleFault.CONTENT


def test_two_terms_lie_apart_and_what_is_between_them_is_vacation() -> None:
    calendar = SchoolCalendar((TERM, SPRING))
    assert (calendar.in_term(TERM[1]), calendar.in_term(date(2027, 2, 1)), calendar.in_term(SPRING[0])) == (
        True,
        False,
        True,
    )
    assert calendar.speaks_of(date(2027, 2, 1))
    assert not calendar.speaks_of(date(2027, 7, 10))
