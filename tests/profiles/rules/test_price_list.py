"""A price list: one price a number, and no list where two lines claim one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from profiles.rules.price_list import MAX_NUMBER, PriceList
from tests.profiles.facts import HeldFacts

NUMBERS = st.integers(1, MAX_NUMBER)
FEN = st.integers(1, 10_000_000)


@given(st.lists(st.tuples(NUMBERS, FEN), max_size=20), NUMBERS)
def test_a_list_has_each_number_once_or_is_refused(lines: list[tuple[int, int]], asked: int) -> None:
    dishes = [{"number": number, "price_fen": fen} for number, fen in lines]
    if len(dict(lines)) < len(lines):
        with pytest.raises(ValidationError) as caught:
            PriceList.model_validate({"dishes": dishes})
        context = caught.value.errors()[0]["ctx"]
        assert "两行" in context["zh"]
        assert "two lines" in context["en"]
    else:
        prices = PriceList.model_validate({"dishes": dishes})
        facts = HeldFacts()
        found = {number: prices.item(str(number), facts) for number in (asked, *dict(lines))}
        assert {number: item.price_fen for number, item in found.items() if item} == dict(lines)
        assert prices.in_force(facts) == ""


@pytest.mark.parametrize(
    "dish",
    [
        {"number": 0, "price_fen": 1},
        {"number": MAX_NUMBER + 1, "price_fen": 1},
        {"number": "12", "price_fen": 1},
        {"number": 12, "price_fen": 0},
        {"number": 12, "price_fen": -5},
        {"number": 12, "price_fen": 10_000_001},
        {"number": 12, "price_fen": "x"},
        {"number": 12},
    ],
)
def test_a_line_that_is_no_dish_is_refused(dish: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PriceList.model_validate({"dishes": [dish]})
