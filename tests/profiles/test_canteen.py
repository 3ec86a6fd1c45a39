"""A canteen handed events: what a meal costs whom, who pays what of it, what is given back when nothing is paid."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from profiles.amounts import AmountProblem, AmountRefused
from profiles.api import AmountEntered, Kind, Reason, RecordedLate, Rejected, Restarted, Subject, TimerFired, Tone
from profiles.canteen import WAITING_TIMER
from profiles.canteen_settings import CanteenSettings
from profiles.person import Person
from profiles.questions import Answered, Declined
from tests.profiles.canteens import HOUR_MS, LI, SETTINGS, WANG, Lane

ASKED, PAID = (Kind.ASKED, "asked"), (Kind.PAYMENT, "paid")


def test_one_tap_pays_the_meal_that_is_served_now() -> None:
    lane = Lane()
    lane.present()
    assert lane.journal[-1].public["period"] == "lunch"
    lane.agree()
    assert lane.kinds() == [ASKED, PAID]
    money = lane.money()
    assert (money.amount_fen, money.business_date, money.funds) == (1500, "20261123", {"account": 1500})
    assert (lane.said, lane.shown[-1].tone) == ("Paid: 15.00 yuan; no. 1", Tone.OK)


def test_one_subsidised_meal_a_period_then_the_full_price() -> None:
    lane = Lane()
    lane.buy(LI, "staff")
    assert lane.money().funds == {"subsidy": 1000, "account": 500}
    assert lane.said == "Paid: 15.00 yuan (subsidy 10.00, account 5.00); no. 1"
    lane.buy(LI, "staff")
    assert lane.money().funds == {"account": 1500}
    lane.facts.now_ms += 6 * HOUR_MS
    lane.buy(LI, "staff")
    assert lane.money().funds == {"subsidy": 1000, "account": 500}, "dinner has a subsidy of its own"


def test_a_roster_says_who_is_subsidised_and_what_a_meal_costs_whom() -> None:
    lane = Lane()
    lane.facts.people[Subject("city", LI)] = Person(price_class="senior", subsidy="staff")
    lane.buy(LI)
    assert lane.money().funds == {"subsidy": 900}
    assert lane.said == "Paid: 9.00 yuan (subsidy 9.00, account 0.00); no. 1"


@pytest.mark.parametrize("end", ["no", "ceiling", "restart", "late"])
def test_a_meal_that_comes_to_nothing_gives_subsidy_and_limits_back(end: str) -> None:
    lane = Lane(limits={"period_meals": 1}, offline={"payment_fen": 0})
    lane.present(LI, "staff")
    match end:
        case "no":
            lane.tell(Answered(lane.asks[-1].about, Declined("insufficient-funds")))
        case "ceiling":
            lane.silence()
        case "restart":
            lane.tell(Restarted())
        case "late":
            lane.tell(RecordedLate(lane.asks[-1].about))
    assert lane.journal[-1].kind is Kind.REVERSAL
    assert lane.money().funds == {"subsidy": -1000, "account": -500}
    lane.buy(LI, "staff")
    assert lane.money().funds == {"subsidy": 1000, "account": 500}


def test_a_payment_that_the_disk_took_too_late_gives_back_what_it_took() -> None:
    lane = Lane(limits={"period_meals": 1}, offline={"subject_fen": 2000})
    for _ in range(2):
        lane.present(LI, "staff")
        lane.silence()
        assert lane.journal[-1].reason.code == "paid-offline"
        lane.tell(RecordedLate(lane.asks[-1].about))
        assert lane.journal[-1].kind is Kind.REVERSAL


def test_no_second_lane_gives_a_subsidy_that_is_being_claimed() -> None:
    lane, other = Lane(), Lane()
    other.facts = lane.facts
    lane.present(LI, "staff")
    other.buy(LI, "staff")
    assert other.money().funds == {"account": 1500}


def test_limits_refuse_with_what_they_are_and_bind_each_person_alone() -> None:
    lane = Lane(limits={"period_meals": 1, "day_meals": 2, "day_fen": 3000})
    lane.buy()
    lane.present()
    lane.buy(WANG)
    lane.facts.now_ms += 6 * HOUR_MS
    lane.buy()
    lane.facts.now_ms += 13 * HOUR_MS
    lane.buy()
    refused = [code for kind, code in lane.kinds() if kind is Kind.DECISION]
    assert refused == ["meals-taken"]
    assert lane.money().business_date == "20261124"
    spent = Lane(limits={"day_fen": 2999})
    spent.buy()
    spent.present()
    assert spent.kinds()[-1] == (Kind.DECISION, "day-spent")
    often = Lane(limits={"day_meals": 1})
    often.buy()
    often.present()
    assert often.kinds()[-1] == (Kind.DECISION, "day-meals-taken")


def test_between_meals_nobody_pays() -> None:
    lane = Lane()
    lane.facts.now_ms += 3 * HOUR_MS
    lane.present()
    assert lane.kinds() == [(Kind.DECISION, "no-meal-now")]
    lane.tell(AmountEntered(5))
    assert lane.said.startswith("No meal is served now")


def test_a_supper_after_midnight_belongs_to_the_day_before() -> None:
    lane = Lane(
        meals={"day_starts": "04:00", "periods": [{"name": "night", "from": "00:00", "to": "04:00", "price_fen": 1}]},
        subsidies=[],
    )
    lane.facts.now_ms += 13 * HOUR_MS
    lane.buy()
    assert lane.money().business_date == "20261123"


def test_what_is_sold_offline_is_said_to_be_safe() -> None:
    lane = Lane()
    lane.present(LI, "staff")
    lane.silence()
    assert lane.said == "Paid: 15.00 yuan (subsidy 10.00, account 5.00); sold offline, and safely recorded; no. 1"


def test_the_same_card_again_while_it_pays_waits_and_just_after_is_not_charged_twice() -> None:
    lane = Lane(double_tap_ms=5_000)
    lane.present()
    lane.present()
    assert (lane.shown[-1].tone, len(lane.journal)) == (Tone.WAIT, 1)
    lane.present(WANG)
    assert lane.kinds()[-1] == (Kind.DECISION, "busy")
    lane.agree()
    lane.tell(Rejected(Reason.CARD_REMOVED))
    lane.present()
    assert lane.kinds()[-1] == (Kind.DECISION, "just-paid")
    assert [kind for kind, _ in lane.kinds()].count(Kind.PAYMENT) == 1


def test_after_a_power_cut_the_screen_says_what_the_last_payment_was() -> None:
    lane = Lane()
    lane.buy()
    lane.tell(Restarted())
    assert lane.said == "The last payment was made: 15.00 yuan"


# With a keypad -------------------------------------------------------------------------------------------------------


def test_amount_first_or_card_first_the_same_is_paid() -> None:
    for first in ("amount", "card"):
        lane = Lane(pricing="keypad")
        if first == "amount":
            lane.tell(AmountEntered(1250))
            assert lane.said == "Please pay 12.50 yuan"
            lane.present(LI, "staff")
        else:
            lane.present(LI, "staff")
            assert (lane.said, lane.journal) == ("Please enter the amount", [])
            lane.tell(AmountEntered(1250))
        lane.agree()
        assert lane.kinds() == [ASKED, PAID]
        assert lane.money().funds == {"subsidy": 1000, "account": 250}


@pytest.mark.parametrize("end", ["timer", "zero", "letters", "restart"])
def test_a_card_that_waits_for_its_amount_does_not_wait_for_ever(end: str) -> None:
    lane = Lane(pricing="keypad")
    lane.present()
    (timer,) = lane.timers
    match end:
        case "timer":
            lane.tell(TimerFired(WAITING_TIMER, b"stale"))
            assert lane.state.waiting is not None
            lane.tell(TimerFired(timer.name, timer.about))
        case "zero":
            lane.tell(AmountEntered(0))
        case "letters":
            lane.tell(AmountRefused(AmountProblem.UNREADABLE))
        case "restart":
            lane.tell(Restarted())
    lane.tell(AmountEntered(1250))
    assert (lane.said, lane.journal) == ("Please pay 12.50 yuan", [])


def test_a_code_is_not_kept_but_shown_when_the_amount_stands() -> None:
    lane = Lane(pricing="keypad")
    lane.present(evidence=b"code", presentation=b"showing")
    assert lane.kinds() == [(Kind.DECISION, "no-amount")]
    assert lane.state.waiting is None


def test_an_amount_that_was_declined_stays_for_another_card() -> None:
    lane = Lane(pricing="keypad")
    lane.tell(AmountEntered(700))
    lane.present()
    lane.tell(Answered(lane.asks[-1].about, Declined("insufficient-funds")))
    lane.buy(WANG)
    assert lane.money().amount_fen == 700


# By count ------------------------------------------------------------------------------------------------------------


def test_a_counted_meal_is_recorded_and_asks_nobody() -> None:
    lane = Lane(pricing="count", limits={"period_meals": 1})
    lane.present()
    (record,) = lane.journal
    assert (record.kind, record.reason.code) == (Kind.COUNTER, "meal-counted")
    public = {"period": "lunch", "business_date": "20261123", "meals": 1}
    assert (record.public, record.money, lane.asks) == (public, None, [])
    lane.present()
    assert lane.kinds()[-1] == (Kind.DECISION, "meals-taken")
    lane.tell(AmountEntered(5))
    assert lane.said == "Meals are counted here; no amount is taken"


def test_a_count_that_the_disk_took_too_late_is_taken_back() -> None:
    lane = Lane(pricing="count", limits={"period_meals": 1}, double_tap_ms=5_000)
    lane.present()
    lane.tell(RecordedLate(lane.journal[0].id))
    assert lane.kinds()[-1] == (Kind.COUNTER, "meal-not-counted")
    assert lane.journal[-1].refers_to == lane.journal[0].id
    lane.present()
    assert lane.kinds()[-1] == (Kind.COUNTER, "meal-counted")


# Settings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "en"),
    [
        ({"meals": {"periods": [{"name": "lunch", "from": "11:00", "to": "14:00"}]}}, "lunch needs a price_fen"),
        ({"subsidies": [{"for": "staff", "meal_fen": 1, "periods": ["supper"]}]}, "names supper"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_what_is_missing(changes: dict[str, Any], en: str) -> None:
    with pytest.raises(ValidationError) as caught:
        CanteenSettings.model_validate(SETTINGS | changes)
    assert en in caught.value.errors()[0]["ctx"]["en"]
