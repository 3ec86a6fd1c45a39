"""The car park's evidence of a car: loops before and behind the barrier, plates, and a clock that goes on."""

from __future__ import annotations

from typing import Any

import pytest

from profiles.api import (
    AmountEntered,
    Assurance,
    ClockState,
    Credential,
    InputChanged,
    Kind,
    Presented,
    RecordedLate,
    Restarted,
    Subject,
    TimerFired,
)
from profiles.parking import DRIVE_TIMER
from tests.profiles.test_parking import CarPark

LOOPS: dict[str, Any] = {"loop_input": "loop", "beyond_input": "beyond", "drive_ms": 20_000}


def drives_up(park: CarPark, way: str) -> None:
    assert park.tell(way, InputChanged("loop", True)) == []


def drives_through(park: CarPark, way: str) -> None:
    """Off the first loop, over the second."""
    assert park.opened(way) == []
    assert park.tell(way, InputChanged("loop", False)) == []
    assert park.tell(way, InputChanged("beyond", True)) == ["passed"]
    assert park.tell(way, InputChanged("beyond", False)) == []


def enter(park: CarPark, number: int) -> None:
    drives_up(park, "in")
    assert park.present("in", number) == ["entered"]
    drives_through(park, "in")


def plate(number: int, *, registered: bool = True) -> Presented:
    subject = Subject("city", number.to_bytes(16, "big"), provisional=not registered)
    return Presented(Credential(b"plate-----------", subject, "plate", Assurance.UID))


def test_nobody_begins_a_second_and_shorter_stay_on_foot() -> None:
    park = CarPark(**LOOPS)
    enter(park, 1)
    park.later(600)
    assert park.present("in", 2) == ["no-car"]
    drives_up(park, "out")
    assert park.present("out", 2) == ["no-entry"]
    assert park.present("out", 1) == ["asked"], "the first card owes the whole stay"


def test_one_car_on_the_loop_is_let_in_once_whatever_cards_are_shown() -> None:
    park = CarPark(**LOOPS)
    drives_up(park, "in")
    assert park.present("in", 1) == ["entered"]
    assert park.opened("in") == []
    assert park.present("in", 2) == ["busy"]
    assert park.tell("in", InputChanged("beyond", True)) == ["passed"]
    park.present("in", 2)
    assert park.states["in"].passage is None, "one stands beneath the barrier"
    park.tell("in", InputChanged("beyond", False))
    assert park.present("in", 2) == ["no-car"], "a long one stands on the first loop still"
    park.tell("in", InputChanged("loop", False))
    drives_up(park, "in")
    assert park.present("in", 2) == ["entered"]


def test_who_turned_back_at_the_entrance_is_not_inside_and_may_try_again() -> None:
    park = CarPark(**LOOPS)
    drives_up(park, "in")
    park.present("in", 1)
    assert park.opened("in") == []
    passage = park.states["in"].passage
    assert passage is not None
    assert park.tell("in", TimerFired(DRIVE_TIMER, b"another")) == []
    assert park.tell("in", TimerFired(DRIVE_TIMER, passage.record_id)) == ["timed-out"]
    assert park.cars() == 0
    assert park.present("in", 1) == ["entered"]


def test_who_paid_and_did_not_drive_through_is_let_out_once_more_and_pays_no_second_time() -> None:
    park = CarPark(**LOOPS)
    enter(park, 1)
    park.later(60)
    drives_up(park, "out")
    assert park.present("out", 1) == ["asked"]
    assert park.agree() == ["paid"]
    park.opened("out")
    passage = park.states["out"].passage
    assert passage is not None
    assert park.tell("out", TimerFired(DRIVE_TIMER, passage.record_id)) == ["timed-out"]
    assert park.present("out", 1) == ["granted-again"]
    drives_through(park, "out")
    drives_up(park, "out")
    assert park.present("out", 1) == ["no-entry"]


def test_a_payment_that_proves_late_leaves_the_car_before_the_barrier_free_to_pay_again() -> None:
    park = CarPark(**LOOPS)
    enter(park, 1)
    park.later(60)
    drives_up(park, "out")
    park.present("out", 1)
    assert park.asked is not None
    park.agree()
    assert park.tell("out", RecordedLate(park.asked.about)) == ["not-paid"]
    assert park.present("out", 1) == ["asked"]


def test_after_a_restart_the_loops_say_anew_how_they_are() -> None:
    park = CarPark(**LOOPS)
    drives_up(park, "in")
    park.states["in"] = park.lanes["in"].idle()
    park.tell("in", Restarted())
    assert park.present("in", 1) == ["no-car"]
    drives_up(park, "in")
    assert park.present("in", 1) == ["entered"]


@pytest.mark.parametrize("back_min", [200, 90])
def test_a_clock_that_was_set_back_lets_nobody_out_for_nothing(back_min: int) -> None:
    park = CarPark()
    park.enter(1)
    park.later(100)
    park.enter(2)
    park.later(-back_min)
    assert park.present("out", 1) == ["clock-went-back"]
    park.tell("out", AmountEntered(700))
    assert park.present("out", 1) == ["asked"], "the staff decides"
    money = park.journal[-1].money
    assert money is not None
    assert money.amount_fen == 700
    assert park.agree() == ["paid"]
    assert park.cars() == 1


def test_a_clock_is_corrected_by_seconds_and_nobody_is_stopped() -> None:
    park = CarPark()
    park.enter(1)
    park.later(100)
    park.enter(2)
    park.facts.now_ms -= 20_000
    assert park.present("out", 1) == ["asked"]


def test_a_clock_that_nobody_vouched_for_ran_ahead_and_stops_nobody_once_it_is_right() -> None:
    park = CarPark()
    park.enter(1)
    park.facts.clock = ClockState.UNTRUSTED
    park.later(5_000)
    park.enter(2)
    park.facts.clock = ClockState.SYNCHRONISED
    park.later(-4_900)
    assert park.present("out", 1) == ["asked"]


def test_a_plate_in_the_register_opens_the_way_in_and_pays_only_where_the_place_says_so() -> None:
    for plates, due in (("pass", []), ("pay", ["asked"])):
        park = CarPark(plates=plates)
        assert park.tell("in", plate(1)) == ["entered"]
        assert park.opened("in") == ["actuated"]
        park.later(5)
        assert park.tell("out", plate(2)) == ["no-entry"]
        park.later(90)
        assert park.tell("out", plate(1)) == due
        if not due:
            assert park.shown == ["Please pay with a card or the citizen code: 8.00 yuan"]
            assert park.present("out", 1) == ["asked"], "the holder's own card pays"


@pytest.mark.parametrize(("plates", "registered"), [("nothing", True), ("pass", False), ("pay", False)])
def test_of_a_plate_whose_holder_has_not_consented_nothing_is_kept(plates: str, registered: bool) -> None:
    park = CarPark(plates=plates)
    before = park.states["in"]
    assert park.tell("in", plate(1, registered=registered)) == []
    assert park.shown == ["Please present a card or the citizen code"]
    assert (park.states["in"], park.facts.marks, park.cars()) == (before, {}, 0)


def test_a_cloned_card_below_the_least_assurance_is_no_plate() -> None:
    park = CarPark(plates="pay")
    card = Credential(b"c" * 16, Subject("city", b"c" * 16), "t-union", Assurance.UID)
    assert park.tell("in", Presented(card)) == ["assurance-too-low"]
    assert {record.kind for record in park.journal} == {Kind.DECISION}
