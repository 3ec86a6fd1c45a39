"""Who may leave a school: a permit's window, from its first millisecond to before its last."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from profiles.api import Subject
from profiles.pupil import Consent, Leave, Pupil
from profiles.rules import leave
from profiles.rules.leave import LeaveReason, Leaves
from profiles.rules.term import SchoolDay
from profiles.trace import judge
from tests.profiles.facts import NOON_MS, HeldFacts

ZHAO = Subject("city", b"Z" * 16)
BOARDERS = Leaves()
LESSONS = Leaves.model_validate({"lessons": {"from": "08:00", "to": "16:30"}})
TIMES = st.integers(NOON_MS - 10_000, NOON_MS + 10_000)
LEAVES = st.lists(st.tuples(TIMES, TIMES).filter(lambda ends: ends[0] < ends[1]), max_size=5)


def refusal(rule: Leaves, pupil: Pupil, day: SchoolDay = SchoolDay.LESSONS, facts: HeldFacts | None = None) -> object:
    return judge(rule.rules(pupil, day, facts or HeldFacts())).refusal


def boarder(*leaves: Leave) -> Pupil:
    return Pupil(Consent.NOT_NEEDED, boards=True, leaves=leaves)


DAY_PUPIL = Pupil(Consent.NOT_NEEDED)


@given(LEAVES, TIMES)
def test_a_boarder_leaves_exactly_within_a_permit(windows: list[tuple[int, int]], now_ms: int) -> None:
    facts = HeldFacts(now_ms)
    pupil = boarder(*(Leave(*window) for window in windows))
    within = any(first <= now_ms < last for first, last in windows)
    assert refusal(BOARDERS, pupil, facts=facts) is (None if within else LeaveReason.NO_LEAVE)
    permit = leave.current(pupil, now_ms)
    assert (permit is not None) is within
    if permit is not None:
        assert permit.until_ms == max(last for first, last in windows if first <= now_ms < last)


def test_a_permit_that_ended_before_what_is_known_lets_nobody_out_by_a_lost_clock() -> None:
    facts, pupil = HeldFacts(NOON_MS), boarder(Leave(NOON_MS - 1, NOON_MS + 1))
    assert refusal(BOARDERS, pupil, facts=facts) is None
    facts.floor_ms = NOON_MS + 1
    assert refusal(BOARDERS, pupil, facts=facts) is LeaveReason.NO_LEAVE


@pytest.mark.parametrize(
    ("rule", "pupil", "day", "refused"),
    [
        (BOARDERS, boarder(), SchoolDay.FREE, True),
        (BOARDERS, boarder(), SchoolDay.VACATION, False),
        (BOARDERS, DAY_PUPIL, SchoolDay.LESSONS, False),
        (LESSONS, DAY_PUPIL, SchoolDay.LESSONS, True),
        (LESSONS, DAY_PUPIL, SchoolDay.FREE, False),
        (LESSONS, DAY_PUPIL, SchoolDay.VACATION, False),
        (Leaves(boarders=False), boarder(), SchoolDay.LESSONS, False),
    ],
)
def test_who_needs_a_permit_on_which_day(rule: Leaves, pupil: Pupil, day: SchoolDay, refused: bool) -> None:
    assert (refusal(rule, pupil, day) is LeaveReason.NO_LEAVE) is refused


def test_day_pupils_go_when_lessons_are_over() -> None:
    facts = HeldFacts(NOON_MS + 4 * 3_600_000 + 1_799_999)
    assert refusal(LESSONS, DAY_PUPIL, facts=facts) is LeaveReason.NO_LEAVE
    facts.now_ms += 1
    assert refusal(LESSONS, DAY_PUPIL, facts=facts) is None


def test_whoever_is_out_is_expected_back_also_long_after_the_permit() -> None:
    facts, permit = HeldFacts(), Leave(NOON_MS - 1, NOON_MS + 3_600_000)
    assert leave.back_by(ZHAO, facts) is None
    facts.put(leave.went(permit, ZHAO, facts))
    facts.now_ms += 7 * 86_400_000
    assert leave.back_by(ZHAO, facts) == permit.until_ms
    facts.put(leave.came(ZHAO, facts))
    assert leave.back_by(ZHAO, facts) is None


def test_lessons_that_end_before_they_begin_are_refused() -> None:
    with pytest.raises(ValidationError, match="later than from"):
        Leaves.model_validate({"lessons": {"from": "16:30", "to": "08:00"}})
