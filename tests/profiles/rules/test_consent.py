"""Below 14 a guardian has to have agreed; whoever needs no consent is asked nothing."""

from __future__ import annotations

import pytest

from profiles.api import Subject
from profiles.person import Person
from profiles.pupil import Consent, Pupil
from profiles.rules import consent
from profiles.rules.consent import ConsentReason
from profiles.trace import Rule, judge
from tests.profiles.facts import HeldFacts

ZHANG = Subject("city", b"Z" * 16)


def asked(person: Person | None) -> tuple[ConsentReason | None, bytes]:
    facts = HeldFacts()
    if person is not None:
        facts.people[ZHANG] = person
    verdict = judge(consent.rules(ZHANG, facts))
    assert verdict.refusal is None or isinstance(verdict.refusal, ConsentReason)
    return verdict.refusal, verdict.trace


@pytest.mark.parametrize("person", [None, Person("office"), Person(pupil=Pupil(Consent.NOT_NEEDED))])
def test_whoever_needs_no_consent_is_asked_nothing(person: Person | None) -> None:
    assert asked(person) == (None, b"")


def test_a_consent_that_was_given_stands_in_the_trace() -> None:
    assert asked(Person(pupil=Pupil(Consent.GIVEN))) == (None, bytes([Rule.CONSENT.number]))


def test_a_consent_that_is_missing_refuses() -> None:
    refusal, _ = asked(Person(pupil=Pupil(Consent.MISSING)))
    assert refusal is ConsentReason.NO_CONSENT
