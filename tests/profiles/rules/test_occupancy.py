"""Counts of people: they follow what happened, never go below nothing, and capacity holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from profiles.api import Subject
from profiles.direction import Direction
from profiles.rules.area import Area
from profiles.rules.occupancy import Occupancy, OccupancyReason, inside
from profiles.rules.passback import Passback
from profiles.trace import judge
from tests.profiles.facts import HeldFacts

HALL = "hall"
LI = Subject("city", b"L" * 16)
HOUR_MS = 3_600_000


@given(st.lists(st.integers(-5, 5), max_size=60), st.integers(1, 10))
def test_people_come_within_the_capacity_and_the_count_is_who_is_inside(changes: list[int], capacity: int) -> None:
    rule, facts, people = Occupancy(capacity=capacity), HeldFacts(), 0
    for change in changes:
        if change > 0:
            refusal = judge(rule.rules(HALL, change, facts)).refusal
            assert refusal is (OccupancyReason.AREA_FULL if people + change > capacity else None)
            if refusal is not None:
                continue
        facts.put(*rule.changed(HALL, change, facts))
        people = max(0, people + change)
        assert inside(HALL, facts) == people <= capacity


def test_a_daily_count_begins_anew_at_midnight_and_another_goes_on() -> None:
    for daily, left in ((True, 0), (False, 3)):
        rule, facts = Occupancy(daily=daily), HeldFacts()
        facts.put(*rule.changed(HALL, 3, facts))
        facts.now_ms += 11 * HOUR_MS
        assert inside(HALL, facts) == 3
        facts.now_ms += 2 * HOUR_MS
        assert inside(HALL, facts) == left


def test_areas_are_counted_apart() -> None:
    rule, facts = Occupancy(capacity=1), HeldFacts()
    facts.put(*rule.changed(HALL, 1, facts))
    assert judge(rule.rules("depot", 1, facts)).refusal is None
    assert judge(rule.rules(HALL, 1, facts)).refusal is OccupancyReason.AREA_FULL


def test_a_full_area_lets_people_out_and_a_reset_empties_it() -> None:
    area = Area(name=HALL, passback=Passback.model_validate({"mode": "hard"}), occupancy=Occupancy(capacity=1))
    facts = HeldFacts()
    facts.put(*area.take(Direction.IN, 1, LI, facts)[1])
    wang = Subject("city", b"W" * 16)
    assert judge(area.rules(Direction.IN, 1, wang, facts)).refusal is OccupancyReason.AREA_FULL
    assert judge(area.rules(Direction.OUT, 1, LI, facts)).refusal is None
    facts.put(*area.reset(facts))
    assert inside(HALL, facts) == 0
    assert judge(area.rules(Direction.IN, 1, LI, facts)).refusal is None
