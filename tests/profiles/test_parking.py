"""The car park's reducer: one car a person, one fee a stay, and a barrier that opens after the record."""

from __future__ import annotations

import random
from typing import Any

import cbor2
import pytest

from profiles.api import (
    Actuate,
    Actuated,
    AmountEntered,
    Ask,
    Assurance,
    Credential,
    Event,
    Kind,
    Presented,
    Reason,
    Record,
    RecordedLate,
    Restarted,
    Show,
    Subject,
)
from profiles.parking import Parking, ParkingSettings, ParkingState
from profiles.person import Person
from profiles.questions import Answered, Authorise, Authorised, Declined, Unanswered
from profiles.rules.occupancy import inside
from profiles.rules.visits import visit, visited
from tests.profiles.facts import HeldFacts, confirmed

MINUTE_MS = 60_000
SETTINGS: dict[str, Any] = {
    "merchant": "car-park-1",
    "area": "garage",
    "capacity": 3,
    "admit": {"everyone": True},
    "tariff": {"free_minutes": 15, "steps": [{"unit_minutes": 30, "unit_fen": 200}]},
    "waivers": [{"for": "hall-visitor", "minutes": 120}, {"for": "staff", "minutes": 600}],
    "offline": {"payment_fen": 10_000, "subject_fen": 10_000},
}


class CarPark:
    """A way in and a way out that share their facts, their states through the disk after every event."""

    def __init__(self, **changes: Any) -> None:
        self.facts = HeldFacts()
        self.lanes = {
            way: Parking(ParkingSettings.model_validate(SETTINGS | {"direction": way} | changes))
            for way in ("in", "out")
        }
        self.states = {way: lane.idle() for way, lane in self.lanes.items()}
        self.journal: list[Record] = []
        self.asked: Ask | None = None
        self.shown: list[str] = []
        self.confirms = True

    def tell(self, way: str, event: Event) -> list[str]:
        """What is recorded; every pulse is about a record that stands before it."""
        step = self.lanes[way].handle(self.states[way], event, self.facts)
        saved = ParkingState.model_validate(cbor2.loads(cbor2.dumps(step.state.model_dump())))
        unsaved = {name: getattr(step.state, name) for name in ("car", "served", "under")}
        self.states[way] = saved.model_copy(update=unsaved)
        self.shown = [effect.sentence.en for effect in step.effects if isinstance(effect, Show)]
        self.facts.keep(step.effects)
        if self.confirms:
            self.states[way] = confirmed(self.lanes[way], self.states[way], step.effects, self.facts)
        recorded: list[Record] = []
        for effect in step.effects:
            match effect:
                case Record():
                    recorded.append(effect)
                case Actuate():
                    assert effect.about in {record.id for record in recorded}
                case Ask():
                    self.asked = effect
                case _:
                    pass
        self.journal += recorded
        return [record.reason.code for record in recorded]

    def present(self, way: str, number: int = 1, *entitlements: str, medium: bytes | None = None) -> list[str]:
        who = number.to_bytes(16, "big")
        card = Credential(
            medium or who, Subject("city", who), "social-security", Assurance.READ, frozenset(entitlements)
        )
        return self.tell(way, Presented(card))

    def opened(self, way: str, fault: str = "") -> list[str]:
        passage = self.states[way].passage
        assert passage is not None
        return self.tell(way, Actuated(passage.record_id, fault))

    def agree(self) -> list[str]:
        assert self.asked is not None
        assert isinstance(self.asked.question, Authorise)
        money = self.asked.question.money
        return self.tell("out", Answered(self.asked.about, Authorised(money.intent_id, money.amount_fen)))

    def enter(self, number: int = 1) -> None:
        assert self.present("in", number) == ["entered"]
        assert self.opened("in") == ["actuated"]

    def later(self, minutes: int) -> None:
        self.facts.now_ms += minutes * MINUTE_MS

    def cars(self) -> int:
        return inside("garage", self.facts)


def test_who_came_in_by_card_leaves_by_code_and_pays_for_the_stay() -> None:
    park = CarPark()
    park.enter()
    park.later(95)
    assert park.present("out", medium=b"phone-----------") == ["asked"]
    assert park.cars() == 1
    assert park.agree() == ["paid"]
    money = park.journal[-1].money
    assert money is not None
    assert money.amount_fen == 800
    assert park.opened("out") == ["actuated"]
    assert park.cars() == 0
    assert park.present("out") == ["no-entry"]


def test_a_short_stay_and_a_waived_one_cost_nothing_and_open_at_once() -> None:
    park = CarPark()
    park.enter(1)
    park.enter(2)
    park.later(10)
    assert park.present("out", 1) == ["left-free"]
    assert park.opened("out") == ["actuated"]
    park.later(120)
    assert park.present("out", 2, "hall-visitor", "staff") == ["left-free"]
    assert park.cars() == 0


def test_one_person_has_one_car_inside_and_no_more_cars_come_than_there_is_room() -> None:
    park = CarPark()
    for number in (1, 2, 3):
        park.enter(number)
    assert park.present("in", 1) == ["inside-already"]
    assert park.present("in", 4) == ["area-full"]
    park.later(24 * 60)
    assert park.cars() == 3, "cars stay over night"


@pytest.mark.parametrize("ending", ["fault", "late"])
def test_who_could_not_drive_in_is_not_inside(ending: str) -> None:
    park = CarPark()
    park.present("in")
    passage = park.states["in"].passage
    assert passage is not None
    end = Actuated(passage.record_id, "silent") if ending == "fault" else RecordedLate(passage.record_id)
    assert park.tell("in", end) == ["actuator-failed" if ending == "fault" else "not-actuated"]
    assert park.cars() == 0
    park.enter()


def test_who_owed_nothing_and_did_not_get_out_may_try_again() -> None:
    park = CarPark()
    park.enter()
    park.later(10)
    for _ in range(2):
        assert park.present("out") == ["left-free"]
        assert park.opened("out", "silent") == ["actuator-failed"]
        assert park.cars() == 1
    assert park.present("out") == ["left-free"]
    assert park.opened("out") == ["actuated"]
    assert park.cars() == 0


def test_who_has_paid_has_paid_where_the_barrier_failed() -> None:
    park = CarPark()
    park.enter()
    park.later(60)
    park.present("out")
    park.agree()
    assert park.opened("out", "silent") == ["actuator-failed"]
    assert park.cars() == 0
    assert park.present("out") == ["granted-again"]
    assert park.opened("out", "silent") == ["actuator-failed"]
    assert park.present("out") == ["granted-again"], "still owed"
    assert park.opened("out") == ["actuated"]
    assert park.present("out") == ["no-entry"], "once"


def test_a_payment_that_was_recorded_too_late_is_taken_back_and_the_car_is_inside_as_before() -> None:
    park = CarPark()
    park.enter()
    park.later(60)
    park.present("out")
    asked_id = park.journal[-1].id
    park.agree()
    assert park.tell("out", RecordedLate(asked_id)) == ["not-paid"]
    assert park.journal[-1].kind is Kind.REVERSAL
    assert park.cars() == 1
    park.later(60)
    park.present("out")
    park.agree()
    money = park.journal[-1].money
    assert money is not None
    assert money.amount_fen == 800, "of the whole stay"


def test_a_no_keeps_the_barrier_down_and_the_car_inside() -> None:
    park = CarPark()
    park.enter()
    park.later(60)
    park.present("out")
    assert park.asked is not None
    assert park.tell("out", Answered(park.asked.about, Declined("insufficient-funds"))) == ["insufficient-funds"]
    assert park.states["out"].passage is None
    assert park.cars() == 1


def test_for_a_lost_entry_the_staff_types_what_is_due_from_whoever_comes_next() -> None:
    park = CarPark()
    park.tell("out", AmountEntered(3000))
    assert park.present("out", 9) == ["asked"]
    assert park.agree() == ["paid"]
    assert park.opened("out") == ["actuated"]
    assert park.present("out", 9) == ["no-entry"]
    for takes_back in (AmountEntered(0), Restarted()):
        park.tell("out", AmountEntered(3000))
        park.tell("out", takes_back)
        assert park.states["out"].typed_fen is None


def test_a_lost_entrys_payment_that_proves_late_leaves_the_lane_free_and_the_car_inside() -> None:
    park = CarPark()
    park.enter(5)
    park.tell("out", AmountEntered(3000))
    park.present("out", 9)
    assert park.asked is not None
    assert park.agree() == ["paid"]
    assert park.tell("out", RecordedLate(park.asked.about)) == ["not-paid"]
    assert park.states["out"].passage is None
    assert park.cars() == 1
    assert park.present("out", 5) == ["left-free"]


def test_a_typed_fee_is_for_a_lost_entry_and_no_discount_for_a_known_stay() -> None:
    park = CarPark()
    park.enter()
    park.later(95)
    park.tell("out", AmountEntered(1))
    park.present("out")
    money = park.journal[-1].money
    assert money is not None
    assert money.amount_fen == 800


def test_a_restart_while_the_barrier_opens_leaves_the_outcome_unknown_and_opens_nothing() -> None:
    park = CarPark()
    park.present("in")
    assert park.tell("in", Restarted()) == ["outcome-unknown"]
    assert park.cars() == 1
    assert park.states["in"].passage is None


@pytest.mark.parametrize("seed", range(4))
def test_over_random_days_the_count_is_who_is_inside_and_every_intent_ends_once(seed: int) -> None:
    chance, park, people = random.Random(seed), CarPark(), range(1, 7)
    for _ in range(400):
        way = chance.choice(["in", "out"])
        state = park.states[way]
        if state.passage is not None:
            park.opened(way, chance.choice(["", "", "silent"]))
        elif state.asking is not None:
            park.agree() if chance.random() < 0.5 else park.tell(way, Unanswered(state.asking.asked_id))
        elif chance.random() < 0.1:
            park.tell(way, Restarted())
        elif park.present(way, chance.choice(people)) == ["entered"]:
            assert park.cars() <= 3
        park.later(chance.choice([0, 5, 40]))
        stays = sum(1 for (scope, _), mark in park.facts.marks.items() if scope == "parking.stays" and mark.value)
        assert stays == park.cars()
    park.tell("out", Restarted())
    asked = sorted(record.id for record in park.journal if record.kind is Kind.ASKED)
    ends = [record for record in park.journal if record.kind in (Kind.PAYMENT, Kind.REVERSAL)]
    assert sorted(record.refers_to or b"" for record in ends) == asked
    assert Reason.ACTUATED in {record.reason for record in park.journal}


@pytest.mark.parametrize("way", ["here", "roster"])
def test_a_visit_to_the_hall_waives_its_minutes_today_and_no_other_day(way: str) -> None:
    park = CarPark(waivers=[{"for": "hall", "minutes": 120}])
    visitor = Subject("city", (1).to_bytes(16, "big"))
    assert park.present("in") == ["entered"]
    park.tell("in", Actuated(park.journal[-1].id))
    park.facts.now_ms += 130 * MINUTE_MS
    if way == "here":
        park.facts.put(visit("hall", visitor, park.facts))
    else:
        park.facts.people[visitor] = Person(areas=frozenset({"hall-20261123"}))
    assert visited("hall", visitor, park.facts)
    assert not visited("library", visitor, park.facts)
    assert park.present("out") == ["left-free"]
    park.facts.now_ms += 24 * 60 * MINUTE_MS
    assert not visited("hall", visitor, park.facts)
