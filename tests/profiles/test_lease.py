"""Where the platform's lease has ended no money moves, either way; doors do not ask about it."""

from __future__ import annotations

import pytest

from agent.config import profile_names, profile_type
from profiles.amounts import FunctionKey
from profiles.api import Actuate, Assurance, Credential, Kind, Presented, Subject
from profiles.gate import Gate, GateSettings
from profiles.payment import Cashier
from profiles.rules.lease import LeaseReason
from profiles.trace import OBJECTED, Rule
from tests.profiles.canteens import LI
from tests.profiles.facts import HeldFacts
from tests.profiles.test_counter import Counter
from tests.profiles.test_metro import Line
from tests.profiles.test_parking import CarPark
from tests.profiles.test_till import Lane

CASHIERS = [kind for name in profile_names() if (kind := profile_type(name)) and issubclass(kind, Cashier)]


def test_a_till_refuses_before_anything_is_asked_and_goes_on_when_it_is_renewed() -> None:
    lane = Lane()
    lane.facts.leased = False
    lane.pay()
    assert lane.kinds() == [(Kind.DECISION, "lease-ended")]
    assert lane.asks == []
    assert lane.shown[-1].sentence == LeaseReason.LEASE_ENDED.citizen
    lane.facts.leased = True
    lane.pay()
    assert lane.kinds()[-1] == (Kind.PAYMENT, "paid-offline")
    assert Rule.LEASE.number in lane.journal[-2].trace


def test_of_a_terminal_without_one_nothing_is_asked() -> None:
    lane = Lane()
    lane.pay()
    assert Rule.LEASE.number not in lane.journal[0].trace


@pytest.mark.parametrize("kind", CASHIERS, ids=[kind.name for kind in CASHIERS])
def test_no_scene_has_a_way_of_its_own_to_an_intent(kind: type[Cashier]) -> None:  # type: ignore[type-arg]
    assert kind.ask is Cashier.ask


def test_nothing_is_given_back_either() -> None:
    lane = Counter()
    lane.sign()
    lane.buy(LI)
    lane.facts.leased = False
    before = lane.kinds()
    lane.key(FunctionKey.VOID, lane.state.sold)
    assert lane.kinds() == [*before, (Kind.DECISION, "lease-ended")]


def test_nobody_is_kept_inside_a_car_park_or_a_station_for_money_that_is_not_taken() -> None:
    park = CarPark()
    park.enter(1)
    park.later(95)
    park.facts.leased = False
    assert park.present("out", 1) == ["left-unpaid"]
    assert (park.journal[-1].public["unpaid_fen"], park.journal[-1].money) == (800, None)
    assert park.shown == ["You may leave; please pay the fee at the service desk"]
    assert park.journal[-1].trace[-1] == Rule.LEASE.number | OBJECTED
    assert park.opened("out", "stuck") == ["actuator-failed"]
    assert park.cars() == 1, "the barrier stayed shut"
    assert park.present("out", 1) == ["left-unpaid"]
    assert park.opened("out") == ["actuated"]
    assert park.cars() == 0
    line = Line()
    line.enter()
    line.later(12)
    line.facts.leased = False
    assert line.tap("out") == ["left-station-unpaid"]
    assert (line.journal[-1].public["unpaid_fen"], line.asked) == (300, None)
    assert line.opened("out") == ["actuated"]
    assert not line.is_inside()


def test_a_gate_opens_as_ever() -> None:
    facts = HeldFacts()
    facts.leased = False
    gate = Gate(GateSettings.model_validate({"direction": "in", "admit": {"everyone": True}}))
    credential = Credential(LI, Subject("city", LI), "social-security", Assurance.READ)
    step = gate.handle(gate.idle(), Presented(credential), facts)
    assert any(isinstance(effect, Actuate) for effect in step.effects)
