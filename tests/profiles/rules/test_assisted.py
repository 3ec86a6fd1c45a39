"""Assisted acts: whatever operators do, on whatever days, none exceeds the quota, and nobody but they help."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from profiles.api import Assurance, Credential, Show, State, Subject
from profiles.reasons import Sentence
from profiles.rules.assisted import Assisted, AssistedReason, Helping, Why
from profiles.trace import judge
from tests.profiles.facts import HeldFacts

A_DAY = 3
DAY_MS = 86_400_000
HELP = Assisted.model_validate({"operators": {"entitlements": ["guard"]}, "a_day": A_DAY, "within_ms": 10_000})


class Nothing(State):
    helping: Helping | None = None


def guard(name: int, *entitlements: str) -> Credential:
    medium = bytes([name]) * 16
    who = Subject("city", medium)
    return Credential(medium, who, "social-security", Assurance.READ, frozenset(entitlements or ("guard",)))


def said(number: int | None, facts: HeldFacts) -> tuple[Helping | None, Sentence]:
    step = HELP.pressed(Nothing(), number, facts)
    (told,) = step.effects
    assert isinstance(told, Show)
    return step.state.helping, told.sentence


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2)), max_size=40))
def test_an_operator_helps_so_often_on_one_day_and_no_oftener(acts: list[tuple[int, int]]) -> None:
    facts, done, day = HeldFacts(), dict[tuple[int, int], int](), 0
    for name, later in acts:
        day += later
        facts.now_ms += later * DAY_MS
        helping, _ = said(1, facts)
        assert helping is not None
        assert HELP.awaits(helping, guard(name), facts)
        before = done.get((name, day), 0)
        refusal = judge(HELP.rules(guard(name), facts)).refusal
        assert refusal is (None if before < A_DAY else AssistedReason.USED_UP)
        if refusal is None:
            assert helping.public(guard(name), facts) == {"assisted": "card-forgotten", "assisted_today": before + 1}
            facts.put(helping.used(guard(name), facts))
            done[name, day] = before + 1


@given(st.one_of(st.none(), st.integers(0, 99_999_999)))
def test_a_number_is_one_reason_of_the_closed_list_or_lists_them_all(number: int | None) -> None:
    helping, told = said(number, HeldFacts())
    known = {why.number: why for why in Why}
    if number in known:
        assert helping is not None
        assert helping.why == known[number].code
    else:
        assert helping is None
        assert all(f"{why.number} {why.said.zh}" in told.zh and why.said.en in told.en for why in Why)


@given(st.integers(-20_000, 40_000), st.booleans())
def test_only_an_operator_is_awaited_and_only_for_a_while(later_ms: int, is_operator: bool) -> None:
    facts = HeldFacts()
    helping, _ = said(2, facts)
    facts.now_ms += later_ms
    shown = guard(1, "guard" if is_operator else "staff")
    assert HELP.awaits(helping, shown, facts) == (is_operator and 0 <= later_ms < 10_000)
    assert not HELP.awaits(None, shown, facts)


def test_not_everybody_is_an_operator() -> None:
    with pytest.raises(ValidationError, match="not everyone is an operator"):
        Assisted.model_validate({"operators": {"everyone": True}})
