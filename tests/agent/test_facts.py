"""What one decision may know is the same to its end, and is looked up no more often than that."""

from __future__ import annotations

from datetime import UTC

from agent.clock import RecordIds, SystemClock
from agent.facts import Marks, TerminalFacts
from profiles.api import Subject
from profiles.person import Person
from tests.agent.seeded import SeededRandom

ZHANG, WANG = Subject("city", b"Z" * 16), Subject("city", b"W" * 16)


class Roster:
    """A roster that is asked, and changes."""

    def __init__(self) -> None:
        self.people: dict[Subject, Person] = {ZHANG: Person("kitchen")}
        self.asked: list[Subject] = []

    def person(self, subject: Subject) -> Person | None:
        self.asked.append(subject)
        return self.people.get(subject)


def facts_of(roster: Roster) -> TerminalFacts:
    clock = SystemClock()
    return TerminalFacts(clock, RecordIds(clock, SeededRandom()), Marks(), UTC, roster.person)


def test_a_roster_is_asked_once_about_each_person_also_about_one_it_does_not_know() -> None:
    roster = Roster()
    facts = facts_of(roster)
    assert [facts.person(ZHANG), facts.person(WANG), facts.person(ZHANG), facts.person(WANG)] == [
        Person("kitchen"),
        None,
        Person("kitchen"),
        None,
    ]
    assert roster.asked == [ZHANG, WANG]


def test_a_roster_that_is_installed_meanwhile_changes_the_next_decision_and_not_this_one() -> None:
    roster = Roster()
    facts = facts_of(roster)
    facts.person(ZHANG)
    roster.people[ZHANG] = Person("office")
    assert facts.person(ZHANG) == Person("kitchen")
    again = facts.anew()
    assert again.person(ZHANG) == Person("office")
    assert (again.now_ms, again.local_time) == (facts.now_ms, facts.local_time)
    assert facts.person(ZHANG) == Person("kitchen")
