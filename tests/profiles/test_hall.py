"""The service hall's reducer: who gets which number, whom a counter is told of, and what is left of it."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from pydantic import ValidationError

from profiles.amounts import AmountProblem, AmountRefused, FunctionKey, KeyPressed
from profiles.api import (
    AmountEntered,
    Assurance,
    Credential,
    Event,
    Mark,
    Presented,
    Reason,
    Record,
    RecordedLate,
    Rejected,
    Restarted,
    Show,
    Subject,
)
from profiles.hall import Hall, HallState
from profiles.hall_reasons import HallRule
from profiles.hall_settings import HallSettings
from profiles.handover import CounterAsks, Delivered, HandOver, Release, Undelivered, Withdraw
from profiles.paper import NotPrinted, Print
from profiles.person import Person
from profiles.rules.visits import visited
from profiles.trace import read_trace
from tests.profiles.facts import HeldFacts

SETTINGS: dict[str, Any] = {
    "counter": "1",
    "matters": [
        {"key": 1, "name": "advice", "zh": "咨询", "en": "Advice", "prefix": "A", "least_assurance": "read"},
        {"key": 2, "name": "estate", "zh": "房产", "en": "Estate", "prefix": "B", "least_assurance": "dynamic-code"},
        {
            "key": 3,
            "name": "party",
            "zh": "党员",
            "en": "Party",
            "prefix": "C",
            "least_assurance": "authenticated-card",
        },
    ],
}


class House:
    """A ticket machine and two counters that share their facts, their states through the disk after every event."""

    def __init__(self, **changes: Any) -> None:
        self.facts = HeldFacts()
        self.lanes = {
            name: Hall(HallSettings.model_validate(SETTINGS | {"desk": desk} | changes | own))
            for name, desk, own in (
                ("machine", "tickets", {}),
                ("one", "counter", {}),
                ("two", "counter", {"counter": "2", "serves": ["estate"]}),
            )
        }
        self.states = {name: lane.idle() for name, lane in self.lanes.items()}
        self.effects: tuple[Any, ...] = ()

    def tell(self, lane: str, event: Event) -> list[str]:
        """What is recorded; whatever else is done follows a record or needs none."""
        step = self.lanes[lane].handle(self.states[lane], event, self.facts)
        saved = HallState.model_validate(cbor2.loads(cbor2.dumps(step.state.model_dump())))
        kept = {name: getattr(step.state, name) for name in ("chosen", "chosen_until_ms")}
        self.states[lane] = saved.model_copy(update=kept)
        self.facts.keep(step.effects)
        self.effects = step.effects
        return [effect.reason.code for effect in step.effects if isinstance(effect, Record)]

    def restart(self, lane: str) -> list[str]:
        self.states[lane] = HallState.model_validate(self.states[lane].model_dump())
        return self.tell(lane, Restarted())

    def number(self, who: Credential, key: int) -> list[str]:
        self.tell("machine", AmountEntered(key * 100))
        return self.tell("machine", Presented(who))

    def one(self, kind: type) -> Any:
        (found,) = [effect for effect in self.effects if isinstance(effect, kind)]
        return found

    @property
    def shown(self) -> str:
        return [effect.sentence.en for effect in self.effects if isinstance(effect, Show)][-1]


def person(number: int, assurance: Assurance = Assurance.READ) -> Credential:
    who = number.to_bytes(16, "big")
    return Credential(who, Subject("city", who), "social-security", assurance, marks=(Mark("seen", who, 1, 2**53),))


def identified(house: House, who: Credential) -> bytes:
    """Somebody with a called number stands at counter one; the id of the record that says so."""
    assert house.number(who, 1) == ["ticket"]
    assert house.tell("one", KeyPressed(FunctionKey.NEXT)) == ["ticket-called"]
    assert house.tell("one", Presented(who)) == ["identified"]
    return bytes(house.one(Record).id)


def test_a_number_is_the_matters_own_and_printed_without_a_name() -> None:
    house = House()
    assert house.number(person(1), 1) == ["ticket"]
    assert house.one(Record).public == {
        "matter": "advice",
        "source": "social-security",
        "assurance": 2,
        "ticket": "A001",
    }
    assert house.one(Record).marks[-1].scope == "seen"
    assert house.one(Print).slip.lines[1] == "A001"
    assert house.number(person(2), 1) == ["ticket"]
    assert "A002, with 1 before you" in house.shown
    assert house.number(person(2, Assurance.DYNAMIC_CODE), 2) == ["ticket"]
    assert "B001, with 0 before you" in house.shown


def test_who_has_a_number_gets_the_same_again_and_a_paper_that_failed_is_recorded() -> None:
    house = House()
    house.number(person(1), 1)
    assert house.number(person(1), 1) == ["ticket-again"]
    assert house.one(Record).public["ticket"] == "A001"
    about = house.one(Print).about
    assert house.tell("machine", NotPrinted(about, "unplugged")) == ["not-printed"]
    assert house.one(Record).refers_to == about


def test_numbers_begin_anew_each_day_and_end_at_the_days_bound() -> None:
    house = House(matters=[each | {"a_day": 2} for each in SETTINGS["matters"]])
    assert [house.number(person(each), 1) for each in (1, 2, 3)] == [
        ["ticket"], ["ticket"], ["tickets-used-up"],
    ]  # fmt: skip
    house.facts.now_ms += 13 * 3_600_000
    assert house.number(person(3), 1) == ["ticket"]
    assert house.one(Record).public["ticket"] == "A001"


@pytest.mark.parametrize(
    ("key", "assurance", "came"),
    [
        (1, Assurance.UID, "assurance-too-low"),
        (1, Assurance.READ, "ticket"),
        (2, Assurance.STATIC_CODE, "assurance-too-low"),
        (2, Assurance.DYNAMIC_CODE, "ticket"),
        (3, Assurance.DYNAMIC_CODE, "needs-card"),
        (3, Assurance.AUTHENTICATED_CARD, "ticket"),
    ],
)
def test_each_matter_demands_its_own_assurance(key: int, assurance: Assurance, came: str) -> None:
    house = House()
    assert house.number(person(1, assurance), key) == [came]
    record = house.one(Record)
    assert bool(record.marks) is (came == "ticket")  # a code that was refused may still be shown elsewhere
    assert read_trace(record.trace, HallRule)[1].rule is HallRule.MATTER_ASSURANCE


def test_a_choice_is_needed_and_is_forgotten_after_a_while_and_when_it_is_taken_back() -> None:
    house = House()
    assert house.tell("machine", Presented(person(1))) == ["no-matter"]
    assert "1 Advice; 2 Estate" in house.shown
    house.tell("machine", AmountEntered(100))
    house.facts.now_ms += 60_000
    assert house.tell("machine", Presented(person(2))) == ["no-matter"]
    house.tell("machine", AmountEntered(100))
    house.tell("machine", AmountEntered(0))
    assert house.tell("machine", Presented(person(3))) == ["no-matter"]
    for nonsense in (
        AmountEntered(50),
        AmountEntered(700),
        AmountEntered(10_000_000),
        AmountRefused(AmountProblem.TOO_MUCH),
    ):
        assert house.tell("machine", nonsense) == []
        assert "Please type" in house.shown


def test_counters_call_what_was_taken_first_of_what_they_serve() -> None:
    house = House()
    for number, key in ((1, 1), (2, 2), (3, 1)):
        house.number(person(number, Assurance.DYNAMIC_CODE), key)
        house.facts.now_ms += 1
    assert house.tell("two", KeyPressed(FunctionKey.NEXT)) == ["ticket-called"]
    assert house.one(Record).public == {"counter": "2", "matter": "estate", "ticket": "B001"}
    assert [house.tell("one", KeyPressed(FunctionKey.NEXT)) and house.one(Record).public["ticket"] for _ in (1, 2)] == [
        "A001", "A002",
    ]  # fmt: skip
    assert house.tell("one", KeyPressed(FunctionKey.NEXT)) == []
    assert house.shown == "Nobody is waiting"


def test_nobody_is_identified_before_the_call_or_without_a_number_but_by_the_staff() -> None:
    house, chen = House(), person(1)
    assert house.tell("one", Presented(chen)) == ["no-ticket"]
    house.number(chen, 1)
    assert house.tell("one", Presented(chen)) == ["not-called"]
    assert house.tell("two", Presented(chen)) == ["no-ticket"]
    house.tell("one", AmountEntered(100))
    assert house.tell("one", Presented(chen)) == ["identified"]
    assert house.one(HandOver).identity.ticket == "A001"


def test_the_identity_is_the_pseudonym_how_sure_it_is_and_a_number_sealed_for_the_counter() -> None:
    house, chen = House(), person(1)
    house.facts.people[chen.subject] = Person(sealed_numbers={"hall": b"sealed", "library": b"other"})
    identified(house, chen)
    kept = house.one(HandOver)
    assert kept.about == house.one(Record).id
    assert (kept.identity.subject, kept.identity.assurance, kept.identity.matter) == (chen.subject.id, "read", "advice")
    assert kept.identity.number == b"sealed"
    assert b"sealed" not in cbor2.dumps(house.states["one"].model_dump())
    assert "sealed" not in repr(kept)
    assert chen.subject.id.hex() not in repr(kept)


def test_it_is_released_after_its_record_once_and_the_visit_is_a_fact_then() -> None:
    house, chen = House(), person(1)
    about = identified(house, chen)
    assert not visited("hall", chen.subject, house.facts)
    assert house.tell("one", CounterAsks(b"another".ljust(16))) == []
    assert house.tell("one", CounterAsks(about)) == ["handed-over"]
    record, release = house.effects
    assert (record.refers_to, record.medium, record.subject) == (about, None, None)
    assert record.public == {"counter": "1"}
    assert release == Release(about)
    assert visited("hall", chen.subject, house.facts)
    assert house.tell("one", CounterAsks(about)) == []
    assert house.tell("one", Delivered(about)) == ["handover-confirmed"]
    assert house.tell("one", Delivered(about)) == []
    assert house.tell("one", Presented(chen)) == ["no-ticket"]


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize(
    ("why_not", "came"),
    [
        (Undelivered.EXPIRED, "handover-expired"),
        (Undelivered.WITHDRAWN, "handover-withdrawn"),
        (Undelivered.NOT_RELEASED, "handover-failed"),
        (Undelivered.UNCONFIRMED, "handover-failed"),
    ],
)
def test_what_was_not_delivered_may_be_presented_again_with_the_same_number(
    why_not: Undelivered, came: str, asked: bool
) -> None:
    house, chen = House(), person(1)
    about = identified(house, chen)
    if asked:
        house.tell("one", CounterAsks(about))
    assert house.tell("one", Delivered(about, why_not)) == [came]
    assert house.tell("one", Presented(chen)) == ["identified"]
    assert house.one(HandOver).identity.ticket == "A001"


@pytest.mark.parametrize("asked", [False, True])
def test_a_restart_forgets_the_identity_and_not_the_queue(asked: bool) -> None:
    house, chen = House(), person(1)
    about = identified(house, chen)
    if asked:
        house.tell("one", CounterAsks(about))
    assert house.restart("one") == ["handover-forgotten"]
    assert house.tell("one", CounterAsks(about)) == []
    assert house.tell("one", Presented(chen)) == ["identified"]
    assert house.number(person(2), 1) == ["ticket"]
    assert house.one(Record).public["ticket"] == "A002"


def test_a_record_that_came_too_late_hands_nothing_over() -> None:
    house, chen = House(), person(1)
    about = identified(house, chen)
    assert house.tell("one", RecordedLate(about)) == ["handover-failed"]
    assert house.tell("one", Presented(chen)) == ["identified"]


def test_one_at_a_time_and_the_staff_can_take_it_back_until_it_is_asked_for() -> None:
    house, chen = House(), person(1)
    about = identified(house, chen)
    assert house.tell("one", KeyPressed(FunctionKey.NEXT)) == []
    house.tell("one", AmountEntered(100))
    assert house.tell("one", Presented(person(2))) == ["busy"]
    assert house.tell("one", KeyPressed(FunctionKey.VOID)) == []
    assert house.effects == (Withdraw(about),)
    house.tell("one", CounterAsks(about))
    house.tell("one", KeyPressed(FunctionKey.VOID))
    assert not house.effects


def test_what_is_no_credential_is_refused_and_repetitions_are_counted() -> None:
    house = House()
    assert house.tell("machine", Rejected(Reason.CODE_UNKNOWN)) == ["code-unknown"]
    assert house.tell("machine", Rejected(Reason.CODE_UNKNOWN)) == []
    assert house.restart("machine") == ["repeated"]


@pytest.mark.parametrize("told", ["key", "name", "prefix"])
def test_matters_that_cannot_be_told_apart_are_refused(told: str) -> None:
    first, second = SETTINGS["matters"][:2]
    with pytest.raises(ValidationError, match=told):
        HallSettings.model_validate({"desk": "tickets", "matters": [first, second | {told: first[told]}]})


def test_a_counter_for_a_matter_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValidationError, match="pension"):
        HallSettings.model_validate(SETTINGS | {"desk": "counter", "serves": ["pension"]})
