"""Every lane that has an opening opens by order, on the record, whatever its own rules would say."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest

from agent.config import profile_names, profile_type
from profiles.api import (
    Actuate,
    Actuated,
    Effect,
    Event,
    InputChanged,
    Kind,
    Presented,
    Reason,
    Record,
    RecordedLate,
    Restarted,
    Show,
    TimerFired,
)
from profiles.direction import Direction
from profiles.metro import Metro
from profiles.metro_settings import MetroSettings
from profiles.museum import Museum, MuseumSettings
from profiles.orders import Obeyed, Obeys, OpenOnce, OrderReason
from profiles.parking import DRIVE_TIMER, Parking, ParkingSettings
from profiles.passage import PassageReason
from profiles.rules.occupancy import inside
from tests.profiles.facts import HeldFacts
from tests.profiles.test_metro import SETTINGS as METRO
from tests.profiles.test_museum import SETTINGS as MUSEUM
from tests.profiles.test_parking import SETTINGS as PARKING
from tests.profiles.test_turnstile import credential

ORDER, LATER = b"O" * 16, b"P" * 16
MADE: dict[str, tuple[Any, Direction]] = {
    "museum": (Museum(MuseumSettings.model_validate(MUSEUM)), Direction.IN),
    "parking-in": (Parking(ParkingSettings.model_validate(PARKING | {"direction": "in"})), Direction.IN),
    "parking-out": (Parking(ParkingSettings.model_validate(PARKING | {"direction": "out"})), Direction.OUT),
    "metro-in": (Metro(MetroSettings.model_validate(METRO | {"station": "lake", "direction": "in"})), Direction.IN),
    "metro-out": (Metro(MetroSettings.model_validate(METRO | {"station": "lake", "direction": "out"})), Direction.OUT),
}


class Lane:
    """One lane, its state through the disk after every event."""

    def __init__(self, profile: Any) -> None:
        self.profile = profile
        self.state: Any = profile.idle()
        self.facts = HeldFacts()

    def handle(self, event: Event) -> tuple[Effect, ...]:
        step = self.profile.handle(self.state, event, self.facts)
        unsaved = {name: getattr(step.state, name) for name in ("car", "served", "under") if hasattr(step.state, name)}
        saved = type(step.state).model_validate(cbor2.loads(cbor2.dumps(step.state.model_dump())))
        self.state = saved.model_copy(update=unsaved)
        self.facts.keep(step.effects)
        return tuple(step.effects)

    def told(self, event: Event) -> list[str]:
        return [effect.reason.code for effect in self.handle(event) if isinstance(effect, Record)]


@pytest.fixture(params=list(MADE))
def lane(request: pytest.FixtureRequest) -> Lane:
    return Lane(MADE[request.param][0])


def test_every_profile_that_opens_a_way_obeys_and_no_other_does() -> None:
    kinds = [kind for name in profile_names() if (kind := profile_type(name)) is not None]
    opening = {kind.name for kind in kinds if "open_pulse_ms" in kind.Settings.model_fields}
    assert {kind.name for kind in kinds if issubclass(kind, Obeys)} == opening
    assert {"gate", "turnstile", "museum", "parking", "metro"} <= opening
    assert not {"till", "bus", "library", "hospital"} & opening


def test_an_order_is_recorded_before_the_pulse_names_nobody_and_ends_with_its_outcome(lane: Lane) -> None:
    record, pulse, shown, obeyed = lane.handle(OpenOnce(ORDER))
    assert isinstance(record, Record)
    assert (record.kind, record.reason, record.refers_to) == (Kind.DECISION, OrderReason.OPENED, ORDER)
    assert (record.medium, record.subject, record.money) == (None, None, None)
    assert isinstance(pulse, Actuate)
    assert (isinstance(shown, Show), obeyed) == (True, Obeyed(ORDER, OrderReason.OPENED))
    (outcome,) = lane.handle(Actuated(ORDER, ""))
    assert isinstance(outcome, Record)
    assert (outcome.kind, outcome.reason, outcome.refers_to) == (Kind.OUTCOME, Reason.ACTUATED, ORDER)
    assert lane.state.ordered is None
    assert lane.handle(OpenOnce(LATER))[-1] == Obeyed(LATER, OrderReason.OPENED)


@pytest.mark.parametrize("name", list(MADE))
def test_the_direction_that_is_named_is_the_lanes_or_nothing_opens(name: str) -> None:
    profile, leads = MADE[name]
    assert Lane(profile).handle(OpenOnce(ORDER, leads.other)) == (Obeyed(ORDER, OrderReason.NO_WAY),)
    record = Lane(profile).handle(OpenOnce(ORDER, leads))[0]
    assert isinstance(record, Record)
    assert record.public.get("direction") == (None if name == "museum" else leads.value)


def test_until_its_outcome_is_known_the_way_is_the_orders(lane: Lane) -> None:
    lane.handle(OpenOnce(ORDER))
    assert lane.handle(OpenOnce(LATER)) == (Obeyed(LATER, Reason.BUSY),)
    pulses = [effect for effect in lane.handle(Presented(credential())) if isinstance(effect, Actuate)]
    assert pulses == []


@pytest.mark.parametrize(
    ("event", "reason"),
    [(Actuated(ORDER, "no answer"), "actuator-failed"), (RecordedLate(ORDER), "not-actuated")],
)
def test_what_did_not_open_is_told_counts_nobody_and_gives_nobody_a_stay(lane: Lane, event: Event, reason: str) -> None:
    lane.handle(OpenOnce(ORDER))
    assert lane.told(event) == [reason]
    assert inside("garage", lane.facts) == 0
    assert {scope for scope, _ in lane.facts.marks} <= {"occupancy"}


def test_a_restart_leaves_the_outcome_unknown_opens_nothing_and_frees_the_lane(lane: Lane) -> None:
    lane.handle(OpenOnce(ORDER))
    effects = lane.handle(Restarted())
    assert [effect.reason for effect in effects if isinstance(effect, Record)] == [Reason.OUTCOME_UNKNOWN]
    assert not [effect for effect in effects if isinstance(effect, Actuate)]
    assert lane.handle(OpenOnce(LATER))[-1] == Obeyed(LATER, OrderReason.OPENED)


def test_a_museum_on_fire_is_open_already() -> None:
    lane = Lane(MADE["museum"][0])
    lane.handle(InputChanged("fire", True))
    assert lane.handle(OpenOnce(ORDER)) == (Obeyed(ORDER, Reason.FIRE),)


def barrier(way: str) -> Lane:
    loops = {"loop_input": "loop", "beyond_input": "beyond"}
    return Lane(Parking(ParkingSettings.model_validate(PARKING | {"direction": way} | loops)))


def test_a_car_that_goes_in_and_out_by_order_is_counted_and_the_loop_tells_that_it_drove() -> None:
    coming, going = barrier("in"), barrier("out")
    going.facts = coming.facts
    for lane, cars in ((coming, 1), (going, 0)):
        lane.handle(OpenOnce(ORDER))
        assert lane.told(Actuated(ORDER, "")) == []
        assert lane.told(InputChanged("beyond", True)) == [PassageReason.PASSED.code]
        assert inside("garage", lane.facts) == cars


def test_a_barrier_that_nobody_drove_through_counts_nobody_and_the_car_may_try_by_card() -> None:
    lane = barrier("in")
    lane.handle(InputChanged("loop", True))
    lane.handle(OpenOnce(ORDER))
    lane.handle(Actuated(ORDER, ""))
    assert lane.told(Presented(credential())) == ["busy"]
    assert lane.told(TimerFired(DRIVE_TIMER, ORDER)) == ["timed-out"]
    assert inside("garage", lane.facts) == 0
    assert lane.told(Presented(credential())) == ["entered"]


def test_a_car_for_which_the_barrier_was_opened_by_order_is_not_let_in_a_second_time() -> None:
    lane = barrier("in")
    lane.handle(InputChanged("loop", True))
    lane.handle(OpenOnce(ORDER))
    lane.handle(Actuated(ORDER, ""))
    lane.handle(InputChanged("beyond", True))
    lane.handle(InputChanged("beyond", False))
    assert lane.told(Presented(credential())) == ["no-car"]


def test_a_barrier_that_did_not_rise_for_a_car_that_may_pass_gets_another_pulse_and_the_car_is_counted_once() -> None:
    lane = barrier("in")
    lane.handle(InputChanged("loop", True))
    assert lane.told(Presented(credential())) == ["entered"]
    lane.handle(Actuated(lane.state.passage.record_id, ""))
    record, pulse, *_, obeyed = lane.handle(OpenOnce(ORDER))
    assert isinstance(record, Record)
    assert (isinstance(pulse, Actuate), obeyed) == (True, Obeyed(ORDER, OrderReason.OPENED))
    assert lane.told(Actuated(ORDER, "")) == []
    assert lane.told(InputChanged("beyond", True)) == ["passed"]
    assert inside("garage", lane.facts) == 1


def test_a_loop_that_says_for_ever_that_a_car_stands_there_keeps_no_order_from_opening() -> None:
    lane = barrier("out")
    lane.handle(InputChanged("beyond", True))
    assert lane.told(Presented(credential())) == ["busy"]
    assert lane.handle(OpenOnce(ORDER))[-1] == Obeyed(ORDER, OrderReason.OPENED)
