"""Where the platform's lease has ended no money moves, either way; doors do not ask about it."""

from __future__ import annotations

import pytest

from agent.config import profile_names, profile_type
from profiles.amounts import FunctionKey
from profiles.api import Actuate, Assurance, Credential, Kind, Presented, Subject
from profiles.gate import Gate, GateSettings
from profiles.payment import Cashier
from profiles.person import Person
from profiles.pupil import Consent, Pupil
from profiles.questions import Unanswered
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


def test_a_pupil_at_the_guardians_limit_leaves_the_station_unpaid() -> None:
    line = Line()
    rider = Subject("city", (1).to_bytes(16, "big"))
    line.facts.people[rider] = Person(pupil=Pupil(Consent.GIVEN, day_limit_fen=299))
    line.enter()
    line.later(12)
    assert line.tap("out") == ["left-station-unpaid"]
    assert (line.journal[-1].public["unpaid_fen"], line.asked) == (300, None)
    assert line.journal[-1].trace[-1] == Rule.GUARDIAN.number | OBJECTED
    assert line.opened("out", "stuck") == ["actuator-failed"]
    assert line.is_inside(), "the gate stayed shut"
    assert line.tap("out") == ["left-station-unpaid"]
    assert line.opened("out") == ["actuated"]
    assert not line.is_inside()


def test_what_somebody_else_pays_is_taken_of_a_pupil_without_pocket_money() -> None:
    line = Line()
    line.facts.people[Subject("city", (1).to_bytes(16, "big"))] = Person(pupil=Pupil(Consent.GIVEN, day_limit_fen=0))
    assert line.ride(12, "out", 1, "senior") == {"senior-fund": 300}


def test_nobody_is_kept_in_a_station_because_the_platform_is_silent_and_a_ceiling_is_reached() -> None:
    line = Line(offline={"payment_fen": 5_000, "subject_fen": 299, "terminal_fen": 500_000})
    line.enter()
    line.later(12)
    for fault, stays in (("stuck", True), ("", False)):
        assert line.tap("out") == ["asked"]
        assert line.asked is not None
        assert line.tell("out", Unanswered(line.asked[1].about)) == ["offline-ceiling", "left-station-unpaid"]
        reversal, left = line.journal[-2:]
        assert (reversal.kind, left.kind, left.public["unpaid_fen"]) == (Kind.REVERSAL, Kind.DECISION, 300)
        assert line.shown == "You may go out; please pay the fare at the station's desk"
        line.opened("out", fault)
        assert line.is_inside() is stays
    assert line.tap("out") == ["no-station-entry"]


def test_who_owes_for_a_missing_exit_is_let_in_by_no_ceiling() -> None:
    line = Line(offline={"payment_fen": 5_000, "subject_fen": 299, "terminal_fen": 500_000})
    line.enter()
    line.later(300)
    assert line.tap("in") == ["asked"]
    assert line.asked is not None
    assert line.tell("in", Unanswered(line.asked[1].about)) == ["offline-ceiling"]
    assert line.states["in"].passage is None


def test_a_gate_opens_as_ever() -> None:
    facts = HeldFacts()
    facts.leased = False
    gate = Gate(GateSettings.model_validate({"direction": "in", "admit": {"everyone": True}}))
    credential = Credential(LI, Subject("city", LI), "social-security", Assurance.READ)
    step = gate.handle(gate.idle(), Presented(credential), facts)
    assert any(isinstance(effect, Actuate) for effect in step.effects)
