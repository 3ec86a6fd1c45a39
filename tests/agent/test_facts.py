"""What one decision may know is the same to its end, and is looked up no more often than that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agent.clock import RecordIds, SystemClock
from agent.credentials.lists import Lists
from agent.credentials.trust import Term
from agent.facts import Marks, TerminalFacts
from agent.kernel_time import KernelTime
from agent.trusted_clock import TrustedClock
from profiles.api import Subject
from profiles.person import Person
from tests.agent.seeded import SeededRandom

DAY_MS = 86_400_000
EPOCH = datetime.fromtimestamp(0, UTC)
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


def test_what_ended_before_the_clock_lost_the_time_does_not_begin_again() -> None:
    clock = TrustedClock(lambda: KernelTime(0, boot_ms=0, synchronised=False, max_error_ms=20))
    clock.signed_at(2_000)

    def leased_until(end_ms: int) -> bool | None:
        lists = Lists(lease=Term(0, end_ms, grace_ms=0))
        return TerminalFacts(clock, RecordIds(clock, SeededRandom()), Marks(), UTC, lists=lists).lease()

    assert leased_until(2_001) is True
    assert leased_until(2_000) is False


def test_a_lost_clocks_day_is_not_before_what_is_known() -> None:
    clock = TrustedClock(lambda: KernelTime(0, boot_ms=0, synchronised=False, max_error_ms=20))
    clock.signed_at(20_000 * DAY_MS)
    facts = TerminalFacts(clock, RecordIds(clock, SeededRandom()), Marks(), UTC)
    assert facts.least_ms == 20_000 * DAY_MS
    assert facts.local_time == EPOCH + timedelta(days=20_000)
    assert facts.now_ms == 0, "what passes between two moments is told by the clock as it stands"


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
