"""Orders of things from a price list: by piece and weight, of one version of it, and only while it is in force."""

from __future__ import annotations

from typing import Any

import pytest

from profiles.amounts import FunctionKey, KeyPressed, Weighed
from profiles.api import AmountEntered, TimerFired
from profiles.canteen_settings import CanteenSettings
from profiles.ordering import WEIGHT_TIMER
from profiles.published import Item, Per, Prices
from profiles.reasons import Sentence
from tests.profiles.canteens import SETTINGS, Lane

RICE = Item("12", Sentence("米饭", "Rice"), 150)
BUFFET = Item("20", Sentence("自选菜", "Buffet"), 3_600, Per.KILOGRAM)


class Kitchen(Lane):
    """A canteen whose prices are a signed list's."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(**{"pricing": "dishes", "price_list": {"bundle": "canteen-1"}} | changes)
        self.publish(1)

    def publish(self, version: int, *items: Item) -> None:
        self.facts.price_lists["canteen-1"] = Prices("canteen-1", version, {i.code: i for i in items or (RICE, BUFFET)})

    def dish(self, number: int) -> None:
        self.tell(KeyPressed(FunctionKey.DISH, number))

    def type_grams(self, grams: int) -> None:
        self.tell(KeyPressed(FunctionKey.WEIGHT, grams))


def test_things_by_piece_and_weight_are_summed_and_the_record_names_them_and_the_version_of_their_prices() -> None:
    lane = Kitchen()
    lane.dish(12)
    lane.type_grams(350)
    lane.dish(20)
    assert lane.said == "Buffet 350 g: 12.60; please pay 14.10 yuan"
    lane.buy()
    assert lane.money().amount_fen == 1_410
    assert {name: lane.journal[0].public[name] for name in ("items", "price_list")} == {
        "items": "12,20:350g",
        "price_list": "canteen-1/1",
    }


def test_the_scale_weighs_what_nobody_typed_and_only_while_it_says_so() -> None:
    lane = Kitchen()
    lane.dish(20)
    assert lane.said == "Sold by weight; please weigh it: on the scale, or by its grams and the weight key"
    lane.tell(Weighed(500))
    first = lane.timers[-1]
    lane.dish(20)
    assert lane.said == "Buffet 500 g: 18.00; please pay 18.00 yuan"
    lane.tell(Weighed(500))
    lane.tell(TimerFired(WEIGHT_TIMER, first.about))
    lane.dish(20)
    assert lane.said.endswith("please pay 36.00 yuan"), "it was said again since"
    lane.tell(TimerFired(WEIGHT_TIMER, lane.timers[-2].about))
    lane.dish(20)
    assert "please weigh it" in lane.said, "a scale that fell silent weighs nothing"
    lane.tell(Weighed(0))
    lane.dish(20)
    assert "please weigh it" in lane.said


def test_the_typed_weight_goes_before_the_scales_and_counts_once() -> None:
    lane = Kitchen()
    lane.tell(Weighed(500))
    lane.type_grams(100)
    lane.dish(20)
    lane.dish(20)
    assert lane.said == "Buffet 500 g: 18.00; please pay 21.60 yuan"


@pytest.mark.parametrize("grams", [0, -1, 30_001, 99_999_999])
def test_a_weight_that_nothing_has_is_refused(grams: int) -> None:
    lane = Kitchen()
    lane.type_grams(grams)
    assert lane.said == "Please enter 1 to 30000 grams"
    assert lane.state.order is None


def test_what_weighs_too_little_to_cost_anything_is_weighed_again() -> None:
    lane = Kitchen()
    lane.publish(1, Item("20", Sentence("葱", "Chives"), 100, Per.KILOGRAM))
    lane.type_grams(4)
    lane.dish(20)
    assert lane.said == "It weighs too little; please weigh it again"


def test_grams_alone_are_nothing_to_pay() -> None:
    lane = Kitchen()
    lane.type_grams(400)
    lane.tell(KeyPressed(FunctionKey.PAY))
    assert lane.said == "Nothing is to be paid now; please enter it again"
    lane.present(evidence=b"code")
    assert lane.journal[-1].reason.code == "no-amount"
    lane.tell(AmountEntered(0))
    assert lane.state.order is None


def test_an_order_is_of_one_version_of_the_prices() -> None:
    lane = Kitchen()
    lane.dish(12)
    lane.publish(2)
    lane.dish(12)
    assert lane.said == "The price list has changed; please type the order again"
    lane.dish(12)
    lane.buy()
    assert (lane.money().amount_fen, lane.journal[0].public["price_list"]) == (150, "canteen-1/2")


def test_without_the_list_in_force_nothing_has_a_price_and_the_journal_says_so() -> None:
    lane = Kitchen()
    lane.facts.price_lists.clear()
    lane.dish(12)
    assert lane.journal[-1].reason.code == "no-price-list"
    assert lane.said == "There is no price list in force; please call the technician"
    assert lane.state.order is None


def test_an_order_has_a_bound_of_lines() -> None:
    lane = Kitchen()
    for _ in range(41):
        lane.dish(12)
    assert lane.said.startswith("This is too much")
    lane.buy()
    assert lane.money().amount_fen == 40 * 150


@pytest.mark.parametrize(
    "prices", [{"bundle": "a", "dishes": [{"number": 1, "price_fen": 1}]}, {"bundle": "A"}, {"bundle": ""}]
)
def test_a_price_has_one_source(prices: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="price_list"):
        CanteenSettings.model_validate(SETTINGS | {"pricing": "dishes", "price_list": prices})
