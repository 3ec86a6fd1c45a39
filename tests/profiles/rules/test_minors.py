"""What a place allows minors, by what an issuer or the roster says of their age."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.api import Assurance, Credential, Subject
from profiles.person import Person
from profiles.rules.minors import AgeReason, Minors
from profiles.trace import judge
from tests.profiles.facts import HeldFacts

LI = Subject("city", b"L" * 16)
MORNING = {"windows": [{"from": "08:00", "to": "10:00"}]}
CALLED = st.frozensets(st.sampled_from(["minor", "pupil", "adult", "staff"]))


def refusal(rule: dict[str, Any], entitlements: frozenset[str], category: str | None = None) -> AgeReason | None:
    facts = HeldFacts()  # noon
    if category is not None:
        facts.people[LI] = Person(category=category)
    shown = Credential(LI.id, LI, "social-security", Assurance.READ, entitlements)
    found = judge(Minors.model_validate(rule).rules(shown, facts)).refusal
    assert found is None or isinstance(found, AgeReason)
    return found


@given(CALLED)
def test_never_refuses_minors_and_nobody_else(called: frozenset[str]) -> None:
    minor = bool(called & {"minor", "pupil"})
    assert (refusal({"allowed": "never"}, called) is AgeReason.ADULTS_ONLY) is minor
    assert refusal({"allowed": "always"}, called) is None


@given(CALLED)
def test_where_an_age_must_be_proven_the_unknown_are_refused(called: frozenset[str]) -> None:
    proven = "adult" in called and not called & {"minor", "pupil"}
    assert (refusal({"allowed": "never", "unknown": "minor"}, called) is None) is proven


def test_hours_bind_minors_alone() -> None:
    rule = {"allowed": "in-hours", "hours": MORNING}
    assert refusal(rule, frozenset({"minor"})) is AgeReason.MINORS_HOURS
    assert refusal(rule, frozenset()) is None
    assert refusal({"allowed": "in-hours"}, frozenset({"minor"})) is None


@pytest.mark.parametrize(("category", "refused"), [("pupil", True), ("teacher", False)])
def test_the_rosters_category_counts_like_an_entitlement(category: str, refused: bool) -> None:
    assert (refusal({"allowed": "never"}, frozenset(), category) is not None) is refused
