"""What two beams tell, against bodies that are moved through them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.direction import Direction
from profiles.rules.walk import Beam, Happened, Phase, Walk, beam_changed

IN, OUT = Direction.IN, Direction.OUT
OUTER_AT, INNER_AT = 10, 13
BODY = 6
"""A body is longer than the beams stand apart."""


class Passage:
    """Bodies on a line; each has its front at a place and covers ``BODY`` behind it, the beams see them all."""

    def __init__(self) -> None:
        self.walk: Walk | None = None
        self.broken = {Beam.OUTER: False, Beam.INNER: False}
        self.passed: list[Direction] = []
        self.turned = 0

    def see(self, fronts: list[int]) -> None:
        """Let the beams see where everybody is; the one that somebody leaves tells after the one he reaches."""
        now = {
            beam: any(front - BODY < at <= front for front in fronts)
            for beam, at in ((Beam.OUTER, OUTER_AT), (Beam.INNER, INNER_AT))
        }
        for beam in sorted(now, key=lambda each: not now[each]):
            if now[beam] is not self.broken[beam]:
                self.broken[beam] = now[beam]
                before = self.walk
                self.walk, happened = beam_changed(self.walk, beam, now[beam])
                if happened is Happened.PASSED:
                    assert before is not None
                    self.passed.append(before.direction)
                self.turned += happened is Happened.TURNED_BACK


def steps(start: int, moves: list[int]) -> list[int]:
    places = [start]
    for move in moves:
        places.extend(range(places[-1], move, 1 if move > places[-1] else -1))
        places.append(move)
    return places


@given(st.lists(st.lists(st.integers(0, 30), max_size=5), max_size=5))
def test_a_body_that_hesitates_has_passed_exactly_when_it_came_out_on_the_other_side(visits: list[list[int]]) -> None:
    """Up to the moment when it has cleared the near beam; in every visit it then goes through."""
    passage, way, at = Passage(), IN, 0
    for wander in visits:
        # What still covers the near beam: fronts below 16 on the way in, from 13 on the way out.
        turns = [min(turn, 15) if way is IN else max(turn, 13) for turn in wander]
        for front in steps(at, [*turns, 30 if way is IN else 0]):
            passage.see([front])
        at, way = (30 if way is IN else 0), way.other
    assert passage.walk is None
    assert passage.passed == [IN, OUT, IN, OUT, IN][: len(visits)]


def test_whoever_steps_back_behind_the_near_beam_counts_as_passed() -> None:
    """The beams cannot tell him from one with a follower at his heels, and to miss a follower would be worse."""
    passage = Passage()
    for front in steps(0, [16, 0]):
        passage.see([front])
    assert passage.passed == [IN]


@given(st.integers(1, 5), st.integers(1, 9))
def test_people_in_a_row_are_counted_one_by_one(people: int, gap: int) -> None:
    passage = Passage()
    for front in range(200):
        passage.see([front - number * (BODY + gap) for number in range(people)])
    assert passage.passed == [IN] * people
    assert (passage.walk, passage.turned) == (None, 0)


@given(st.lists(st.tuples(st.sampled_from(Beam), st.booleans()), max_size=60))
def test_one_beam_alone_makes_nobody_pass_and_any_noise_is_taken(noise: list[tuple[Beam, bool]]) -> None:
    walk, passed, outer_alone = None, 0, None
    for beam, broken in noise:
        walk, happened = beam_changed(walk, beam, broken)
        passed += happened is Happened.PASSED
        if beam is Beam.OUTER:
            outer_alone, alone_happened = beam_changed(outer_alone, beam, broken)
            assert alone_happened is not Happened.PASSED
    assert passed <= sum(broken for beam, broken in noise if beam is Beam.INNER)
    assert passed <= sum(broken for beam, broken in noise if beam is Beam.OUTER)


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize(
    ("phase", "near", "broken", "after", "happened"),
    [
        (None, True, True, Phase.NEAR, None),
        (None, True, False, None, None),
        (Phase.NEAR, True, True, Phase.NEAR, None),
        (Phase.NEAR, True, False, None, Happened.TURNED_BACK),
        (Phase.NEAR, False, True, Phase.BOTH, None),
        (Phase.NEAR, False, False, Phase.NEAR, None),
        (Phase.BOTH, True, True, Phase.BOTH, None),
        (Phase.BOTH, True, False, Phase.FAR, None),
        (Phase.BOTH, False, True, Phase.BOTH, None),
        (Phase.BOTH, False, False, Phase.NEAR, None),
        (Phase.FAR, True, True, Phase.FOLLOWED, None),
        (Phase.FAR, True, False, Phase.FAR, None),
        (Phase.FAR, False, True, Phase.FAR, None),
        (Phase.FAR, False, False, None, Happened.PASSED),
        (Phase.FOLLOWED, True, True, Phase.FOLLOWED, None),
        (Phase.FOLLOWED, True, False, Phase.FAR, None),
        (Phase.FOLLOWED, False, True, Phase.FOLLOWED, None),
        (Phase.FOLLOWED, False, False, Phase.NEAR, Happened.PASSED),
    ],
)
def test_every_cell_of_the_table(
    direction: Direction,
    phase: Phase | None,
    near: bool,
    broken: bool,
    after: Phase | None,
    happened: Happened | None,
) -> None:
    beam = Beam(direction) if near else Beam(direction.other)
    before = None if phase is None else Walk(direction=direction, phase=phase)
    expected = None if after is None else Walk(direction=direction, phase=after)
    assert beam_changed(before, beam, broken) == (expected, happened)
