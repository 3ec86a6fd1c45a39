"""Subsidies: so many meals a period and person, the subsidy pays first, and every split sums to its amount."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from profiles.api import Assurance, Credential, Subject
from profiles.rules.funds import ACCOUNT
from profiles.rules.subsidy import Subsidy, claimed, share_back, split, subsidy_of
from tests.profiles.facts import HeldFacts

DATE = "20261123"
FEN = st.integers(min_value=1, max_value=10_000_000)


def subsidy(**changes: Any) -> Subsidy:
    return Subsidy.model_validate({"for": "staff", "meal_fen": 1000} | changes)


def who(name: bytes, *entitlements: str, provisional: bool = False) -> Credential:
    return Credential(
        medium=name.ljust(16),
        subject=Subject("city", name.ljust(16), provisional),
        source="social-security",
        assurance=Assurance.READ,
        entitlements=frozenset(entitlements),
    )


def test_the_first_that_fits_pays_and_nobody_elses_does() -> None:
    facts = HeldFacts()
    rules = (subsidy(periods=["dinner"]), subsidy(fund="union", periods=["lunch"]), subsidy())
    staff = who(b"li", "staff")
    assert subsidy_of(rules, staff, "lunch", DATE, facts) == rules[1]
    assert subsidy_of(rules, staff, "breakfast", DATE, facts) == rules[2]
    assert subsidy_of(rules, who(b"li", "visitor"), "lunch", DATE, facts) is None
    assert subsidy_of(rules, who(b"li", "staff", provisional=True), "lunch", DATE, facts) is None


@given(st.integers(1, 3), st.lists(st.sampled_from(["li", "wang", "back-li", "dinner-li"]), max_size=12))
def test_nobody_has_more_subsidised_meals_a_period_than_the_rule_says(meals: int, script: list[str]) -> None:
    facts, rules = HeldFacts(), (subsidy(meals=meals),)
    had: dict[tuple[str, str], int] = {}
    for word in script:
        name = word.rpartition("-")[2]
        period = "dinner" if word.startswith("dinner") else "lunch"
        person, step = who(name.encode(), "staff"), -1 if word.startswith("back") else 1
        before = had.get((name, period), 0)
        if step > 0:
            assert (subsidy_of(rules, person, period, DATE, facts) is not None) == (before < meals)
            if before >= meals:
                continue
        mark = claimed(person.subject, period, DATE, facts.now_ms + 1, facts, meals=step)
        facts.marks[mark.scope, mark.key] = mark
        had[name, period] = max(0, before + step)
    tomorrow = subsidy_of(rules, who(b"li", "staff"), "lunch", "20261124", facts)
    assert tomorrow == rules[0], "another business date has its own meals"


def test_the_subsidy_pays_first_and_the_account_the_rest() -> None:
    assert split(1500, subsidy()) == {"subsidy": 1000, ACCOUNT: 500}
    assert split(800, subsidy()) == {"subsidy": 800}
    assert split(1500, None) == {ACCOUNT: 1500}


@given(FEN, st.none() | FEN)
def test_every_split_sums_to_its_amount_with_every_share_above_zero(amount_fen: int, meal_fen: int | None) -> None:
    shares = split(amount_fen, None if meal_fen is None else subsidy(meal_fen=meal_fen))
    assert sum(shares.values()) == amount_fen
    assert min(shares.values()) > 0


@given(FEN, FEN, st.lists(FEN, max_size=8))
def test_what_goes_back_in_parts_restores_each_fund_and_no_more_and_the_account_first(
    amount_fen: int, meal_fen: int, parts: list[int]
) -> None:
    left = split(amount_fen, subsidy(meal_fen=meal_fen))
    for part_fen in (*parts, amount_fen):
        back_fen = min(part_fen, sum(left.values()))
        back = share_back(left, back_fen)
        assert sum(back.values()) == back_fen
        left = {fund: paid_fen - back.get(fund, 0) for fund, paid_fen in left.items()}
        assert min(left.values()) >= 0
        assert "subsidy" not in back or not left.get(ACCOUNT)
    with pytest.raises(ValueError, match="more than was paid"):
        share_back(left, 1)


@pytest.mark.parametrize("amount_fen", [-1, 1501])
def test_more_than_was_paid_or_less_than_nothing_never_goes_back(amount_fen: int) -> None:
    with pytest.raises(ValueError, match="more than was paid"):
        share_back({"subsidy": 1000, ACCOUNT: 500}, amount_fen)


@pytest.mark.parametrize("changes", [{"fund": "account"}, {"meal_fen": 0}, {"meals": 0}, {"for": "Staff"}])
def test_a_subsidy_that_cannot_be_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        subsidy(**changes)
