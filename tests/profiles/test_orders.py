"""Doors that open by the platform's order: for one, of whom nobody knows anything, and counted like everybody."""

from __future__ import annotations

from typing import Any

import pytest

from profiles.api import (
    Actuate,
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
from profiles.gate import Gate, GateSettings
from profiles.orders import Obeyed, OpenOnce, OrderReason
from profiles.passage import PASSAGE_TIMER, PassageReason
from profiles.rules.occupancy import inside
from profiles.turnstile import Turnstile
from profiles.turnstile_settings import TurnstileSettings
from tests.profiles.facts import HeldFacts
from tests.profiles.test_turnstile import HALL, credential

ORDER = b"O" * 16
WAYS: dict[str, tuple[InputChanged, ...]] = {
    "gate": (InputChanged("passage", True),),
    "turnstile": tuple(
        InputChanged(beam, broken)
        for beam, broken in (("outer", True), ("inner", True), ("outer", False), ("inner", False))
    ),
}


class Door:
    """A gate or a turnstile into the hall, with its state."""

    def __init__(self, kind: str, **changes: Any) -> None:
        given = {"admit": {"everyone": True}, "area": HALL} | changes
        self.kind = kind
        self.profile: Any = (
            Gate(GateSettings.model_validate(given))
            if kind == "gate"
            else Turnstile(TurnstileSettings.model_validate(given))
        )
        self.state: Any = self.profile.idle()
        self.facts = HeldFacts()

    def handle(self, *events: Event) -> tuple[Effect, ...]:
        effects: list[Effect] = []
        for event in events:
            step = self.profile.handle(self.state, event, self.facts)
            self.state = step.state
            self.facts.keep(step.effects)
            effects += step.effects
        return tuple(effects)

    @property
    def people(self) -> int:
        return inside("hall", self.facts)


@pytest.fixture(params=list(WAYS))
def door(request: pytest.FixtureRequest) -> Door:
    return Door(request.param)


def of(kind: type[Any], effects: tuple[Effect, ...]) -> list[Any]:
    return [effect for effect in effects if isinstance(effect, kind)]


def test_an_order_opens_once_for_nobody_who_is_known_and_whoever_passes_is_counted(door: Door) -> None:
    effects = door.handle(OpenOnce(ORDER))
    (record,) = of(Record, effects)
    assert (record.kind, record.reason, record.refers_to) == (Kind.DECISION, OrderReason.OPENED, ORDER)
    assert (record.medium, record.subject) == (None, None)
    assert len(of(Actuate, effects)) == 1
    assert [show.name for show in of(Show, effects)] == [""]
    assert effects[-1] == Obeyed(ORDER, OrderReason.OPENED)
    passed = next(record for record in of(Record, door.handle(*WAYS[door.kind])) if record.kind is Kind.OUTCOME)
    assert (passed.reason, passed.refers_to, passed.medium, passed.subject) == (PassageReason.PASSED, ORDER, None, None)
    assert door.people == 1


def test_somebody_who_is_stuck_inside_is_let_out_on_the_record_and_counted_out() -> None:
    door = Door("turnstile", exit_readers=["slot-out"])
    door.handle(OpenOnce(ORDER), *WAYS["turnstile"])
    (record, pulse, *_) = door.handle(OpenOnce(ORDER, Direction.OUT))
    assert isinstance(record, Record)
    assert isinstance(pulse, Actuate)
    assert (record.public["direction"], pulse.output, door.people) == ("out", "exit", 1)
    back = [InputChanged(each.input, each.active) for each in reversed(WAYS["turnstile"][:2])]
    back += [InputChanged(each.input, False) for each in back]
    (passed,) = of(Record, door.handle(*back))
    assert (passed.reason, passed.refers_to, door.people) == (PassageReason.PASSED, ORDER, 0)


def test_whoever_is_stuck_in_the_passage_is_let_out_of_it_and_counted_once() -> None:
    door = Door("turnstile", exit_readers=["slot-out"])
    door.handle(Presented(credential()))
    way = door.state.way.record_id
    door.handle(InputChanged("outer", True), InputChanged("inner", True))
    assert door.handle(OpenOnce(ORDER)) == (Obeyed(ORDER, Reason.BUSY),)
    door.handle(TimerFired(PASSAGE_TIMER, way), TimerFired(PASSAGE_TIMER, way))
    for direction in (Direction.IN, Direction.OUT):
        record, pulse, *_, obeyed = door.handle(OpenOnce(ORDER, direction))
        assert isinstance(record, Record)
        assert isinstance(pulse, Actuate)
        assert (record.refers_to, record.public["direction"], obeyed) == (
            ORDER,
            direction.value,
            Obeyed(ORDER, OrderReason.OPENED),
        )
    passed = of(Record, door.handle(InputChanged("outer", False), InputChanged("inner", False)))
    assert [(record.reason, record.refers_to) for record in passed] == [(PassageReason.PASSED, way)]
    assert door.people == 1


@pytest.mark.parametrize("kind", list(WAYS))
def test_a_way_that_the_door_does_not_have_opens_nothing(kind: str) -> None:
    assert Door(kind).handle(OpenOnce(ORDER, Direction.OUT)) == (Obeyed(ORDER, OrderReason.NO_WAY),)
    out = Door("gate", direction="out")
    assert out.handle(OpenOnce(ORDER, Direction.IN)) == (Obeyed(ORDER, OrderReason.NO_WAY),)
    assert out.handle(OpenOnce(ORDER))[-1] == Obeyed(ORDER, OrderReason.OPENED)


def test_what_nobody_used_is_counted_back_and_opens_for_nobody_later(door: Door) -> None:
    door.handle(OpenOnce(ORDER))
    (record,) = of(Record, door.handle(TimerFired(PASSAGE_TIMER, ORDER)))
    assert (record.reason, record.medium) == (PassageReason.TIMED_OUT, None)
    assert door.people == 0
    assert door.state.unused is None


def test_a_door_in_use_or_open_by_fire_gets_no_pulse_and_says_why(door: Door) -> None:
    door.handle(Presented(credential()))
    assert door.handle(OpenOnce(ORDER)) == (Obeyed(ORDER, Reason.BUSY),)
    door.handle(InputChanged("fire", True))
    assert door.handle(OpenOnce(ORDER)) == (Obeyed(ORDER, Reason.FIRE),)


def test_what_a_restart_or_a_slow_disk_cut_off_is_told_and_not_given_again(door: Door) -> None:
    door.handle(OpenOnce(ORDER))
    saved = type(door.state).model_validate(door.state.model_dump())
    late = of(Record, door.handle(RecordedLate(ORDER)))
    assert [record.reason for record in late] == [Reason.NOT_ACTUATED]
    door.state = saved
    effects = door.handle(Restarted())
    assert [record.reason for record in of(Record, effects)] == [Reason.OUTCOME_UNKNOWN]
    assert of(Actuate, effects) == []
