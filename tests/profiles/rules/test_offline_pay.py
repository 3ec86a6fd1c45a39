"""The offline risk budget alone: how much, how often and for how many hours is sold while nobody can be asked."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from profiles.api import Subject
from profiles.payment_reasons import PaymentReason
from profiles.rules.offline_pay import OfflinePay, sold
from profiles.trace import Rule, RuleEnum, judge, read_trace
from tests.profiles.facts import HeldFacts

LI, WANG = Subject("city", b"L" * 16), Subject("city", b"W" * 16)
STRANGER = Subject("provisional", b"S" * 16, provisional=True)
PEOPLE = st.sampled_from([LI, WANG, STRANGER])
HOUR_MS = 3_600_000
REFUSAL = PaymentReason.OFFLINE_CEILING
WIDE = {"payment_fen": 10**6, "subject_fen": 10**6, "provisional_fen": 10**6, "terminal_fen": 10**6}


def refused_by(budget: OfflinePay, fen: int, who: Subject, facts: HeldFacts) -> object:
    """The rule that refuses; ``None``: it may be sold."""
    verdict = judge(budget.rules(fen, who, facts, REFUSAL))
    assert verdict.refusal in (None, REFUSAL)
    return None if verdict.refusal is None else read_trace(verdict.trace, RuleEnum)[-1].rule


def sell(budget: OfflinePay, fen: int, who: Subject, facts: HeldFacts) -> bool:
    """Sell it where the budget lets it be sold."""
    if refused_by(budget, fen, who, facts) is not None:
        return False
    facts.put(*sold(fen, who, facts), *budget.unasked(who, facts))
    return True


@given(
    st.lists(st.tuples(PEOPLE, st.integers(1, 700), st.integers(0, 20)), max_size=40),
    st.tuples(st.integers(0, 600), st.integers(0, 1_500), st.integers(0, 800), st.integers(0, 2_500)),
)
def test_whatever_is_asked_for_no_day_sells_more_than_its_ceilings(
    script: list[tuple[Subject, int, int]], ceilings: tuple[int, int, int, int]
) -> None:
    payment_fen, subject_fen, provisional_fen, terminal_fen = ceilings
    budget = OfflinePay(
        payment_fen=payment_fen, subject_fen=subject_fen, provisional_fen=provisional_fen, terminal_fen=terminal_fen
    )
    facts, days = HeldFacts(), dict[Any, dict[Subject, int]]()
    for who, fen, hours in script:
        facts.now_ms += hours * HOUR_MS
        today = days.setdefault(facts.local_time.date(), {})
        own_fen = provisional_fen if who.provisional else subject_fen
        fits = fen <= payment_fen and today.get(who, 0) + fen <= own_fen and sum(today.values()) + fen <= terminal_fen
        assert sell(budget, fen, who, facts) is fits
        today[who] = today.get(who, 0) + fen * fits


@given(st.lists(st.tuples(st.booleans(), PEOPLE, st.integers(0, 9)), max_size=40), st.integers(1, 4), st.integers(1, 8))
def test_no_day_has_more_payments_than_are_allowed_and_one_that_went_back_whole_counts_no_more(
    script: list[tuple[bool, Subject, int]], of_person: int, of_terminal: int
) -> None:
    budget = OfflinePay(**WIDE, subject_payments=of_person, terminal_payments=of_terminal)
    facts, days = HeldFacts(), dict[Any, list[Subject]]()
    for goes_back, who, hours in script:
        facts.now_ms += hours * HOUR_MS
        today = days.setdefault(facts.local_time.date(), [])
        if goes_back and who in today:
            today.remove(who)
            facts.put(*budget.went_back(who, facts))
        elif not goes_back:
            fits = today.count(who) < of_person and len(today) < of_terminal
            assert sell(budget, 100, who, facts) is fits
            today += [who] * fits


@given(
    st.lists(st.tuples(st.booleans(), PEOPLE, st.integers(0, 20)), max_size=40), st.integers(1, 30), st.integers(1, 60)
)
def test_hours_run_from_the_first_unasked_payment_until_the_platform_agrees_to_one(
    script: list[tuple[bool, Subject, int]], of_person: int, of_terminal: int
) -> None:
    budget = OfflinePay(**WIDE, subject_hours=of_person, terminal_hours=of_terminal)
    facts, since, terminal_since = HeldFacts(), dict[Subject, int](), list[int]()
    for agrees, who, hours in script:
        facts.now_ms += hours * HOUR_MS
        if agrees:
            since.pop(who, None)
            terminal_since.clear()
            facts.put(*budget.agreed(who, facts))
            continue
        lasted = facts.now_ms - since.get(who, facts.now_ms)
        outage = facts.now_ms - (terminal_since or [facts.now_ms])[0]
        fits = lasted < of_person * HOUR_MS and outage < of_terminal * HOUR_MS
        assert sell(budget, 100, who, facts) is fits
        if fits:
            since.setdefault(who, facts.now_ms)
            terminal_since.append(facts.now_ms)


def test_each_bound_refuses_by_its_own_rule() -> None:
    for bounds, rule in (
        ({"subject_payments": 1}, Rule.OFFLINE_PERSON_PAYMENTS),
        ({"terminal_payments": 1}, Rule.OFFLINE_TERMINAL_PAYMENTS),
        ({"subject_hours": 1}, Rule.OFFLINE_PERSON_HOURS),
        ({"terminal_hours": 1}, Rule.OFFLINE_TERMINAL_HOURS),
    ):
        facts, budget = HeldFacts(), OfflinePay(**WIDE, **bounds)
        assert sell(budget, 100, LI, facts)
        facts.now_ms += HOUR_MS
        assert refused_by(budget, 100, LI, facts) is rule
        assert (refused_by(budget, 100, WANG, facts) is rule) is ("terminal" in next(iter(bounds)))


def test_a_battery_that_is_taken_out_gives_no_hours_back() -> None:
    budget, facts = OfflinePay(**WIDE, terminal_hours=2), HeldFacts()
    began_ms = facts.now_ms
    assert sell(budget, 100, LI, facts)
    facts.now_ms, facts.floor_ms = 0, began_ms + HOUR_MS
    assert sell(budget, 100, LI, facts)
    facts.floor_ms += HOUR_MS
    assert refused_by(budget, 100, LI, facts) is Rule.OFFLINE_TERMINAL_HOURS
    facts.now_ms = began_ms + 2 * HOUR_MS
    assert refused_by(budget, 100, LI, facts) is Rule.OFFLINE_TERMINAL_HOURS, "also when the clock is right again"


def test_a_clock_that_is_set_back_gives_no_hours_again() -> None:
    budget, facts = OfflinePay(**WIDE, terminal_hours=2), HeldFacts()
    assert sell(budget, 100, LI, facts)
    facts.now_ms -= 100 * HOUR_MS
    assert sell(budget, 100, LI, facts)
    facts.now_ms += 2 * HOUR_MS
    assert not sell(budget, 100, LI, facts)


def test_where_nothing_is_bounded_nothing_more_is_remembered_or_asked() -> None:
    budget, facts = OfflinePay(), HeldFacts()
    assert (budget.unasked(LI, facts), budget.went_back(LI, facts), budget.agreed(LI, facts)) == ((), (), ())
    asked = read_trace(judge(budget.rules(100, LI, facts, REFUSAL)).trace, RuleEnum)
    assert [said.rule for said in asked] == [Rule.OFFLINE_PAYMENT, Rule.OFFLINE_PERSON, Rule.OFFLINE_TERMINAL]
