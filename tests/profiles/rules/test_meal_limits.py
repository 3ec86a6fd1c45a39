"""Limits of meals and money: whatever is taken and given back, no limit is passed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from profiles.api import Subject
from profiles.rules.meal_limits import Limit, MealLimits, taken
from tests.profiles.facts import HeldFacts

LI, WANG = Subject("city", b"l" * 16), Subject("city", b"w" * 16)
DATE = "20261123"
DAY_MS = 86_400_000


def take(facts: HeldFacts, subject: Subject, period: str, amount_fen: int, meals: int = 1, date: str = DATE) -> None:
    for mark in taken(subject, period, date, facts.now_ms + DAY_MS, facts, amount_fen=amount_fen, meals=meals):
        facts.marks[mark.scope, mark.key] = mark


def test_each_limit_says_which_it_is() -> None:
    facts, limits = HeldFacts(), MealLimits(period_meals=1, day_meals=2, day_fen=2000)
    assert limits.reached(LI, "lunch", DATE, facts, amount_fen=2001) is Limit.DAY_FEN
    take(facts, LI, "lunch", 900)
    assert limits.reached(LI, "lunch", DATE, facts) is Limit.PERIOD_MEALS
    assert limits.reached(LI, "dinner", DATE, facts, amount_fen=1100) is None
    take(facts, LI, "dinner", 1100)
    assert limits.reached(LI, "late", DATE, facts) is Limit.DAY_MEALS
    assert limits.reached(WANG, "lunch", DATE, facts, amount_fen=2000) is None
    assert limits.reached(LI, "lunch", "20261124", facts) is None


def test_without_limits_nothing_is_reached() -> None:
    facts = HeldFacts()
    take(facts, LI, "lunch", 10_000_000, meals=100)
    assert MealLimits().reached(LI, "lunch", DATE, facts, amount_fen=10_000_000, meals=100) is None


WANTED = st.tuples(st.sampled_from([LI, WANG]), st.sampled_from(["lunch", "dinner"]), st.integers(1, 1500))


@given(st.lists(WANTED | st.just("back"), max_size=30))
def test_whatever_is_wanted_and_given_back_nobody_passes_a_limit(script: list[object]) -> None:
    facts, limits = HeldFacts(), MealLimits(period_meals=2, day_meals=3, day_fen=3000)
    had: list[tuple[Subject, str, int]] = []
    for want in script:
        if want == "back":
            if had:
                subject, period, amount_fen = had.pop()
                take(facts, subject, period, -amount_fen, meals=-1)
            continue
        assert isinstance(want, tuple)
        subject, period, amount_fen = want
        mine = [(each, fen) for who, each, fen in had if who == subject]
        fits = (
            sum(each == period for each, _ in mine) < 2
            and len(mine) < 3
            and sum(fen for _, fen in mine) + amount_fen <= 3000
        )
        reached = limits.reached(subject, period, DATE, facts, amount_fen=amount_fen)
        assert (reached is None) == fits
        if reached is None:
            take(facts, subject, period, amount_fen)
            had.append((subject, period, amount_fen))
