"""The guardian's limit: whatever is bought and given back, what stands is never more than the limit of its date."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from profiles.api import Subject
from profiles.person import Person
from profiles.pupil import Consent, Pupil
from profiles.rules import guardian
from profiles.rules.guardian import GuardianReason
from profiles.rules.tally import counted, key_of
from profiles.trace import judge
from tests.profiles.facts import HeldFacts

ZHANG = Subject("city", b"Z" * 16)
LIMIT_FEN = 1_500


def facts_of(limit_fen: int | None = LIMIT_FEN) -> HeldFacts:
    facts = HeldFacts()
    facts.people[ZHANG] = Person(pupil=Pupil(Consent.GIVEN, day_limit_fen=limit_fen))
    return facts


def may(facts: HeldFacts, fen: int, date: str = "20261123") -> bool:
    refusal = judge(guardian.rules(ZHANG, fen, date, facts)).refusal
    assert refusal in (None, GuardianReason.GUARDIAN_LIMIT)
    return refusal is None


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 900), st.sampled_from(["20261123", "20261124"])), max_size=30))
def test_what_was_bought_and_not_given_back_stays_within_the_limit(acts: list[tuple[bool, int, str]]) -> None:
    facts, stands = facts_of(), {"20261123": [0], "20261124": [0]}
    for gives_back, fen, date in acts:
        if gives_back:
            fen = stands[date].pop() if len(stands[date]) > 1 else 0
            facts.put(*guardian.spent(ZHANG, -fen, date, facts))
        elif may(facts, fen, date):
            assert sum(stands[date]) + fen <= LIMIT_FEN
            facts.put(*guardian.spent(ZHANG, fen, date, facts))
            stands[date].append(fen)
        else:
            assert sum(stands[date]) + fen > LIMIT_FEN
        for each, bought in stands.items():
            assert counted(guardian.SCOPE, key_of(ZHANG, each), facts) == sum(bought)


def test_a_limit_of_nothing_still_takes_what_somebody_else_pays() -> None:
    facts = facts_of(0)
    assert (may(facts, 0), may(facts, 1)) == (True, False)


def test_people_without_a_limit_are_asked_nothing_and_leave_no_mark() -> None:
    facts = facts_of(None)
    assert may(facts, 10**9)
    assert guardian.spent(ZHANG, 500, "20261123", facts) == ()
    assert judge(guardian.rules(Subject("city", b"X" * 16), 500, "20261123", facts)).trace == b""


def test_what_counted_before_the_limit_was_lifted_is_given_back_all_the_same() -> None:
    facts = facts_of()
    facts.put(*guardian.spent(ZHANG, 500, "20261123", facts))
    facts.people[ZHANG] = Person(pupil=Pupil(Consent.GIVEN))
    facts.put(*guardian.spent(ZHANG, -500, "20261123", facts))
    assert counted(guardian.SCOPE, key_of(ZHANG, "20261123"), facts) == 0
