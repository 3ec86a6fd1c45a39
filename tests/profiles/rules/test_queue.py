"""Queue tickets by any order of takings and calls: no number twice, none left out, first come first called."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from profiles.api import Subject
from profiles.rules import queue
from tests.profiles.facts import HeldFacts

MATTERS = ("a", "b", "c")
_TAKE = st.tuples(st.sampled_from(MATTERS), st.integers(0, 50))
_CALL = st.frozensets(st.sampled_from(MATTERS), min_size=1)


@given(st.lists(_TAKE | _CALL, max_size=60))
def test_every_number_is_issued_once_and_called_in_the_order_of_taking(
    acts: list[tuple[str, int] | frozenset[str]],
) -> None:
    facts, waiting, issued = HeldFacts(), list[tuple[str, int]](), Counter[str]()
    for act in acts:
        facts.now_ms += 1
        match act:
            case (matter, who):
                number, marks = queue.issue(matter, Subject("city", who.to_bytes(16)), facts)
                facts.put(*marks)
                issued[matter] += 1
                assert number == issued[matter]
                assert queue.held(matter, Subject("city", who.to_bytes(16)), facts) == number
                assert queue.before(matter, number, facts) == sum(each[0] == matter for each in waiting)
                waiting.append((matter, number))
            case frozenset():
                found = queue.call_next(sorted(act), facts)
                first = next((each for each in waiting if each[0] in act), None)
                assert (None if found is None else found[:2]) == first
                if found is not None and first is not None:
                    facts.put(*found[2])
                    waiting.remove(first)
    facts.now_ms += 86_400_000
    assert queue.call_next(MATTERS, facts) is None
