"""Meal periods, prices and the business date: every moment has at most one period and exactly one date."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from profiles.rules.meals import MealPeriod, Meals

DAY: list[dict[str, Any]] = [
    {"name": "breakfast", "from": "06:30", "to": "09:00", "price_fen": 500},
    {"name": "lunch", "from": "11:00", "to": "13:30", "price_fen": 1500, "prices_fen": {"staff": 1200, "senior": 900}},
    {"name": "late", "from": "21:00", "to": "00:00"},
]
CUTS = st.integers(min_value=0, max_value=24 * 60)


def meals(**changes: Any) -> Meals:
    return Meals.model_validate({"periods": DAY} | changes)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-23T{text}").replace(tzinfo=UTC)


def said(value: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        Meals.model_validate(value)
    (error,) = caught.value.errors()
    assert error["type"] == "said"
    return error["ctx"]


def hhmm(minute: int) -> str:
    return f"{minute // 60 % 24:02d}:{minute % 60:02d}"


@pytest.mark.parametrize(
    ("moment", "name"),
    [
        ("06:29:59.999", None),
        ("06:30", "breakfast"),
        ("08:59:59.999", "breakfast"),
        ("09:00", None),
        ("12:00", "lunch"),
        ("23:59:59.999", "late"),
        ("00:00", None),
    ],
)
def test_a_period_begins_with_its_first_moment_and_ends_before_its_last(moment: str, name: str | None) -> None:
    period = meals().at(at(moment))
    assert (None if period is None else period.name) == name


def test_the_first_special_price_that_fits_counts_and_everybody_else_pays_the_common_one() -> None:
    lunch = meals().periods[1]
    assert lunch.price(frozenset()) == 1500
    assert lunch.price(frozenset({"senior"})) == 900
    assert lunch.price(frozenset({"senior", "staff"})) == 1200
    assert meals().periods[2].price(frozenset({"staff"})) is None


def test_a_guest_pays_the_guests_price_or_what_everybody_pays() -> None:
    assert meals().periods[1].guest_price_fen == 1500
    assert MealPeriod.model_validate(DAY[1] | {"guest_fen": 2500}).guest_price_fen == 2500


@pytest.mark.parametrize(
    ("periods", "zh", "en"),
    [
        ([], "至少", "at least one"),
        ([{"name": "night", "from": "22:00", "to": "02:00"}], "零点", "midnight"),
        ([{"name": "none", "from": "12:00", "to": "12:00"}], "零点", "midnight"),
        ([DAY[0], {"name": "brunch", "from": "08:59", "to": "11:00"}], "重叠", "breakfast and brunch overlap"),
        ([{"name": "all", "from": "00:00", "to": "00:00"}, DAY[0]], "重叠", "all and breakfast overlap"),
        ([DAY[0], DAY[0] | {"from": "10:00", "to": "11:00"}], "两个", "two periods are called breakfast"),
        ([{"name": "x", "from": "10:00", "to": "11:00", "prices_fen": {"staff": 1}}], "price_fen", "price_fen"),
        ([{"name": "x", "from": 720, "to": "13:00"}], "加引号", "in quotes"),
        ([{"name": "x", "from": "24:00", "to": "13:00"}], "加引号", "in quotes"),
        ([{"name": "x", "from": "12:00+08:00", "to": "13:00"}], "加引号", "in quotes"),
    ],
)
def test_what_cannot_be_a_day_of_meals_is_refused_with_what_is_wrong(
    periods: list[dict[str, Any]], zh: str, en: str
) -> None:
    context = said({"periods": periods})
    assert zh in context["zh"]
    assert en in context["en"]


def test_the_business_date_cannot_change_in_the_middle_of_a_meal() -> None:
    assert "breakfast" in said({"periods": DAY, "day_starts": "08:00"})["en"]
    assert meals(day_starts="06:30").business_date(at("06:29")) == "20261122"


@pytest.mark.parametrize("price", [0, -1, 10_000_001, "12", 12.5, True])
def test_a_price_is_a_whole_number_of_fen_within_bounds(price: object) -> None:
    with pytest.raises(ValidationError):
        MealPeriod.model_validate(DAY[0] | {"price_fen": price})


@given(st.lists(CUTS, min_size=2, max_size=8, unique=True).map(sorted), CUTS)
def test_periods_that_only_touch_are_accepted_and_every_moment_has_at_most_one(cuts: list[int], minute: int) -> None:
    periods = [
        {"name": f"p{number}", "from": hhmm(start), "to": hhmm(end)}
        for number, (start, end) in enumerate(pairwise(cuts))
    ]
    day = Meals.model_validate({"periods": periods})
    moment = minute % (24 * 60)
    holding = [period.name for period in day.periods if period.holds(time(moment // 60, moment % 60))]
    inside = [f"p{n}" for n, (start, end) in enumerate(pairwise(cuts)) if start <= moment < end]
    assert holding == inside


@given(st.integers(0, 6 * 60 + 30), st.integers(min_value=0, max_value=3 * 86_400_000))
def test_a_business_date_lasts_a_day_and_ends_when_it_says(cut: int, offset_ms: int) -> None:
    day = meals(day_starts=hhmm(cut))
    moment = at("00:00") + timedelta(milliseconds=offset_ms)
    date, left = day.business_date(moment), timedelta(milliseconds=day.day_left_ms(moment))
    assert timedelta() < left <= timedelta(days=1)
    assert day.business_date(moment + left - timedelta(milliseconds=1)) == date
    following = datetime.strptime(date, "%Y%m%d").replace(tzinfo=UTC) + timedelta(days=1)
    assert day.business_date(moment + left) == following.strftime("%Y%m%d")
