"""A fee, a fare or a station that the staff typed waits for the next card, and not for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from profiles.amounts import FunctionKey, KeyPressed
from profiles.api import AmountEntered, Event, Show, StartTimer, TimerFired
from profiles.bus import Bus, BusSettings
from profiles.by_hand import TYPED_GONE, TYPED_TIMER
from profiles.metro import Metro
from profiles.metro_settings import MetroSettings
from profiles.parking import Parking, ParkingSettings
from tests.profiles import test_bus, test_metro, test_parking
from tests.profiles.facts import HeldFacts

LANES: Mapping[str, Bus | Metro | Parking] = {
    "bus": Bus(BusSettings.model_validate(test_bus.SETTINGS)),
    "metro": Metro(MetroSettings.model_validate(test_metro.SETTINGS | {"station": "lake", "direction": "out"})),
    "parking": Parking(ParkingSettings.model_validate(test_parking.SETTINGS | {"direction": "out"})),
}


@pytest.mark.parametrize(
    ("scene", "event"),
    [
        ("bus", AmountEntered(350)),
        ("bus", KeyPressed(FunctionKey.GUESTS, 3)),
        ("metro", AmountEntered(700)),
        ("metro", KeyPressed(FunctionKey.STATION, 1)),
        ("parking", AmountEntered(3_000)),
    ],
)
def test_what_was_typed_is_taken_back_when_nobody_comes_and_only_that(scene: str, event: Event) -> None:
    lane: Any = LANES[scene]
    facts = HeldFacts()
    first = lane.handle(lane.idle(), event, facts)
    second = lane.handle(first.state, event, facts)
    timers = [effect for step in (first, second) for effect in step.effects if isinstance(effect, StartTimer)]
    assert [timer.name for timer in timers] == [TYPED_TIMER, TYPED_TIMER]
    stale = lane.handle(second.state, TimerFired(TYPED_TIMER, timers[0].about), facts)
    assert (stale.state, stale.effects) == (second.state, ())
    over = lane.handle(second.state, TimerFired(TYPED_TIMER, timers[1].about), facts)
    assert over.state == lane.idle()
    assert [effect.sentence for effect in over.effects if isinstance(effect, Show)] == [TYPED_GONE]
    again = lane.handle(over.state, TimerFired(TYPED_TIMER, timers[1].about), facts)
    assert again.effects == ()
