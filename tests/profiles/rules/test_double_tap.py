"""The double-presentation window alone: one showing held there is one, and a right that was given back is back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from profiles.api import Mark
from profiles.rules.double_tap import not_used, used, used_just_now
from tests.profiles.facts import HeldFacts

WINDOW_MS = 5_000
GATE, TILL = "gate.in", "till.paid"
LI, WANG = b"L" * 16, b"W" * 16
ACTS = st.tuples(st.sampled_from(["use", "give back", "look"]), st.sampled_from([LI, WANG]), st.integers(0, 4_000))


@given(st.lists(ACTS, max_size=40))
def test_a_medium_was_used_just_now_from_its_use_until_the_window_ends_or_the_right_is_given_back(
    script: list[tuple[str, bytes, int]],
) -> None:
    facts, last = HeldFacts(), dict[bytes, int]()
    for act, medium, later_ms in script:
        facts.now_ms += later_ms
        if act == "use":
            facts.put(used(GATE, medium, WINDOW_MS, facts))
            last[medium] = facts.now_ms
        elif act == "give back":
            facts.put(not_used(GATE, medium, facts))
            last.pop(medium, None)
        for each in (LI, WANG):
            expected = each in last and facts.now_ms - last[each] < WINDOW_MS
            assert used_just_now(GATE, each, WINDOW_MS, facts) is expected
            assert not used_just_now(TILL, each, WINDOW_MS, facts)  # another kind of lane has a window of its own


@given(st.integers(-10_000, 10_000), st.integers(0, 6_000))
def test_a_use_counts_for_exactly_its_window_and_one_of_a_clock_that_ran_ahead_for_nothing(
    ago_ms: int, window_ms: int
) -> None:
    facts = HeldFacts()
    facts.put(Mark(GATE, LI, facts.now_ms - ago_ms, facts.now_ms + 60_000))
    assert used_just_now(GATE, LI, window_ms, facts) is (0 <= ago_ms < window_ms)


@given(st.integers(1, 60_000))
def test_a_mark_is_kept_no_longer_than_its_window(window_ms: int) -> None:
    facts = HeldFacts()
    mark = used(GATE, LI, window_ms, facts)
    facts.put(mark)
    facts.now_ms += window_ms
    assert (mark.expires_ms, facts.mark(GATE, LI)) == (facts.now_ms, None)
