"""The bus's reducer: full fare, concession, companions, and nobody twice."""

from __future__ import annotations

import random
from typing import Any

import cbor2
import pytest
from pydantic import ValidationError

from profiles.amounts import AmountProblem, AmountRefused, FunctionKey, KeyPressed
from profiles.api import (
    Actuate,
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
    StartTimer,
    Step,
    Subject,
    TimerFired,
)
from profiles.bus import Bus, BusReason, BusSettings, BusState
from profiles.by_hand import TYPED_TIMER, TYPED_WAITS_MS
from profiles.person import Person
from profiles.pupil import Consent, Pupil
from profiles.questions import Answered, Authorise, Authorised, Declined, NotRecorded, Unanswered
from tests.profiles.facts import HeldFacts, confirmed

SETTINGS: dict[str, Any] = {
    "merchant": "bus-company-1",
    "line": "line-12",
    "fare_fen": 200,
    "admit": {"everyone": True},
    "concessions": [
        {
            "for": "senior",
            "percent": 0,
            "fund": "senior-fund",
            "ticket": {"zh": "老人票", "en": "Senior ticket"},
            "lamp": "senior-lamp",
            "rides_a_day": 2,
        },
        {"for": "pupil", "percent": 50, "fund": "school-fund", "ticket": {"zh": "学生票", "en": "Pupil ticket"}},
    ],
}


class Vehicle:
    """The reducer, its state through the disk after every event, and its journal."""

    def __init__(self, **changes: Any) -> None:
        self.bus = Bus(BusSettings.model_validate(SETTINGS | changes))
        self.facts = HeldFacts()
        self.state = self.bus.idle()
        self.journal: list[Record] = []
        self.asked: Ask | None = None
        self.step: Step[BusState] = Step(self.state)

    def tell(self, event: Event) -> None:
        self.step = self.bus.handle(self.state, event, self.facts)
        saved = BusState.model_validate(cbor2.loads(cbor2.dumps(self.step.state.model_dump())))
        self.state = saved.model_copy(update={"checking": self.step.state.checking})
        self.facts.keep(self.step.effects)
        self.state = confirmed(self.bus, self.state, self.step.effects, self.facts)
        for effect in self.step.effects:
            if isinstance(effect, Record):
                self.journal.append(effect)
            if isinstance(effect, Ask):
                self.asked = effect

    def present(self, number: int = 1, *entitlements: str, medium: bytes | None = None) -> None:
        who = number.to_bytes(16, "big")
        card = Credential(
            medium or who, Subject("city", who), "t-union", Assurance.READ, frozenset(entitlements), evidence=b"shown"
        )
        self.tell(Presented(card))

    def agree(self) -> None:
        assert self.asked is not None
        assert isinstance(self.asked.question, Authorise)
        money = self.asked.question.money
        self.tell(Answered(self.asked.about, Authorised(money.intent_id, money.amount_fen)))

    def ride(self, number: int = 1, *entitlements: str) -> Record:
        self.present(number, *entitlements)
        self.agree()
        return self.journal[-1]

    def said(self) -> str:
        return [effect.sentence.en for effect in self.step.effects if isinstance(effect, Show)][-1]

    def said_funds(self) -> dict[str, int]:
        """The split of the last record."""
        money = self.journal[-1].money
        return {} if money is None else dict(money.funds)

    def lamps(self) -> list[str]:
        return [effect.output for effect in self.step.effects if isinstance(effect, Actuate)]


def test_the_full_fare_is_recorded_with_who_pays_what_and_the_ticket_is_said() -> None:
    vehicle = Vehicle()
    for number, entitlements, funds, said, lamps in (
        (1, (), {"account": 200}, "Paid: 2.00 yuan", []),
        (2, ("senior",), {"senior-fund": 200}, "Senior ticket: 0.00 yuan", ["senior-lamp"]),
        (3, ("pupil",), {"school-fund": 100, "account": 100}, "Pupil ticket: 1.00 yuan", []),
    ):
        record = vehicle.ride(number, *entitlements)
        assert record.kind is Kind.PAYMENT
        assert record.money is not None
        assert (record.money.amount_fen, dict(record.money.funds)) == (200, funds)
        assert (vehicle.said(), vehicle.lamps()) == (said, lamps)


def test_a_lamp_lights_up_after_the_record_of_the_payment_and_for_nothing_else() -> None:
    vehicle = Vehicle()
    vehicle.present(2, "senior")
    assert vehicle.lamps() == []
    vehicle.agree()
    kinds = [type(effect) for effect in vehicle.step.effects]
    assert kinds.index(Record) < kinds.index(Actuate)
    pulse = next(effect for effect in vehicle.step.effects if isinstance(effect, Actuate))
    assert pulse.about == vehicle.journal[-1].id
    vehicle.present(4, "senior")
    assert vehicle.asked is not None
    vehicle.tell(Answered(vehicle.asked.about, Declined("account-blocked")))
    assert vehicle.lamps() == []


def test_one_person_rides_once_within_the_interval_by_whatever_medium() -> None:
    vehicle = Vehicle()
    vehicle.ride(1)
    vehicle.present(1, medium=b"phone-----------")
    assert vehicle.journal[-1].reason is BusReason.JUST_RODE
    vehicle.ride(2)
    vehicle.facts.now_ms += 60_000
    assert vehicle.ride(1).kind is Kind.PAYMENT


def test_at_two_doors_at_once_one_person_pays_once_and_may_pay_again_after_a_no() -> None:
    front, back = Vehicle(), Vehicle()
    back.facts = front.facts
    front.present(1, "senior")
    back.present(1, "senior")
    assert back.journal[-1].reason is BusReason.JUST_RODE
    assert front.asked is not None
    front.tell(Answered(front.asked.about, Declined("account-blocked")))
    back.present(1, "senior")
    assert back.journal[-1].kind is Kind.ASKED


def test_companions_pay_the_full_fare_and_the_holder_what_is_due_to_him() -> None:
    vehicle = Vehicle()
    vehicle.tell(KeyPressed(FunctionKey.GUESTS, 3))
    record = vehicle.ride(1, "senior")
    assert record.money is not None
    assert dict(record.money.funds) == {"senior-fund": 200, "account": 400}
    assert vehicle.said() == "Senior ticket: 4.00 yuan"
    vehicle.tell(KeyPressed(FunctionKey.GUESTS, 2))
    assert vehicle.ride(1, "senior").money is not None, "for companions the same person taps again"
    vehicle.tell(KeyPressed(FunctionKey.GUESTS, 21))
    assert vehicle.said() == BusReason.TOO_MANY.citizen.en
    assert vehicle.state.people == 1


def test_what_the_driver_typed_is_for_whoever_comes_next_alone() -> None:
    vehicle = Vehicle()
    vehicle.tell(AmountEntered(350))
    first, second = vehicle.ride(1), vehicle.ride(2)
    assert first.money is not None
    assert second.money is not None
    assert (first.money.amount_fen, second.money.amount_fen) == (350, 200)
    for takes_back in (AmountEntered(0), AmountRefused(AmountProblem.UNREADABLE), Restarted()):
        vehicle.tell(AmountEntered(350))
        vehicle.tell(KeyPressed(FunctionKey.GUESTS, 2))
        vehicle.tell(takes_back)
        assert (vehicle.state.fare_fen, vehicle.state.people) == (None, 1)


def test_beyond_the_rides_of_a_day_the_full_fare_is_paid_and_a_ride_that_was_none_is_given_back() -> None:
    vehicle = Vehicle(interval_ms=0)
    vehicle.ride(1, "senior")
    vehicle.ride(1, "senior")
    assert vehicle.state.latest is not None
    vehicle.tell(RecordedLate(vehicle.state.latest.asked_id))
    assert vehicle.journal[-1].kind is Kind.REVERSAL
    assert vehicle.said_funds() == {"senior-fund": -200}
    assert vehicle.ride(1, "senior").money is not None
    assert vehicle.said_funds() == {"senior-fund": 200}
    vehicle.ride(1, "senior")
    assert vehicle.said_funds() == {"account": 200}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fare_fen": 0}, "greater than or equal to 1"),
        ({"fare_fen": 2_001}, "above offline.payment_fen"),
        ({"concessions": [SETTINGS["concessions"][0]] * 2}, "stands here twice"),
        ({"concessions": [SETTINGS["concessions"][0] | {"fund": "wallet"}]}, "the holder's own"),
        ({"merchant": "公交\u3000一公司"}, "printable characters only"),
        ({"line": "1\t路"}, "printable characters only"),
    ],
)
def test_settings_that_are_traps_are_refused_with_a_reason(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        BusSettings.model_validate(SETTINGS | changes)


@pytest.mark.parametrize("seed", range(4))
def test_over_random_days_every_intent_ends_once_and_the_funds_are_conserved(seed: int) -> None:
    chance, vehicle = random.Random(seed), Vehicle(interval_ms=5_000)
    for _ in range(300):
        act = chance.randrange(8)
        if act < 3:
            vehicle.present(chance.randrange(6), *chance.choice([(), ("senior",), ("pupil",)]))
        elif act == 3:
            vehicle.tell(KeyPressed(FunctionKey.GUESTS, chance.randrange(4)))
        elif act == 4:
            vehicle.tell(AmountEntered(chance.choice([0, 150, 350])))
        elif act == 5:
            vehicle.tell(Restarted())
        elif vehicle.state.asking is not None:
            vehicle.agree() if act == 6 else vehicle.tell(Unanswered(vehicle.state.asking.asked_id))
        vehicle.facts.now_ms += chance.choice([0, 1_000, 10_000])
    vehicle.tell(Restarted())
    asked = [record.id for record in vehicle.journal if record.kind is Kind.ASKED]
    ends = [record for record in vehicle.journal if record.kind in (Kind.PAYMENT, Kind.REVERSAL)]
    assert sorted(record.refers_to or b"" for record in ends) == sorted(asked)
    for record in ends:
        assert record.money is not None
        assert sum(record.money.funds.values()) == record.money.amount_fen
    assert {record.kind for record in ends} == {Kind.PAYMENT, Kind.REVERSAL}


def no(vehicle: Vehicle, code: str = "insufficient-funds") -> None:
    assert vehicle.asked is not None
    vehicle.tell(Answered(vehicle.asked.about, Declined(code)))


def last_money(vehicle: Vehicle) -> tuple[int, object]:
    record = vehicle.journal[-1]
    assert record.money is not None
    return record.money.amount_fen, record.public.get("people")


def typed(*events: Event, **changes: Any) -> Vehicle:
    """A vehicle whose driver has typed, and the first passenger who asks to pay it."""
    vehicle = Vehicle(**changes)
    for event in events:
        vehicle.tell(event)
    vehicle.present(1)
    return vehicle


def test_what_the_driver_typed_holds_for_the_next_card_where_one_is_declined_and_the_screen_says_so() -> None:
    vehicle = typed(AmountEntered(350), KeyPressed(FunctionKey.GUESTS, 3))
    assert (vehicle.state.fare_fen, vehicle.state.people) == (None, 1), "not for whoever taps meanwhile"
    no(vehicle)
    assert vehicle.said() == (
        "Not enough money in the account; please pay in another way; still for 3 people at 3.50 yuan"
    )
    vehicle.present(2)
    assert last_money(vehicle) == (1050, 3)
    no(vehicle)
    vehicle.present(1, medium=b"phone-----------")
    assert last_money(vehicle) == (1050, 3)
    vehicle.agree()
    vehicle.present(4)
    assert last_money(vehicle) == (200, 1), "it is paid"
    no(vehicle)
    assert vehicle.said() == "Not enough money in the account; please pay in another way", "nothing was typed"


def test_it_waits_no_longer_than_what_was_typed_by_hand() -> None:
    vehicle = typed(KeyPressed(FunctionKey.GUESTS, 2))
    no(vehicle)
    timers = [effect for effect in vehicle.step.effects if isinstance(effect, StartTimer)]
    assert [(timer.name, timer.delay_ms, timer.about) for timer in timers] == [
        (TYPED_TIMER, TYPED_WAITS_MS, vehicle.state.typed)
    ]
    vehicle.tell(TimerFired(TYPED_TIMER, timers[0].about))
    vehicle.present(2)
    assert last_money(vehicle) == (200, 1)


@pytest.mark.parametrize("why", ["silence", "guardian", "not recorded", "late"])
def test_so_it_does_whatever_kept_the_payment_from_being_made(why: str) -> None:
    vehicle = Vehicle(offline={"payment_fen": 300})
    pupil = Subject("city", (1).to_bytes(16, "big"))
    if why == "guardian":
        vehicle.facts.people[pupil] = Person(pupil=Pupil(Consent.GIVEN, day_limit_fen=300))
    vehicle.tell(KeyPressed(FunctionKey.GUESTS, 2))
    vehicle.present(1)
    if why != "guardian":
        assert vehicle.asked is not None
        about = vehicle.asked.about
        ends: dict[str, Event] = {
            "silence": Unanswered(about),
            "not recorded": NotRecorded(about),
            "late": RecordedLate(about),
        }
        vehicle.tell(ends[why])
    assert vehicle.said().lower().endswith("still for 2 people at 2.00 yuan")
    vehicle.present(2)
    assert last_money(vehicle) == (400, 2)


@pytest.mark.parametrize(
    ("meanwhile", "due"),
    [
        (AmountEntered(500), (500, 1)),
        (KeyPressed(FunctionKey.GUESTS, 2), (400, 2)),
        (AmountEntered(0), (200, 1)),
        (AmountRefused(AmountProblem.UNREADABLE), (200, 1)),
        (Restarted(), (200, 1)),
    ],
)
def test_what_the_driver_does_while_somebody_pays_goes_before_it(meanwhile: Event, due: tuple[int, int]) -> None:
    vehicle = typed(AmountEntered(350), KeyPressed(FunctionKey.GUESTS, 3))
    vehicle.tell(meanwhile)
    no(vehicle)
    vehicle.present(2)
    assert last_money(vehicle) == due


def test_a_payment_that_was_taken_back_leaves_nothing_typed() -> None:
    vehicle = typed(KeyPressed(FunctionKey.GUESTS, 2))
    vehicle.agree()
    assert vehicle.asked is not None
    vehicle.tell(RecordedLate(vehicle.asked.about))
    vehicle.present(2)
    assert last_money(vehicle) == (200, 1), "the passenger was told that it was paid"
