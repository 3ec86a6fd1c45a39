"""Anti-passback against a plain model of who went where, over arbitrary days."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.api import Subject
from profiles.direction import Direction
from profiles.rules.passback import Mode, Passback, PassbackReason, forget_all, standing
from profiles.trace import judge
from tests.profiles.facts import HeldFacts

PEOPLE = [Subject("city", bytes([number]) * 16) for number in range(3)]
HALL = "hall"
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(PEOPLE), st.sampled_from(Direction)),
        st.integers(0, 30 * HOUR_MS),  # time goes by
        st.just("reset"),
    ),
    max_size=40,
)


def go(rule: Passback, subject: Subject, direction: Direction, facts: HeldFacts) -> bool:
    """Go, if the rule lets one."""
    refused = judge(rule.rules(HALL, direction, subject, facts)).refusal is not None
    if not refused:
        facts.put(*rule.went(HALL, direction, subject, facts))
    return not refused


@given(EVENTS, st.integers(1, 48))
def test_hard_never_lets_the_same_direction_follow_itself_until_it_is_forgotten_or_reset(
    events: list[Any], forget_after_h: int
) -> None:
    rule, facts = Passback(mode=Mode.HARD, forget_after_h=forget_after_h), HeldFacts()
    last: dict[Subject, tuple[Direction, int]] = {}
    for event in events:
        match event:
            case int():
                facts.now_ms += event
            case "reset":
                facts.put(forget_all(HALL, facts))
                last.clear()
            case (subject, direction):
                known = last.get(subject)
                stale = known is None or facts.now_ms - known[1] >= forget_after_h * HOUR_MS
                assert go(rule, subject, direction, facts) is (stale or known is None or known[0] is not direction)
                if stale or known is None or known[0] is not direction:
                    last[subject] = (direction, facts.now_ms)


@given(EVENTS)
def test_soft_lets_everybody_pass_and_objects_exactly_where_hard_would_refuse(events: list[Any]) -> None:
    soft, hard, facts = Passback(mode=Mode.SOFT), Passback(mode=Mode.HARD), HeldFacts()
    for event in events:
        match event:
            case int():
                facts.now_ms += event
            case "reset":
                facts.put(forget_all(HALL, facts))
            case (subject, direction):
                would = judge(hard.rules(HALL, direction, subject, facts))
                verdict = judge(soft.rules(HALL, direction, subject, facts))
                assert verdict.refusal is None
                assert verdict.trace == would.trace
                facts.put(*soft.went(HALL, direction, subject, facts))


@pytest.mark.parametrize(("after_min", "lets"), [(0, False), (9, False), (10, True), (60, True)])
def test_timed_refuses_the_same_direction_for_its_minutes_and_the_way_back_never(after_min: int, lets: bool) -> None:
    rule, facts, li = Passback(mode=Mode.TIMED, timed_min=10), HeldFacts(), PEOPLE[0]
    assert go(rule, li, Direction.IN, facts)
    facts.now_ms += after_min * MINUTE_MS
    assert judge(rule.rules(HALL, Direction.OUT, li, facts)).refusal is None
    assert go(rule, li, Direction.IN, facts) is lets


def test_the_refusal_says_which_record_is_missing() -> None:
    rule, facts, li = Passback(mode=Mode.HARD), HeldFacts(), PEOPLE[0]
    for direction, reason in (
        (Direction.IN, PassbackReason.STILL_INSIDE),
        (Direction.OUT, PassbackReason.STILL_OUTSIDE),
    ):
        assert go(rule, li, direction, facts)
        assert judge(rule.rules(HALL, direction, li, facts)).refusal is reason


def test_areas_and_people_are_held_apart() -> None:
    rule, facts = Passback(mode=Mode.HARD), HeldFacts()
    li, wang, _ = PEOPLE
    assert go(rule, li, Direction.IN, facts)
    assert go(rule, wang, Direction.IN, facts)
    assert judge(rule.rules("depot", Direction.IN, li, facts)).refusal is None
    facts.put(*rule.went(HALL, Direction.OUT, li, facts))
    assert go(rule, li, Direction.IN, facts)
    assert not go(rule, wang, Direction.IN, facts)


@given(st.integers(-20 * HOUR_MS, 20 * HOUR_MS))
def test_no_jump_of_the_clock_undoes_a_reset_or_blocks_what_follows_it(jump_ms: int) -> None:
    rule, facts, li = Passback(mode=Mode.HARD), HeldFacts(), PEOPLE[0]
    assert go(rule, li, Direction.IN, facts)
    facts.put(forget_all(HALL, facts))
    facts.now_ms += jump_ms
    assert go(rule, li, Direction.IN, facts)
    assert not go(rule, li, Direction.IN, facts)


@given(st.sampled_from([None, *Direction]), st.sampled_from(Direction), st.integers(0, 60_000))
def test_a_grant_that_nobody_used_leaves_everything_as_it_was(
    earlier: Direction | None, direction: Direction, wait_ms: int
) -> None:
    rule, facts, li = Passback(mode=Mode.SOFT), HeldFacts(), PEOPLE[0]
    if earlier is not None:
        facts.put(*rule.went(HALL, earlier, li, facts))
        facts.now_ms += 1_000
    before = standing(HALL, li, facts)
    (granted,) = rule.went(HALL, direction, li, facts)
    facts.put(granted)
    facts.now_ms += wait_ms
    facts.put(*rule.give_back(HALL, li, granted.value, before, facts))
    assert standing(HALL, li, facts) == before
    assert rule.give_back(HALL, li, granted.value, before, facts) == ()


def test_what_is_given_back_late_does_not_undo_a_later_passage() -> None:
    rule, facts, li = Passback(mode=Mode.HARD), HeldFacts(), PEOPLE[0]
    (granted,) = rule.went(HALL, Direction.IN, li, facts)
    facts.put(granted)
    facts.now_ms += 1_000
    assert go(rule, li, Direction.OUT, facts)
    assert rule.give_back(HALL, li, granted.value, None, facts) == ()


def test_off_asks_nobody_and_remembers_nothing() -> None:
    rule, facts, li = Passback(), HeldFacts(), PEOPLE[0]
    assert go(rule, li, Direction.IN, facts)
    assert go(rule, li, Direction.IN, facts)
    assert facts.marks == {}
