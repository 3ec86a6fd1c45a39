"""Concessions: who pays what of a fare, and how often."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from profiles.api import Assurance, Credential, Subject
from profiles.person import Person
from profiles.rules.concession import Concession, concession_of, ridden, shares
from profiles.rules.funds import ACCOUNT
from tests.profiles.facts import HeldFacts

LI = Subject("city", b"l" * 16)
SENIOR = {"for": "senior", "percent": 0, "fund": "senior-fund", "ticket": {"zh": "老人票", "en": "Senior ticket"}}


def concession(**changes: Any) -> Concession:
    return Concession.model_validate(SENIOR | changes)


def holder(*entitlements: str, subject: Subject = LI) -> Credential:
    return Credential(b"l" * 16, subject, "social-security", Assurance.READ, frozenset(entitlements))


@given(st.integers(1, 100_000), st.integers(0, 100), st.integers(1, 20))
def test_the_shares_are_the_full_fares_and_the_holder_pays_no_more_than_without(
    fare_fen: int, percent: int, people: int
) -> None:
    split = shares(fare_fen, concession(percent=percent), people)
    assert sum(split.values()) == fare_fen * people
    assert all(share_fen > 0 for share_fen in split.values())
    own_fen = split.get(ACCOUNT, 0) - fare_fen * (people - 1)
    assert abs(own_fen * 100 - fare_fen * percent) <= 50
    assert shares(fare_fen, None, people) == {ACCOUNT: fare_fen * people}


def test_the_first_that_fits_holds_by_entitlement_or_by_the_roster() -> None:
    facts = HeldFacts()
    pupil = concession(**{"for": "pupil"}, percent=50, fund="school-fund")
    both = (concession(), pupil)
    assert concession_of(both, holder("pupil", "senior"), facts) == both[0]
    assert concession_of(both, holder(), facts) is None
    facts.people[LI] = Person(category="pupil")
    assert concession_of(both, holder(), facts) == pupil


def test_a_card_that_no_register_knows_pays_the_full_fare() -> None:
    assert (
        concession_of((concession(),), holder("senior", subject=Subject("card", b"x" * 16, True)), HeldFacts()) is None
    )


def test_outside_its_hours_and_beyond_its_rides_the_full_fare_is_paid() -> None:
    facts = HeldFacts()  # noon
    morning = concession(hours={"windows": [{"from": "06:00", "to": "09:00"}]})
    assert concession_of((morning,), holder("senior"), facts) is None
    twice = concession(rides_a_day=2)
    for _ in range(2):
        assert concession_of((twice,), holder("senior"), facts) == twice
        facts.put(ridden(twice, LI, facts))
    assert concession_of((twice,), holder("senior"), facts) is None
    facts.put(ridden(twice, LI, facts, -1))
    assert concession_of((twice,), holder("senior"), facts) == twice
    facts.put(ridden(twice, LI, facts))
    facts.now_ms += 86_400_000
    assert concession_of((twice,), holder("senior"), facts) == twice


@pytest.mark.parametrize(
    "wrong",
    [{"percent": 101}, {"percent": -1}, {"percent": "50"}, {"fund": "account"}, {"ticket": {"zh": ""}}, {"x": 1}],
)
def test_a_concession_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        concession(**wrong)
