"""A counter's cashier: who may sign in, what a shift's last record says, and what goes back of which sale."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from profiles.amounts import NO_SUCH_KEY, AmountProblem, AmountRefused, FunctionKey, KeyPressed
from profiles.api import AmountEntered, Kind, Record, RecordedLate, Restarted, TimerFired, Tone
from profiles.canteen_settings import CanteenSettings
from profiles.counter import SIGN_OUT_TIMER
from profiles.counter_state import SALES_KEPT
from profiles.ordering import ORDER_TIMER
from profiles.questions import Answered, Declined
from tests.profiles.canteens import CHIEF, HOUR_MS, LI, OPERATOR, SETTINGS, WANG, Lane

OPERATORS = {"operators": {"entitlements": ["cashier"]}}
VOID, REFUND, SHIFT = FunctionKey.VOID, FunctionKey.REFUND, FunctionKey.SHIFT


class Counter(Lane):
    """A canteen with a cashier."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(**OPERATORS | changes)

    def key(self, key: FunctionKey, number: int | None = None) -> None:
        self.tell(KeyPressed(key, number))

    def sign(self, who: bytes = OPERATOR) -> None:
        self.key(FunctionKey.OPERATOR)
        self.present(who, "cashier")

    def counter(self) -> list[str]:
        return [record.reason.code for record in self.book if record.kind is Kind.COUNTER]

    def report(self) -> Record:
        """The last shift's."""
        return [record for record in self.book if record.reason.code == "shift-closed"][-1]


def test_a_cashiers_card_signs_in_and_out_and_nobody_elses_does() -> None:
    lane = Counter()
    lane.key(FunctionKey.OPERATOR)
    assert lane.said == "Cashier, please present your card"
    lane.present(LI)
    assert lane.kinds() == [(Kind.DECISION, "not-a-cashier")]
    lane.sign()
    assert lane.state.operator is not None
    lane.buy(LI)
    assert lane.money().operator == f"city:{OPERATOR.hex()}"
    lane.sign(CHIEF)
    assert lane.state.operator.id == CHIEF, "whoever signs in takes over"
    lane.sign(CHIEF)
    assert lane.counter() == ["signed-in", "shift-opened", "signed-in", "signed-out"]
    lane.buy(LI)
    assert lane.money().operator is None


def test_a_cashiers_card_buys_a_meal_unless_the_key_was_pressed_just_before() -> None:
    lane = Counter()
    lane.key(FunctionKey.OPERATOR)
    (timer,) = lane.timers
    lane.tell(TimerFired(timer.name, b"stale"))
    assert lane.state.pending is not None
    lane.tell(TimerFired(timer.name, timer.about))
    lane.buy(OPERATOR, "cashier")
    assert lane.kinds()[-1] == (Kind.PAYMENT, "paid")


def test_where_a_cashier_has_to_be_there_nothing_is_sold_before() -> None:
    lane = Counter(attended=True)
    lane.present()
    assert lane.kinds() == [(Kind.DECISION, "nobody-at-the-till")]
    lane.sign()
    lane.buy()
    lane.tell(Restarted())
    lane.present()
    assert lane.kinds()[-1] == (Kind.DECISION, "nobody-at-the-till"), "a restart signs out"


def test_a_void_gives_all_of_a_sale_back_with_the_meal() -> None:
    lane = Counter(limits={"period_meals": 1})
    lane.buy(LI, "staff")
    assert lane.said.endswith("; no. 1")
    lane.sign()
    lane.key(VOID, 1)
    money = lane.money()
    assert lane.kinds()[-1] == (Kind.REVERSAL, "voided")
    assert (money.amount_fen, money.funds) == (-1500, {"subsidy": -1000, "account": -500})
    assert money.operator == f"city:{OPERATOR.hex()}"
    assert lane.said == "No. 1: 15.00 yuan were given back (subsidy 10.00, account 5.00)"
    lane.key(VOID, 1)
    assert lane.kinds()[-1] == (Kind.DECISION, "sale-returned")
    lane.buy(LI, "staff")
    assert lane.money().funds == {"subsidy": 1000, "account": 500}


def test_refunds_restore_the_holders_share_first_and_sum_to_no_more_than_was_paid() -> None:
    lane = Counter()
    lane.buy(LI, "staff")
    lane.sign()
    shares = []
    for amount_fen in (400, 300, 801, 800):
        lane.key(REFUND, 1)
        lane.tell(AmountEntered(amount_fen))
        shares.append((lane.kinds()[-1][1], lane.journal[-1].money and lane.journal[-1].money.funds))
    assert shares == [
        ("refunded", {"account": -400}),
        ("refunded", {"account": -100, "subsidy": -200}),
        ("refund-too-much", None),
        ("refunded", {"subsidy": -800}),
    ]
    lane.key(REFUND, 1)
    assert lane.kinds()[-1] == (Kind.DECISION, "sale-returned")
    intents = {record.money.intent_id for record in lane.journal if record.money is not None}
    assert len(intents) == 1


def test_a_refund_that_the_disk_took_too_late_stands_and_the_cashier_hears_of_it() -> None:
    lane = Counter()
    lane.buy(LI, "staff")
    lane.sign()
    lane.key(REFUND, 1)
    lane.tell(AmountEntered(400))
    before = len(lane.journal)
    lane.tell(RecordedLate(lane.journal[-1].refers_to or b""))
    assert lane.said == "no. 1: 15.00 yuan, returned 4.00"
    assert len(lane.journal) == before


def test_a_void_after_a_refund_gives_back_what_is_left() -> None:
    lane = Counter()
    lane.buy()
    lane.sign()
    lane.key(REFUND, 1)
    assert lane.said == "No. 1: enter the refund, at most 15.00 yuan"
    lane.tell(AmountEntered(600))
    lane.key(VOID, 1)
    assert (lane.kinds()[-1], lane.money().amount_fen) == ((Kind.REFUND, "refunded"), -900)


@pytest.mark.parametrize(
    ("who", "number", "reason"),
    [
        (None, 1, "nobody-at-the-till"),
        (OPERATOR, 2, "sale-unknown"),
        (OPERATOR, None, "sale-unknown"),
        (LI, 1, "own-sale"),
    ],
)
@pytest.mark.parametrize("key", [VOID, REFUND])
def test_who_may_not_give_back_or_names_no_sale_is_told_so(
    key: FunctionKey, who: bytes | None, number: int | None, reason: str
) -> None:
    lane = Counter()
    lane.buy(LI)
    if who is not None:
        lane.sign(who)
    lane.key(key, number)
    assert lane.kinds()[-1] == (Kind.DECISION, reason)
    assert lane.state.pending is None


def test_a_slip_of_the_finger_is_typed_again_and_is_no_price_for_whoever_comes_next() -> None:
    lane = Counter(pricing="keypad")
    lane.tell(AmountEntered(1500))
    lane.buy()
    lane.sign()
    lane.key(REFUND, 1)
    for slip in (AmountRefused(AmountProblem.UNREADABLE), AmountEntered(1501)):
        lane.tell(slip)
        assert lane.state.awaits_refund
    lane.tell(AmountEntered(200))
    assert (lane.kinds()[-1], lane.money().amount_fen) == ((Kind.REFUND, "refunded"), -200)
    assert not lane.state.awaits_refund


@pytest.mark.parametrize("end", ["zero", "key", "timer", "restart"])
def test_a_refund_that_is_not_typed_is_not_made_and_the_next_amount_is_none(end: str) -> None:
    lane = Counter(pricing="keypad")
    lane.tell(AmountEntered(1500))
    lane.buy()
    lane.sign()
    lane.key(REFUND, 1)
    match end:
        case "zero":
            lane.tell(AmountEntered(0))
        case "key":
            lane.key(FunctionKey.SALES)
        case "timer":
            lane.tell(TimerFired(lane.timers[-1].name, lane.timers[-1].about))
        case "restart":
            lane.tell(Restarted())
    lane.tell(AmountEntered(700))
    assert lane.said == "Please pay 7.00 yuan"
    assert lane.kinds()[-1] == (Kind.PAYMENT, "paid")


def test_whoever_comes_while_the_cashier_types_is_served() -> None:
    lane = Counter(pricing="keypad")
    lane.tell(AmountEntered(1500))
    lane.buy()
    lane.key(FunctionKey.OPERATOR)
    lane.tell(AmountEntered(700))
    assert lane.said == "Please pay 7.00 yuan"
    lane.present(OPERATOR, "cashier")
    lane.key(REFUND, 1)
    lane.present(WANG)
    assert lane.kinds()[-1] == (Kind.ASKED, "asked")
    assert lane.money().amount_fen == 700
    lane.agree()
    lane.tell(AmountEntered(100))
    assert lane.kinds()[-1] == (Kind.REFUND, "refunded")


def test_what_was_sold_offline_today_leaves_the_ceiling_when_it_goes_back_and_yesterdays_does_not() -> None:
    lane = Counter(offline={"subject_fen": 3000, "payment_fen": 3000})
    lane.present()
    lane.silence()
    lane.sign(OPERATOR)
    lane.key(VOID, 1)
    for _ in range(2):
        lane.present()
        lane.silence()
        assert lane.kinds()[-1] == (Kind.PAYMENT, "paid-offline")
    lane.facts.now_ms += 24 * HOUR_MS
    for _ in range(2):
        lane.present()
        lane.silence()
    lane.key(VOID, 2)
    lane.present()
    lane.silence()
    assert lane.kinds()[-1] == (Kind.REVERSAL, "offline-ceiling")


def test_a_shifts_last_record_has_its_sums_and_signs_out() -> None:
    lane = Counter()
    lane.sign()
    lane.key(SHIFT)
    lane.buy(LI, "staff")
    lane.present(WANG)
    lane.silence()
    lane.present(WANG)
    lane.tell(Restarted())
    lane.sign()
    lane.key(REFUND, 1)
    lane.tell(AmountEntered(300))
    lane.key(SHIFT)
    assert lane.report().public == {
        "shift": "20261123-1",
        "business_date": "20261123",
        "net_fen": 2700,
        "sales": 2,
        "sold_fen": 3000,
        "offline": 1,
        "offline_fen": 1500,
        "returns": 1,
        "returned_fen": 300,
        "counted": 0,
        "from_account_fen": 1700,
        "from_subsidy_fen": 1000,
    }
    assert lane.said.startswith("Shift 20261123-1: 2 sales 30.00 yuan, 1 of them offline; 1 return 3.00 yuan")
    assert (lane.state.operator, lane.state.shift) == (None, None)
    assert lane.counter() == ["signed-in", "shift-opened", "signed-in", "shift-closed"]


def test_a_shift_ends_with_its_business_date_and_what_goes_back_later_is_the_next_ones() -> None:
    lane = Counter()
    lane.buy()
    lane.facts.now_ms += 24 * HOUR_MS
    lane.sign()
    lane.key(VOID, 1)
    money = lane.money()
    assert (money.shift, money.business_date) == ("20261124-2", "20261124")
    assert lane.report().public["net_fen"] == 1500
    lane.key(SHIFT)
    assert lane.report().public["net_fen"] == -1500
    assert "total -15.00 yuan" in lane.said


def test_no_shift_ends_while_somebody_is_paying_and_nobody_but_a_cashier_ends_one() -> None:
    lane = Counter()
    lane.key(SHIFT)
    assert lane.kinds() == [(Kind.DECISION, "nobody-at-the-till")]
    lane.sign()
    lane.present()
    lane.key(SHIFT)
    lane.key(VOID, 1)
    assert "shift-closed" not in lane.counter()
    assert lane.kinds()[-1] == (Kind.DECISION, "busy")


def test_a_payment_that_the_disk_took_too_late_is_a_return_in_the_shifts_sums() -> None:
    lane = Counter()
    lane.buy()
    lane.tell(RecordedLate(lane.asks[-1].about))
    lane.sign()
    lane.key(SHIFT)
    report = lane.report().public
    assert (report["sold_fen"], report["returned_fen"], report["net_fen"]) == (1500, 1500, 0)


def test_the_last_five_sales_are_on_the_screen_also_after_power_cuts() -> None:
    lane = Counter(pricing="keypad", operators={"entitlements": ["cashier"]})
    lane.key(FunctionKey.SALES)
    assert lane.said == "There are no sales yet"
    for number in range(1, SALES_KEPT + 3):
        lane.tell(AmountEntered(100 * number))
        lane.buy()
    for _ in range(2):
        lane.tell(Restarted())
    assert lane.said.split("; ") == [f"no. {number}: {number}.00 yuan" for number in (22, 21, 20, 19, 18)]
    assert lane.shown[-1].tone is Tone.WAIT
    assert len(lane.state.sales) == SALES_KEPT


# What a canteen's cashier types --------------------------------------------------------------------------------------


def test_dishes_are_summed_and_paid_amount_first_or_card_first() -> None:
    dishes = {"dishes": [{"number": 1, "price_fen": 1200}, {"number": 12, "price_fen": 300}]}
    for first in ("amount", "card"):
        lane = Counter(pricing="dishes", price_list=dishes)
        if first == "card":
            lane.present()
        for number in (12, 1, 12, 99):
            lane.key(FunctionKey.DISH, number)
        assert lane.said == "Nothing has the number 99; please enter it again"
        assert lane.journal == []
        lane.key(FunctionKey.PAY)
        if first == "amount":
            assert lane.said == "Please pay 18.00 yuan"
            lane.present()
        lane.agree()
        assert lane.money().amount_fen == 1800
        assert lane.journal[0].public["items"] == "12,1,12"
        lane.key(FunctionKey.PAY)
        assert lane.said == "Nothing is to be paid now; please enter it again"


def test_an_order_of_dishes_has_a_bound_and_is_taken_back_by_0() -> None:
    lane = Counter(pricing="dishes", price_list={"dishes": [{"number": 1, "price_fen": 10_000_000}]})
    lane.key(FunctionKey.DISH, 1)
    lane.key(FunctionKey.DISH, 1)
    assert lane.shown[-1].sentence == AmountProblem.TOO_MUCH.sentence
    lane.tell(AmountEntered(5))
    assert lane.said == "Enter a dish's number and the dish key"
    lane.tell(AmountEntered(0))
    assert lane.state.order is None


def test_guests_are_the_cashiers_word_at_full_price_and_no_meals_of_the_host() -> None:
    lane = Counter(limits={"period_meals": 1})
    lane.key(FunctionKey.GUESTS, 2)
    assert lane.kinds() == [(Kind.DECISION, "nobody-at-the-till")]
    lane.sign()
    lane.buy(LI, "staff")
    lane.key(FunctionKey.GUESTS, 2)
    assert lane.said == "2 guests: Please pay 30.00 yuan"
    lane.buy(LI, "staff")
    assert (lane.money().amount_fen, lane.money().funds) == (3000, {"account": 3000})
    assert lane.journal[-2].public["guests"] == 2
    lane.present(LI, "staff")
    assert lane.kinds()[-1] == (Kind.DECISION, "meals-taken"), "his own meal was before"


@pytest.mark.parametrize(("number", "said"), [(51, "This is too much"), (0, "Nothing"), (None, "Nothing")])
def test_no_crowd_and_no_nobody_is_a_number_of_guests(number: int | None, said: str) -> None:
    lane = Counter()
    lane.sign()
    lane.key(FunctionKey.GUESTS, number)
    assert lane.said.startswith(said)
    assert lane.state.order is None


def test_a_sale_that_went_back_in_parts_gives_the_meal_back_with_the_last_one() -> None:
    lane = Counter(limits={"period_meals": 1})
    lane.buy(LI, "staff")
    lane.sign()
    lane.key(REFUND, 1)
    lane.tell(AmountEntered(1))
    lane.facts.now_ms += 10_000
    lane.present(LI, "staff")
    assert lane.kinds()[-1] == (Kind.DECISION, "meals-taken")
    lane.key(VOID, 1)
    lane.buy(LI, "staff")
    assert lane.money().funds == {"subsidy": 1000, "account": 500}


def test_guests_whom_the_host_cannot_pay_are_nobody_elses_bill() -> None:
    lane = Counter()
    lane.sign()
    lane.key(FunctionKey.GUESTS, 10)
    lane.present(LI)
    assert lane.money().amount_fen == 15_000
    asking = lane.state.asking
    assert asking is not None
    lane.tell(Answered(asking.asked_id, Declined("insufficient-funds")))
    lane.present(WANG)
    assert lane.money().amount_fen == 1_500


def test_a_canteen_without_cashiers_says_that_nobody_signs_in() -> None:
    lane = Lane()
    lane.tell(KeyPressed(FunctionKey.OPERATOR))
    assert lane.shown[-1].sentence == NO_SUCH_KEY


@pytest.mark.parametrize(
    ("changes", "en"),
    [
        ({"operators": {"everyone": True}}, "not everyone is a cashier"),
        ({"pricing": "dishes"}, "prices by dish need a price_list"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, Any], en: str) -> None:
    with pytest.raises(ValidationError) as caught:
        CanteenSettings.model_validate(SETTINGS | changes)
    assert en in caught.value.errors()[0]["ctx"]["en"]


def due(lane: Lane, name: str) -> TimerFired:
    """What the last timer of this name brings."""
    timer = [timer for timer in lane.timers if timer.name == name][-1]
    return TimerFired(timer.name, timer.about)


def test_a_cashier_who_went_away_is_signed_out_and_one_who_works_is_not() -> None:
    lane = Counter(sign_out_after_ms=60_000)
    lane.sign()
    first = due(lane, SIGN_OUT_TIMER)
    started = len(lane.timers)
    lane.buy(LI)
    assert [timer.name for timer in lane.timers[started:]] == [], "customers do not keep a cashier signed in"
    lane.key(FunctionKey.SALES)
    assert lane.timers[-1].delay_ms == 60_000, "a key does"
    lane.key(REFUND, 1)
    lane.tell(due(lane, SIGN_OUT_TIMER))
    assert not lane.state.awaits_refund
    assert lane.counter()[-1] == "signed-out-idle"
    assert lane.book[-1].refers_to == first.about
    lane.key(VOID, 1)
    assert lane.kinds()[-1] == (Kind.DECISION, "nobody-at-the-till")
    lane.sign(CHIEF)
    lane.tell(first)
    assert lane.state.operator is not None, "a timer of somebody who left before signs nobody out"


def test_where_a_cashier_has_to_be_there_each_sale_is_work() -> None:
    lane = Counter(attended=True)
    lane.sign()
    started = len(lane.timers)
    lane.buy(LI)
    assert [timer.name for timer in lane.timers[started:]] == [SIGN_OUT_TIMER]


@pytest.mark.parametrize("order", ["guests", "dishes", "amount"])
def test_an_order_that_nobody_pays_does_not_wait_for_ever(order: str) -> None:
    dishes = {"pricing": "dishes", "price_list": {"dishes": [{"number": 1, "price_fen": 1200}]}}
    settings: dict[str, dict[str, Any]] = {"guests": {}, "amount": {"pricing": "keypad"}, "dishes": dishes}
    lane = Counter(**settings[order])
    lane.sign()
    match order:
        case "guests":
            lane.key(FunctionKey.GUESTS, 2)
        case "dishes":
            lane.key(FunctionKey.DISH, 1)
        case _:
            lane.tell(AmountEntered(1_200))
    lane.tell(TimerFired(ORDER_TIMER, b"another"))
    assert "Nobody paid" not in lane.said
    lane.tell(due(lane, ORDER_TIMER))
    assert lane.state.order is None
    assert lane.said == "Nobody paid, so it was taken back; please type it again"


def test_an_order_that_a_card_could_not_pay_waits_anew_for_another() -> None:
    lane = Counter(pricing="keypad")
    lane.tell(AmountEntered(1_200))
    lane.present(WANG)
    started = len(lane.timers)
    lane.tell(Answered(lane.asks[-1].about, Declined("insufficient-funds")))
    assert [timer.name for timer in lane.timers[started:]] == [ORDER_TIMER]
    lane.tell(due(lane, ORDER_TIMER))
    assert lane.state.order is None
