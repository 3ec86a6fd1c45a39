"""Several ways out of one car park: a stay is paid once, wherever its holder is, and is due until it is paid."""

from __future__ import annotations

import random
from typing import Any

import pytest

from profiles.api import AmountEntered, Ask, Event, Kind, RecordedLate, Restarted
from profiles.parking import LEAVING_MS, LEAVING_SCOPE, STAYS_SCOPE, Parking, ParkingSettings
from profiles.questions import Answered, Authorise, Authorised, Declined, NotRecorded, Unanswered
from profiles.rules.funds import AccountKind
from tests.profiles.test_parking import SETTINGS, CarPark
from tests.profiles.test_parking_credit import CREDIT


class Exits(CarPark):
    """A way in, and two ways out that share its facts."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(**changes)
        self.lanes["back"] = Parking(ParkingSettings.model_validate(SETTINGS | {"direction": "out"} | changes))
        self.states["back"] = self.lanes["back"].idle()
        self.asks: dict[str, Ask] = {}

    def tell(self, way: str, event: Event) -> list[str]:
        recorded = super().tell(way, event)
        if "asked" in recorded and self.asked is not None:
            self.asks[way] = self.asked
        return recorded

    def yes(self, way: str, **accounts: int) -> Answered:
        question = self.asks[way].question
        assert isinstance(question, Authorise)
        money = question.money
        return Answered(self.asks[way].about, Authorised(money.intent_id, money.amount_fen, None, accounts or None))

    def is_leaving(self) -> bool:
        return any(scope == LEAVING_SCOPE and mark.value for (scope, _), mark in self.facts.marks.items())

    def stays(self) -> int:
        return sum(1 for (scope, _), mark in self.facts.marks.items() if scope == STAYS_SCOPE and mark.value)


def stayed(**changes: Any) -> Exits:
    """Somebody is inside since 95 minutes, which are eight yuan."""
    park = Exits(**changes)
    park.enter()
    park.later(95)
    return park


def test_while_a_stay_is_paid_at_one_exit_the_other_sends_its_holder_there() -> None:
    park = stayed()
    assert park.present("out") == ["asked"]
    assert park.present("back", medium=b"phone-----------") == ["pays-elsewhere"]
    assert park.shown == ["You are paying at another exit; please leave there"]
    assert park.cars() == 1, "not out yet"
    assert park.present("in") == ["inside-already"]
    assert park.tell("out", park.yes("out")) == ["paid"]
    assert park.present("back") == ["no-entry"]
    assert park.opened("out") == ["actuated"]
    assert [record.kind for record in park.journal].count(Kind.PAYMENT) == 1
    assert (park.cars(), park.is_leaving()) == (0, False)


def test_another_persons_stay_is_paid_at_the_other_exit_meanwhile() -> None:
    park = Exits()
    park.enter(1)
    park.enter(2)
    park.later(95)
    assert park.present("out", 1) == ["asked"]
    assert park.present("back", 2) == ["asked"]
    assert park.tell("back", park.yes("back")) == ["paid"]
    assert park.tell("out", park.yes("out")) == ["paid"]
    assert park.cars() == 0


@pytest.mark.parametrize("ending", ["a no", "a ceiling", "a late disk", "a failed disk", "a restart"])
def test_where_nothing_came_of_it_any_exit_takes_the_whole_fee(ending: str) -> None:
    park = stayed(offline={"payment_fen": 100})
    assert park.present("out") == ["asked"]
    about = park.asks["out"].about
    ends: dict[str, Event] = {
        "a no": Answered(about, Declined("insufficient-funds")),
        "a ceiling": Unanswered(about),
        "a late disk": RecordedLate(about),
        "a failed disk": NotRecorded(about),
        "a restart": Restarted(),
    }
    park.tell("out", ends[ending])
    assert (park.journal[-1].kind, park.cars(), park.is_leaving()) == (Kind.REVERSAL, 1, False)
    assert park.present("back") == ["asked"]
    money = park.journal[-1].money
    assert money is not None
    assert money.amount_fen == 800
    assert park.tell("back", park.yes("back")) == ["paid"]
    assert (park.cars(), park.is_leaving()) == (0, False)


@pytest.mark.parametrize(("number", "typed_fen"), [(1, None), (9, 3_000)])
def test_a_payment_that_a_restart_took_back_leaves_the_stay_to_be_paid(number: int, typed_fen: int | None) -> None:
    park = stayed()
    park.confirms = False
    if typed_fen is not None:
        park.tell("out", AmountEntered(typed_fen))
    assert park.present("out", number) == ["asked"]
    assert park.tell("out", park.yes("out")) == ["paid"]
    assert park.cars() == 0
    assert park.tell("out", Restarted()) == ["outcome-unknown", "outcome-unknown"]
    assert park.shown == [f"The last payment was not made; please pay again: {(typed_fen or 800) / 100:.2f} yuan"]
    assert (park.journal[-1].kind, park.cars(), park.stays()) == (Kind.REVERSAL, 1, 1)
    assert park.present("back", 1) == ["asked"]
    money = park.journal[-1].money
    assert money is not None
    assert money.amount_fen == 800, "of the whole stay"


def test_a_lost_entry_that_was_typed_at_two_exits_is_paid_at_one() -> None:
    park = stayed()
    for way in ("out", "back"):
        park.tell(way, AmountEntered(3_000))
    assert park.present("out", 9) == ["asked"]
    assert park.present("back", 9) == ["pays-elsewhere"]
    assert park.tell("out", Answered(park.asks["out"].about, Declined("account-blocked"))) == ["no-account"]
    assert park.present("back", 9) == ["asked"], "what was typed there still waits"
    assert park.tell("back", park.yes("back")) == ["paid"]
    assert park.stays() == 1, "whose entry is known is still inside"


def test_who_leaves_first_and_pays_later_owes_once() -> None:
    park = stayed(**CREDIT)
    assert park.present("out", 1, "pay-later") == ["asked"]
    assert park.present("back", 1, "pay-later") == ["pays-elsewhere"]
    assert park.tell("out", park.yes("out", **{AccountKind.CREDIT.value: 800})) == ["paid"]
    owed = [record.money.funds for record in park.journal if record.money and record.kind is Kind.PAYMENT]
    assert owed == [{"credit": 800}]


def test_nobody_leaves_unpaid_at_one_exit_while_another_takes_the_fee() -> None:
    park = stayed()
    assert park.present("out") == ["asked"]
    park.facts.leased = False
    assert park.present("back") == ["pays-elsewhere"]


def test_an_entry_that_proved_none_while_it_was_paid_is_taken_off_the_count_once() -> None:
    park = Exits(tariff=SETTINGS["tariff"] | {"free_minutes": 0})
    park.enter(1)
    assert park.present("in", 2) == ["entered"]
    park.facts.now_ms += 1_000
    assert park.present("out", 2) == ["asked"]
    assert park.opened("in", "silent") == ["actuator-failed"]
    assert park.cars() == 1
    assert park.tell("out", park.yes("out")) == ["paid"]
    assert park.cars() == 1


def test_a_lane_that_lost_its_state_keeps_nobody_inside_for_ever() -> None:
    park = stayed()
    assert park.present("out") == ["asked"]
    park.states["out"] = park.lanes["out"].idle()
    assert park.present("back") == ["pays-elsewhere"]
    park.facts.now_ms += LEAVING_MS
    assert park.present("back") == ["asked"]


@pytest.mark.parametrize("seed", range(4))
def test_over_random_days_at_two_exits_every_stay_ends_once(seed: int) -> None:
    chance, park = random.Random(seed), Exits()
    for _ in range(400):
        way = chance.choice(["in", "out", "back"])
        state = park.states[way]
        if state.passage is not None:
            park.opened(way)
        elif state.asking is not None:
            about = state.asking.asked_id
            fails: list[Event] = [RecordedLate(about), Restarted()]
            answers: list[Event] = [park.yes(way), Answered(about, Declined("insufficient-funds")), *fails]
            park.confirms = chance.random() < 0.7
            if park.tell(way, chance.choice(answers)) == ["paid"] and not park.confirms:
                park.tell(way, chance.choice(fails))
        else:
            park.present(way, chance.randrange(1, 4))
        if all(state.asking is None for state in park.states.values()):
            park.later(chance.choice([0, 0, 5, 40]))
        reasons = [record.reason.code for record in park.journal]
        paid = {record.refers_to for record in park.journal if record.kind is Kind.PAYMENT}
        back = sum(record.kind is Kind.REVERSAL and record.refers_to in paid for record in park.journal)
        left = reasons.count("paid") + reasons.count("left-free") - back
        assert park.stays() == park.cars() == reasons.count("entered") - left
    assert back > 2
    assert "pays-elsewhere" in reasons


def test_whom_the_power_fails_between_the_payment_and_the_barrier_pays_no_second_time() -> None:
    park = stayed()
    assert park.present("out") == ["asked"]
    assert park.tell("out", park.yes("out")) == ["paid"]
    assert park.tell("out", Restarted()) == ["outcome-unknown"]
    assert park.shown == ["The last payment was made: 8.00 yuan"]
    for _ in range(2):
        assert park.present("back") == ["granted-again"]
        assert park.tell("back", Restarted()) == ["outcome-unknown"]
    assert park.present("out") == ["granted-again"]
    assert park.opened("out") == ["actuated"]
    assert park.present("out") == ["no-entry"], "once"


@pytest.mark.parametrize("number", [1, 9])
def test_who_was_told_to_pay_again_is_owed_no_way_out(number: int) -> None:
    park = stayed()
    park.confirms = False
    park.tell("out", AmountEntered(3_000))
    assert park.present("out", number) == ["asked"]
    assert park.tell("out", park.yes("out")) == ["paid"]
    park.tell("out", Restarted())
    assert park.present("out", 9) == ["no-entry"]
    assert park.present("out", 1) == ["asked"]
