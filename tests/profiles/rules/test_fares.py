"""Fares: each kind alone, never falling as the trip grows, never negative, never above its bound."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from profiles.rules.fares import DistanceFare, Fare, Trip, ZoneFare

METRES = st.integers(0, 300_000)
TIME = {
    "free_minutes": 5,
    "steps": [{"minutes": 60, "unit_minutes": 15, "unit_fen": 100}, {"unit_minutes": 30, "unit_fen": 150}],
}


@st.composite
def distance_fares(draw: st.DrawFn) -> DistanceFare:
    ups = sorted(draw(st.sets(st.integers(1, 100_000), min_size=1, max_size=6)))
    fens = sorted(draw(st.lists(st.integers(0, 5_000), min_size=len(ups), max_size=len(ups))))
    steps = [{"up_to_m": up, "fen": fen} for up, fen in zip(ups, fens, strict=True)]
    beyond = {"every_m": draw(st.integers(1, 20_000)), "every_fen": draw(st.integers(0, 500))}
    return DistanceFare.model_validate({"steps": steps, **beyond, "most_fen": draw(st.integers(1, 10_000))})


@given(distance_fares(), METRES, METRES)
def test_a_longer_way_is_never_cheaper_and_none_costs_more_than_the_most(fare: DistanceFare, a: int, b: int) -> None:
    near, far = sorted((a, b))
    assert 0 <= fare.fen(near) <= fare.fen(far) <= fare.most_fen


@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=8).map(sorted), st.integers(0, 40), st.integers(0, 40))
def test_more_zones_are_never_cheaper(fens: list[int], a: int, b: int) -> None:
    fare = ZoneFare.model_validate({"fens": fens})
    few, many = sorted((a, b))
    assert 0 <= fare.fen(few) <= fare.fen(many) <= fens[-1]


@given(st.integers(0, 5_000), st.integers(0, 5_000))
def test_more_time_is_never_cheaper(a: int, b: int) -> None:
    fare = Fare.model_validate({"time": TIME})
    short, long = sorted((a, b))
    assert 0 <= fare.fen(Trip(minutes=short)) <= fare.fen(Trip(minutes=long))


def test_by_distance_the_steps_hold_to_the_metre_and_beyond_them_each_piece_that_was_begun() -> None:
    steps = [{"up_to_m": 4_000, "fen": 200}, {"up_to_m": 8_000, "fen": 300}]
    fare = Fare.model_validate({"distance": {"steps": steps, "every_m": 6_000, "every_fen": 100, "most_fen": 450}})
    costs = [fare.fen(Trip(metres)) for metres in (0, 4_000, 4_001, 8_000, 8_001, 14_000, 14_001)]
    assert costs == [200, 200, 300, 300, 400, 400, 450]


def test_the_other_kinds_ask_for_nothing_but_their_own() -> None:
    long_way = Trip(metres=90_000, zones=3, minutes=61)
    assert Fare.model_validate({"flat_fen": 200}).fen(long_way) == 200
    assert Fare.model_validate({"zones": {"fens": [200, 300, 400, 500]}}).fen(long_way) == 400
    assert Fare.model_validate({"time": TIME}).fen(long_way) == 550


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "exactly one of flat_fen, distance, zones, time"),
        ({"flat_fen": 200, "zones": {"fens": [1]}}, "exactly one of"),
        ({"distance": {"steps": [{"up_to_m": 5, "fen": 3}, {"up_to_m": 5, "fen": 4}]}}, "ascend by up_to_m"),
        ({"distance": {"steps": [{"up_to_m": 5, "fen": 3}, {"up_to_m": 9, "fen": 2}]}}, "never fall"),
        ({"zones": {"fens": [3, 2]}}, "never fall"),
        ({"zones": {"fens": [-1, 2]}}, "not negative"),
    ],
)
def test_a_fare_that_contradicts_itself_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Fare.model_validate(settings)
