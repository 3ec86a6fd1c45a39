"""What a pupil's passage means: in, late, out, on leave, back in time or late; and told once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.api import Kind, Record, Subject
from profiles.direction import Direction
from profiles.person import Person
from profiles.pupil import Consent, Leave, Pupil
from profiles.rules.attendance import Attendance
from profiles.rules.term import SchoolDay
from tests.profiles.facts import NOON_MS, HeldFacts

ZHANG = Subject("city", b"Z" * 16)
MINUTE_MS = 60_000
NINE_MS = NOON_MS - 3 * 60 * MINUTE_MS
ABOUT = b"d" * 16


class Gate:
    """Passages of one pupil, one after another."""

    def __init__(self, pupil: Pupil | None = None, day: SchoolDay = SchoolDay.LESSONS, **settings: Any) -> None:
        self.rule = Attendance.model_validate({"starts": "08:00"} | settings)
        self.person = Person("class-3-2", pupil=pupil or Pupil(Consent.GIVEN))
        self.day = day
        self.facts = HeldFacts(NINE_MS)

    def walk(self, direction: Direction = Direction.IN, after_min: float = 0) -> Record | None:
        self.facts.now_ms += round(after_min * MINUTE_MS)
        told = self.rule.noted(direction, ZHANG, self.person, self.day, ABOUT, self.facts)
        self.facts.keep(told)
        assert len(told) < 2
        return told[0] if told else None

    def told(self, direction: Direction = Direction.IN, after_min: float = 0) -> str | None:
        record = self.walk(direction, after_min)
        return None if record is None else record.reason.code


def test_who_comes_first_after_the_beginning_is_late_by_so_many_minutes() -> None:
    record = Gate().walk()
    assert record is not None
    assert (record.kind, record.reason.code, record.subject, record.refers_to) == (
        Kind.NOTICE, "came-in-late", ZHANG, ABOUT,
    )  # fmt: skip
    assert record.public == {"class": "class-3-2", "lessons": True, "minutes_late": 60}
    assert record.medium is None


@pytest.mark.parametrize(("late_ms", "told"), [(0, None), (1, 1), (MINUTE_MS, 1), (MINUTE_MS + 1, 2)])
def test_a_minute_that_has_begun_counts(late_ms: int, told: int | None) -> None:
    gate = Gate(starts="09:00")
    gate.facts.now_ms += late_ms
    record = gate.walk()
    assert record is not None
    assert record.public.get("minutes_late") == told


@pytest.mark.parametrize(
    "gate",
    [
        Gate(starts="09:30"),
        Gate(starts=None),
        Gate(starts_of={"class-3-2": "10:00"}),
        Gate(day=SchoolDay.FREE),
        Gate(day=SchoolDay.VACATION),
        Gate(Pupil(Consent.GIVEN, boards=True)),
    ],
    ids=["before", "never", "own-class", "free", "vacation", "boarder"],
)
def test_nobody_else_is_late(gate: Gate) -> None:
    assert gate.told() == "came-in"


def test_who_was_here_before_is_not_late_after_lunch_and_is_again_tomorrow() -> None:
    gate = Gate(starts="09:00")
    assert gate.told() == "came-in"
    assert gate.told(Direction.OUT, 60) == "went-out"
    assert gate.told(Direction.IN, 30) == "came-in"
    assert gate.told(Direction.IN, 24 * 60) == "came-in-late"


def test_the_same_way_again_at_once_is_told_once() -> None:
    gate = Gate()
    assert [gate.told(after_min=minutes) for minutes in (0, 4.9, 5)] == ["came-in-late", None, "came-in"]
    assert gate.told(Direction.OUT, 1) == "went-out"
    assert gate.told(Direction.IN, 1) == "came-in"


def test_a_clock_that_was_wound_back_hides_no_passage() -> None:
    gate = Gate()
    assert gate.told() == "came-in-late"
    assert gate.told(after_min=-60) == "came-in"


@given(st.integers(1, 600), st.integers(-600, 6_000))
def test_whoever_left_on_a_permit_is_late_exactly_after_its_end(lasts_min: int, back_min: int) -> None:
    back_by_ms = NINE_MS + lasts_min * MINUTE_MS
    gate = Gate(Pupil(Consent.GIVEN, boards=True, leaves=(Leave(NINE_MS, back_by_ms),)))
    out = gate.walk(Direction.OUT)
    assert out is not None
    assert (out.reason.code, out.public["back_by_ms"]) == ("went-on-leave", back_by_ms)
    gate.facts.now_ms = max(NINE_MS, back_by_ms + back_min * MINUTE_MS)
    back = gate.walk()
    assert back is not None
    if gate.facts.now_ms > back_by_ms:
        assert (back.reason.code, back.public["minutes_late"]) == ("came-back-late", back_min)
    else:
        assert (back.reason.code, back.public.get("minutes_late")) == ("came-back", None)
    assert gate.told(Direction.IN, 5) == "came-in"
