"""The network: the shortest way both ways alike, zones, and what a table that does not hang together is told."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from profiles.api import ClockState
from profiles.rules.fares import Trip
from profiles.rules.impossible import is_possible
from profiles.rules.network import Network


def station(number: int, zone: int = 1) -> dict[str, Any]:
    return {"number": number, "name": {"zh": f"站{number}", "en": f"Station {number}"}, "zone": zone}


def section(one: str, two: str, metres: int) -> dict[str, Any]:
    return {"between": [one, two], "metres": metres}


RING: dict[str, Any] = {
    "stations": {"a": station(1), "b": station(2), "c": station(3, zone=3), "d": station(4, zone=2)},
    "sections": [section("a", "b", 100), section("b", "c", 100), section("c", "d", 100), section("d", "a", 250)],
}


def test_the_way_is_the_shortest_one_either_way() -> None:
    ring = Network.model_validate(RING)
    assert (ring.metres("a", "c"), ring.metres("c", "a"), ring.metres("a", "d")) == (200, 200, 250)
    assert ring.trip("a", "c", 7) == Trip(200, 3, 7)
    assert ring.trip("b", "b") == Trip(0, 1, 0)
    assert (ring.numbered(3), ring.numbered(9), ring.numbered(None)) == ("c", None, None)


def test_the_ways_to_one_station_are_looked_for_once() -> None:
    network = Network.model_validate(RING)
    to = {name: network.metres("a", name) for name in network.stations}
    assert {name: network.metres(name, "a") for name in network.stations} == to
    assert set(network._known) == {"a"}


@given(st.randoms(use_true_random=False), st.integers(2, 9))
def test_in_any_network_no_detour_is_shorter(chance: random.Random, size: int) -> None:
    names = [f"s{number}" for number in range(size)]
    sections = [section(names[chance.randrange(at)], names[at], chance.randint(1, 900)) for at in range(1, size)]
    pairs = [chance.sample(names, 2) for _ in range(size)]
    sections += [section(one, two, chance.randint(1, 900)) for one, two in pairs]
    stations = {name: station(number + 1) for number, name in enumerate(names)}
    network = Network.model_validate({"stations": stations, "sections": sections})
    for one in names:
        assert network.metres(one, one) == 0
        for two in names:
            assert network.metres(one, two) == network.metres(two, one)
            assert all(network.metres(one, two) <= network.metres(one, by) + network.metres(by, two) for by in names)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sections": RING["sections"][:2]}, "no section leads to d"),
        ({"sections": [section("a", "nowhere", 1)]}, "no station nowhere"),
        ({"stations": {"a": station(1), "b": station(1)}, "sections": [section("a", "b", 1)]}, "a number of its own"),
        ({"stations": {}}, "at least 1"),
    ],
)
def test_a_network_that_does_not_hang_together_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Network.model_validate(RING | change)


@given(st.integers(0, 500_000), st.integers(-10_000, 100_000_000), st.integers(10, 400))
def test_what_is_possible_stays_so_with_more_time_and_a_shorter_way(metres: int, elapsed_ms: int, kmh: int) -> None:
    if is_possible(metres, elapsed_ms, kmh, ClockState.SYNCHRONISED):
        assert elapsed_ms < 0 or is_possible(metres // 2, elapsed_ms + 1_000, kmh, ClockState.SYNCHRONISED)
    assert is_possible(metres, elapsed_ms, kmh, ClockState.UNTRUSTED), "such a clock accuses nobody"


def test_ten_kilometres_in_five_minutes_are_not_possible_at_a_hundred_an_hour() -> None:
    assert not is_possible(10_000, 300_000, 100, ClockState.SYNCHRONISED)
    assert is_possible(10_000, 360_000, 100, ClockState.SYNCHRONISED)
    assert is_possible(10_000, -1, 100, ClockState.SYNCHRONISED), "a clock that went back proves nothing"
