"""The metro's reducer: a trip from its entry to its exit, by whom it is paid, and what was not tapped."""

from __future__ import annotations

import random
from typing import Any

import cbor2
import pytest
from pydantic import ValidationError

from profiles.amounts import FunctionKey, KeyPressed
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
    Record,
    RecordedLate,
    Restarted,
    Show,
    Subject,
)
from profiles.metro import Metro, MetroState
from profiles.metro_settings import MetroSettings
from profiles.published import Gives, Pairs, Steps, Tariff, Window, cells_of
from profiles.questions import Answered, Authorise, Authorised, Declined, Unanswered
from profiles.rules.trips import open_trip
from tests.profiles.facts import NOON_MS, HeldFacts, confirmed
from tests.profiles.rules.test_network import section, station

MINUTE_MS = 60_000
SETTINGS: dict[str, Any] = {
    "merchant": "metro-company",
    "line": "metro",
    "network": {
        "stations": {"square": station(1), "hospital": station(2), "library": station(3), "lake": station(4)},
        "sections": [
            section("square", "hospital", 2_400),
            section("hospital", "library", 3_100),
            section("library", "lake", 4_500),
        ],
    },
    "fare": {
        "distance": {
            "steps": [{"up_to_m": 4_000, "fen": 200}, {"up_to_m": 8_000, "fen": 300}, {"up_to_m": 12_000, "fen": 400}]
        }
    },
    "admit": {"everyone": True},
    "concessions": [
        {"for": "senior", "percent": 0, "fund": "senior-fund", "ticket": {"zh": "老人票", "en": "Senior ticket"}},
        {"for": "pupil", "percent": 50, "fund": "school-fund", "ticket": {"zh": "学生票", "en": "Pupil ticket"}},
    ],
    "discounts": {
        "transfer": {"minutes": 60, "off_fen": 100, "fund": "transfer-fund"},
        "day_cap": {"fen": 800, "fund": "cap-fund"},
    },
    "offline": {"payment_fen": 5_000, "subject_fen": 50_000, "terminal_fen": 500_000},
}
GATES = {"in": ("square", "in"), "out": ("library", "out"), "lake": ("lake", "out"), "home": ("square", "out")}


class Line:
    """Gates of one terminal, their states through the disk after every event, and the journal."""

    def __init__(self, **changes: Any) -> None:
        self.facts = HeldFacts()
        self.lanes = {
            gate: Metro(MetroSettings.model_validate(SETTINGS | {"station": where, "direction": way} | changes))
            for gate, (where, way) in GATES.items()
        }
        self.states = {gate: lane.idle() for gate, lane in self.lanes.items()}
        self.journal: list[Record] = []
        self.asked: tuple[str, Ask] | None = None
        self.shown = ""

    def tell(self, gate: str, event: Event) -> list[str]:
        """What is recorded; every pulse is about a record that stands before it."""
        step = self.lanes[gate].handle(self.states[gate], event, self.facts)
        saved = MetroState.model_validate(cbor2.loads(cbor2.dumps(step.state.model_dump())))
        self.states[gate] = saved.model_copy(update={"looking": step.state.looking, "checking": step.state.checking})
        self.facts.keep(step.effects)
        self.states[gate] = confirmed(self.lanes[gate], self.states[gate], step.effects, self.facts)
        recorded: list[Record] = []
        for effect in step.effects:
            match effect:
                case Record():
                    recorded.append(effect)
                case Actuate():
                    assert effect.about in {record.id for record in recorded}
                case Ask():
                    self.asked = gate, effect
                case Show():
                    self.shown = effect.sentence.en
                case _:
                    pass
        self.journal += recorded
        return [record.reason.code for record in recorded]

    def tap(self, gate: str, number: int = 1, *entitlements: str, medium: bytes | None = None) -> list[str]:
        who = number.to_bytes(16, "big")
        card = Credential(
            medium or who, Subject("city", who), "t-union", Assurance.READ, frozenset(entitlements), evidence=b"shown"
        )
        return self.tell(gate, Presented(card))

    def opened(self, gate: str, fault: str = "") -> list[str]:
        passage = self.states[gate].passage
        assert passage is not None
        return self.tell(gate, Actuated(passage.record_id, fault))

    def agree(self) -> list[str]:
        assert self.asked is not None
        gate, ask = self.asked
        assert isinstance(ask.question, Authorise)
        money = ask.question.money
        return self.tell(gate, Answered(ask.about, Authorised(money.intent_id, money.amount_fen)))

    def refuse(self) -> list[str]:
        assert self.asked is not None
        gate, ask = self.asked
        return self.tell(gate, Answered(ask.about, Declined("insufficient-funds")))

    def enter(self, number: int = 1) -> None:
        assert self.tap("in", number) == ["entered-station"]
        assert self.opened("in") == ["actuated"]

    def ride(self, minutes: int, gate: str = "out", number: int = 1, *entitlements: str) -> dict[str, int]:
        """Come in, travel, pay, go out; who paid what."""
        self.enter(number)
        self.later(minutes)
        assert self.tap(gate, number, *entitlements) == ["asked"]
        assert self.agree() == ["paid"]
        assert self.opened(gate) == ["actuated"]
        return self.funds()

    def later(self, minutes: int) -> None:
        self.facts.now_ms += minutes * MINUTE_MS

    def funds(self) -> dict[str, int]:
        money = self.journal[-1].money or next(each.money for each in reversed(self.journal) if each.money)
        assert sum(money.funds.values()) == money.amount_fen
        return dict(money.funds)

    def is_inside(self, number: int = 1) -> bool:
        return open_trip(Subject("city", number.to_bytes(16, "big")), self.facts) is not None


def test_who_came_in_by_card_leaves_by_code_and_pays_for_the_way_between() -> None:
    line = Line()
    line.enter()
    line.later(12)
    assert line.tap("out", medium=b"phone-----------") == ["asked"]
    asked = line.journal[-1]
    assert asked.public.items() >= {"station": "library", "from": "square", "line": "metro", "direction": "out"}.items()
    assert line.agree() == ["paid"]
    assert line.journal[-1].public == {"line": "metro"}
    assert line.funds() == {"account": 300}
    assert line.opened("out") == ["actuated"]
    assert line.tap("out") == ["no-station-entry"]


def test_the_full_fare_stands_in_the_record_with_who_pays_it() -> None:
    line = Line()
    assert line.ride(12, "out", 1, "senior") == {"senior-fund": 300}
    assert line.ride(20, "lake", 2, "pupil") == {"school-fund": 200, "account": 200}
    line.later(10)
    assert line.ride(70, "lake", 2, "pupil") == {"school-fund": 200, "transfer-fund": 100, "account": 100}
    line.later(90)
    assert line.ride(20, "lake", 3) == {"account": 400}
    line.later(90)
    assert line.ride(20, "lake", 3) == {"account": 400}
    line.later(90)
    assert line.ride(20, "lake", 3) == {"cap-fund": 400}


def test_who_paid_to_leave_is_owed_no_way_in() -> None:
    line = Line()
    line.enter()
    line.later(12)
    assert line.tap("home") == ["asked"]
    line.agree()
    line.opened("home", "stuck")
    line.enter()
    assert line.is_inside()
    assert line.tap("home") == ["granted-again"], "what was paid for is owed still"


def test_one_trip_is_charged_by_one_gate_and_open_again_when_nothing_comes_of_it() -> None:
    line = Line()
    line.enter()
    line.later(20)
    assert line.tap("lake") == ["asked"]
    assert line.tap("out") == ["impossible-travel"]
    assert line.tap("home") == ["impossible-travel"]
    assert line.refuse() == ["insufficient-funds"]
    assert line.is_inside()
    assert line.tap("lake") == ["asked"]
    about = line.journal[-1].id
    assert line.agree() == ["paid"]
    assert line.tell("lake", RecordedLate(about)) == ["not-paid"]
    assert line.is_inside()
    assert line.states["lake"].passage is None
    assert line.tap("lake") == ["asked"]
    assert line.funds() == {"account": 400}, "the transfer and the day begin anew"


def test_a_gate_that_failed_takes_an_entry_back_and_owes_an_exit() -> None:
    line = Line()
    line.tap("in")
    assert line.opened("in", "silent") == ["actuator-failed"]
    assert not line.is_inside()
    line.enter()
    line.later(12)
    line.tap("out")
    line.agree()
    assert line.opened("out", "silent") == ["actuator-failed"]
    assert line.tap("out") == ["granted-again"]
    assert line.opened("out") == ["actuated"]
    assert line.tap("out") == ["no-station-entry"]


def test_whom_the_power_fails_between_the_payment_and_the_gate_pays_no_second_time() -> None:
    line = Line()
    line.enter()
    line.later(12)
    line.tap("out")
    line.agree()
    assert line.tell("out", Restarted()) == ["outcome-unknown"]
    assert line.tap("out") == ["granted-again"]
    assert line.opened("out") == ["actuated"]
    assert line.tap("out") == ["no-station-entry"]


def test_who_comes_in_again_at_once_goes_on_with_the_trip_and_after_it_pays_the_highest_fare_for_it() -> None:
    line = Line()
    line.enter()
    line.later(1)
    assert line.tap("in") == ["entered-again"]
    assert line.opened("in") == ["actuated"]
    line.later(300)
    assert line.tap("in") == ["asked"]
    assert line.journal[-1].public["missing_exit"] == "square"
    assert line.funds() == {"account": 400}
    assert line.refuse() == ["insufficient-funds"]
    assert line.tap("in") == ["asked"]
    assert line.agree() == ["paid"]
    assert line.shown == "Paid for the last trip, which has no exit: 4.00 yuan"
    assert line.opened("in") == ["actuated"]
    line.later(12)
    line.tap("out")
    assert line.funds() == {"account": 300}, "of the new trip alone"


def test_the_staff_types_where_a_trip_without_an_exit_ended() -> None:
    line = Line()
    line.enter()
    line.later(300)
    line.tell("in", KeyPressed(FunctionKey.STATION, 2))
    assert line.shown == "Last exit: Station 2; please tap"
    line.tap("in")
    assert line.funds() == {"account": 200}


@pytest.mark.parametrize(("typed", "fen"), [(KeyPressed(FunctionKey.STATION, 4), 300), (AmountEntered(700), 700)])
def test_of_an_exit_without_an_entry_the_staff_types_the_station_or_what_is_due(typed: Event, fen: int) -> None:
    line = Line()
    assert line.tap("out") == ["no-station-entry"]
    line.tell("out", typed)
    assert line.tap("out", 1, "pupil") == ["asked"]
    assert sum(line.funds().values()) == fen
    for takes_back in (AmountEntered(0), KeyPressed(FunctionKey.STATION, 99), Restarted()):
        line.tell("out", typed)
        line.tell("out", takes_back)
        assert (line.states["out"].typed_fen, line.states["out"].declared) == (None, None)


def test_what_the_staff_typed_makes_no_known_trip_cheaper() -> None:
    line = Line()
    line.enter()
    line.later(12)
    line.tell("out", AmountEntered(1))
    line.tell("out", KeyPressed(FunctionKey.STATION, 3))
    line.tap("out")
    assert line.funds() == {"account": 300}


def test_nobody_is_at_two_places_in_less_time_than_the_way_takes() -> None:
    line = Line()
    line.enter()
    line.later(2)
    assert line.tap("lake") == ["impossible-travel"]
    assert line.is_inside(), "whoever it was"
    line.later(2)
    assert line.tap("lake") == ["asked"], "10 kilometres in four minutes are 150 an hour"


def test_a_trip_longer_than_one_may_take_costs_the_highest_fare_and_a_turn_at_once_nothing() -> None:
    line = Line(free_minutes=10)
    line.enter()
    line.later(241)
    line.tap("out")
    assert line.funds() == {"account": 300}, "the highest from the library is three"
    line = Line(free_minutes=10)
    line.enter()
    line.later(5)
    assert line.tap("home") == ["left-station-free"]
    assert line.opened("home", "silent") == ["actuator-failed"]
    assert line.is_inside()
    line.later(6)
    line.tap("home")
    assert line.funds() == {"account": 200}


@pytest.mark.parametrize("gone", ["not installed", "over before the clock was lost"])
def test_signed_fares_replace_those_of_the_settings_and_where_they_are_gone_the_staff_helps(gone: str) -> None:
    window = Window(0, NOON_MS + 86_400_000)
    places = ("lake", "library", "square")
    cells = cells_of(places, {("square", "library"): 5_500, ("square", "lake"): 10_000})
    pairs = Pairs("metres", window, Gives.METRES, places, cells)
    steps = Steps("fares", window, Gives.FEN, ((6_000, 250),))
    line = Line(signed_fares={"tariff": "city", "pairs": "metres", "steps": "fares"})
    line.facts.tariffs["city"] = Tariff("city", 1, all_steps=(steps,), all_pairs=(pairs,))
    line.enter()
    line.later(20)
    assert line.tap("lake") == ["no-fares"], "beyond the last step"
    line.later(10)
    assert line.tap("out") == ["asked"]
    assert line.funds() == {"account": 250}
    line.refuse()
    if gone == "not installed":
        line.facts.tariffs.clear()
    if gone == "over before the clock was lost":
        line.facts.floor_ms = NOON_MS + 86_400_000
    assert line.tap("out") == ["no-fares"]
    line.tell("out", AmountEntered(250))
    assert line.tap("out") == ["asked"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"station": "moon"}, "no station moon"),
        ({"offline": {"payment_fen": 399}}, "above offline.payment_fen"),
        ({"discounts": {"transfer": {"minutes": 60, "off_fen": 1, "fund": "senior-fund"}}}, "stands here twice"),
    ],
)
def test_settings_that_are_traps_are_refused_with_a_reason(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        MetroSettings.model_validate(SETTINGS | {"station": "square", "direction": "in"} | changes)


@pytest.mark.parametrize("seed", range(4))
def test_over_random_days_every_intent_ends_once_and_every_trip_is_paid_once(seed: int) -> None:
    chance, line = random.Random(seed), Line()
    for _ in range(400):
        gate = chance.choice(list(GATES))
        state = line.states[gate]
        if state.passage is not None:
            line.opened(gate, chance.choice(["", "", "silent"]))
        elif state.asking is not None and chance.random() < 0.7:
            about = state.asking.asked_id
            line.tell(
                gate, Answered(about, Declined("insufficient-funds")) if chance.random() < 0.3 else Unanswered(about)
            )
        elif chance.random() < 0.05:
            line.tell(gate, Restarted())
        else:
            line.tap(gate, chance.randrange(1, 5), *chance.choice([(), ("senior",), ("pupil",)]))
        line.later(chance.choice([0, 1, 9, 40]))
    for gate in GATES:
        line.tell(gate, Restarted())
    asked = sorted(record.id for record in line.journal if record.kind is Kind.ASKED)
    ends = [record for record in line.journal if record.kind in (Kind.PAYMENT, Kind.REVERSAL)]
    assert sorted(record.refers_to or b"" for record in ends) == asked
    assert {record.kind for record in ends} == {Kind.PAYMENT, Kind.REVERSAL}
    for record in ends:
        assert record.money is not None
        assert sum(record.money.funds.values()) == record.money.amount_fen
    entries = sum(record.reason.code == "entered-station" for record in line.journal)
    trips = sum(record.kind is Kind.PAYMENT for record in line.journal)
    assert 0 < trips <= entries + trips // 2 + 1
