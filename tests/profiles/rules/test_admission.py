"""Who is admitted: by an issuer's word, by the site's roster, by card; and who never is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from profiles.api import Assurance, Credential, Subject
from profiles.person import Person
from profiles.rules.admission import Admission
from tests.profiles.facts import HeldFacts

LI = Subject("city", b"L" * 16)
NAMES = st.frozensets(st.sampled_from(["staff", "student", "visitor", "suspended"]))


def credential(entitlements: frozenset[str] = frozenset(), assurance: Assurance = Assurance.READ) -> Credential:
    return Credential(LI.id, LI, "social-security", assurance, entitlements)


def listed(**person: Any) -> HeldFacts:
    facts = HeldFacts()
    facts.people[LI] = Person(**person)
    return facts


@given(NAMES.filter(bool), NAMES, NAMES)
def test_any_named_entitlement_admits_unless_another_one_never_may(
    named: frozenset[str], never: frozenset[str], held: frozenset[str]
) -> None:
    admit = Admission(entitlements=named, never=never)
    assert admit.admits(credential(held), HeldFacts()) is (bool(named & held) and not never & held)
    assert Admission(everyone=True, never=never).admits(credential(held)) is not bool(never & held)


@pytest.mark.parametrize(
    ("admit", "person", "admitted"),
    [
        ({"units": ["class-3"]}, {"unit": "class-3"}, True),
        ({"units": ["class-3"]}, {"unit": "class-4"}, False),
        ({"categories": ["retired"]}, {"category": "retired"}, True),
        ({"areas": ["lab", "roof"]}, {"areas": frozenset({"roof"})}, True),
        ({"areas": ["lab"]}, {}, False),
        ({"units": ["class-3"], "entitlements": ["staff"]}, {"unit": "class-3"}, True),
    ],
)
def test_the_roster_admits_whom_it_lists_so(admit: dict[str, Any], person: dict[str, Any], admitted: bool) -> None:
    assert Admission.model_validate(admit).admits(credential(), listed(**person)) is admitted


def test_whom_no_roster_knows_it_does_not_admit() -> None:
    assert not Admission(units=frozenset({"class-3"})).admits(credential(), HeldFacts())


def test_a_code_never_stands_for_a_listed_card() -> None:
    admit = Admission(media=frozenset({LI.id}))
    assert admit.admits(credential())
    assert not admit.admits(credential(assurance=Assurance.STATIC_CODE))
    assert not admit.admits(credential(assurance=Assurance.DYNAMIC_CODE))


@pytest.mark.parametrize("wrong", [{}, {"never": ["suspended"]}, {"everyone": True, "units": ["class-3"]}])
def test_a_lane_that_names_nobody_or_everybody_and_somebody_is_a_mistake(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Admission.model_validate(wrong)
