"""The museum's reducer: who enters, who is counted, and what becomes of a door that did not open."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from profiles.amounts import FunctionKey, KeyPressed
from profiles.api import (
    Actuate,
    Actuated,
    Assurance,
    Credential,
    Event,
    InputChanged,
    Kind,
    Presented,
    Reason,
    Record,
    RecordedLate,
    Restarted,
    Show,
    Step,
    Subject,
    TimerFired,
)
from profiles.full_disk import FullDisk
from profiles.museum import Museum, MuseumSettings, MuseumState
from profiles.museum_reasons import MuseumReason, MuseumRule
from profiles.person import Person
from profiles.refusals import REPEATS_TIMER
from profiles.trace import read_trace
from tests.profiles.facts import HeldFacts

TEN_MS = int(datetime(2026, 11, 26, 10, 0, tzinfo=timezone(timedelta(hours=8))).timestamp() * 1000)
SETTINGS = {
    "sessions": {
        "each": [
            {"name": "am", "from": "09:00", "to": "12:00", "walk_ins": 3},
            {"name": "pm", "from": "13:00", "to": "17:00"},
        ]
    },
    "free": {"admit": {"entitlements": ["senior", "group-leader"]}, "issuers": ["city-b"]},
}
SENIOR = frozenset({"senior"})


class Entrance:
    """A museum whose effects' marks are kept, as the agent keeps them."""

    def __init__(self, **settings: object) -> None:
        self.museum = Museum(MuseumSettings.model_validate(SETTINGS | settings))
        self.facts = HeldFacts(TEN_MS)
        self.state = self.museum.idle()

    def feel(self, event: Event) -> Step[MuseumState]:
        step = self.museum.handle(self.state, event, self.facts)
        self.facts.keep(step.effects)
        self.state = MuseumState.model_validate(step.state.model_dump())
        return step

    def reasons(self, event: Event) -> list[str]:
        return [effect.reason.code for effect in self.feel(event).effects if isinstance(effect, Record)]

    def enter(self, credential: Credential) -> list[str]:
        """Present it, and let the board confirm."""
        step = self.feel(Presented(credential))
        codes = [effect.reason.code for effect in step.effects if isinstance(effect, Record)]
        for pulse in [effect for effect in step.effects if isinstance(effect, Actuate)]:
            codes += self.reasons(Actuated(pulse.about))
        return codes

    def later(self, **by: float) -> None:
        self.facts.now_ms += round(timedelta(**by).total_seconds() * 1000)


def person(number: int, entitlements: frozenset[str] = SENIOR, namespace: str = "city", **fields: object) -> Credential:
    return Credential(
        medium=number.to_bytes(16, "big"),
        subject=Subject(namespace, number.to_bytes(16, "little"), bool(fields.pop("provisional", False))),
        source="social-security",
        assurance=Assurance.READ,
        entitlements=entitlements,
    )


def test_whoever_reserved_this_session_enters_and_takes_no_place_of_others() -> None:
    entrance, chen = Entrance(), person(1, frozenset())
    entrance.facts.people[chen.subject] = Person(areas=frozenset({"am-20261126"}))
    (record, pulse, _) = entrance.feel(Presented(chen)).effects
    assert isinstance(record, Record)
    assert isinstance(pulse, Actuate)
    assert (record.reason, record.public["basis"], record.public["people"]) == (Reason.GRANTED, "reserved", 1)
    assert pulse.about == record.id
    assert entrance.reasons(Actuated(record.id)) == ["actuated"]
    assert [entrance.enter(person(number)) for number in (2, 3, 4)] == [["granted", "actuated"]] * 3
    assert entrance.enter(person(5)) == ["session-full"]


def test_people_of_a_recognised_issuer_enter_and_a_card_that_no_register_knows_does_not() -> None:
    entrance = Entrance()
    assert entrance.enter(person(1, frozenset(), "city-b")) == ["granted", "actuated"]
    assert entrance.enter(person(2, frozenset(), "city-b", provisional=True)) == ["not-reserved"]
    assert entrance.enter(person(3, frozenset(), "city-c")) == ["not-reserved"]


def test_nobody_enters_a_session_twice_by_card_or_by_code_and_may_come_to_the_next() -> None:
    entrance, chen = Entrance(), person(1)
    assert entrance.enter(chen) == ["granted", "actuated"]
    entrance.later(minutes=5)
    other_medium = Credential(bytes(16), chen.subject, "ec1", Assurance.DYNAMIC_CODE, SENIOR)
    assert entrance.enter(other_medium) == ["already-visited"]
    entrance.later(hours=3)
    assert entrance.enter(chen) == ["granted", "actuated"]
    again = Entrance(once_a_session=False)
    assert again.enter(chen) == ["granted", "actuated"]
    again.later(minutes=5)
    assert again.enter(chen) == ["granted", "actuated"]


def test_the_holder_whose_door_fell_shut_gets_it_opened_again_and_is_counted_once() -> None:
    entrance, chen = Entrance(), person(1)
    entrance.enter(chen)
    step = entrance.feel(Presented(chen))
    record = next(effect for effect in step.effects if isinstance(effect, Record))
    assert record.reason is MuseumReason.OPENED_AGAIN
    assert record.refers_to is not None
    assert any(isinstance(effect, Actuate) for effect in step.effects)
    assert [entrance.enter(person(number))[0] for number in (2, 3, 4)] == ["granted", "granted", "session-full"]


@pytest.mark.parametrize("ending", ["fault", "late"])
def test_a_door_that_did_not_open_takes_neither_the_place_nor_the_visit(ending: str) -> None:
    entrance = Entrance()
    for _ in range(3):
        (record, *_) = entrance.feel(Presented(person(1))).effects
        assert isinstance(record, Record)
        assert record.reason is Reason.GRANTED
        end = Actuated(record.id, fault="silent") if ending == "fault" else RecordedLate(record.id)
        assert entrance.reasons(end) == ["actuator-failed" if ending == "fault" else "not-actuated"]
    assert [entrance.enter(person(number))[0] for number in (1, 2, 3, 4)] == [*["granted"] * 3, "session-full"]


def test_a_group_is_counted_whole_and_needs_its_leader() -> None:
    entrance, leader = Entrance(group_people=20), person(1, frozenset({"group-leader"}))
    step = entrance.feel(KeyPressed(FunctionKey.GUESTS, 21))
    assert step.effects == (Show(MuseumReason.GROUP_TOO_BIG.citizen, step.effects[0].tone),)  # type: ignore[union-attr]
    entrance.feel(KeyPressed(FunctionKey.GUESTS, 4))
    assert entrance.enter(person(2)) == ["no-group-leader"]
    assert entrance.enter(leader) == ["session-full"]
    entrance.feel(KeyPressed(FunctionKey.GUESTS, 3))
    assert entrance.enter(leader) == ["granted", "actuated"]
    assert entrance.enter(person(2)) == ["session-full"]


def test_a_reservation_is_its_holders_and_the_group_takes_places_of_its_own() -> None:
    entrance, leader = Entrance(), person(1, frozenset({"group-leader"}))
    entrance.facts.people[leader.subject] = Person(areas=frozenset({"am-20261126"}))
    entrance.feel(KeyPressed(FunctionKey.GUESTS, 5))
    assert entrance.enter(leader) == ["session-full"]
    entrance.feel(KeyPressed(FunctionKey.GUESTS, 4))
    assert entrance.enter(leader) == ["granted", "actuated"]
    assert entrance.enter(person(2)) == ["session-full"]


def test_one_card_opens_the_door_again_once() -> None:
    entrance, chen = Entrance(), person(1)
    assert entrance.enter(chen) == ["granted", "actuated"]
    assert entrance.enter(chen)[0] == "opened-again"
    assert entrance.enter(chen) == ["already-visited"]


def test_a_group_that_was_typed_is_forgotten_after_a_while_by_zero_and_by_a_restart() -> None:
    entrance, leader = Entrance(), person(1, frozenset({"group-leader"}))
    entrance.feel(KeyPressed(FunctionKey.GUESTS, 3))
    entrance.later(seconds=61)
    assert entrance.enter(person(2)) == ["granted", "actuated"]
    entrance.feel(KeyPressed(FunctionKey.GUESTS, 3))
    entrance.feel(KeyPressed(FunctionKey.GUESTS, 0))
    assert entrance.enter(person(3)) == ["granted", "actuated"]
    entrance.feel(KeyPressed(FunctionKey.GUESTS, 2))
    entrance.feel(Restarted())
    (record, *_) = entrance.feel(Presented(leader)).effects
    assert isinstance(record, Record)
    assert record.public["people"] == 1


def test_a_restart_in_the_middle_leaves_the_outcome_unknown_opens_nothing_and_keeps_the_count() -> None:
    entrance = Entrance()
    entrance.feel(Presented(person(1)))
    step = entrance.feel(Restarted())
    assert [effect.reason for effect in step.effects if isinstance(effect, Record)] == [Reason.OUTCOME_UNKNOWN]
    assert not any(isinstance(effect, Actuate) for effect in step.effects)
    entrance.later(seconds=30)
    assert entrance.enter(person(1)) == ["already-visited"]


def test_a_fire_answers_everybody_and_is_recorded_when_it_ends() -> None:
    entrance = Entrance()
    assert entrance.museum.urgent(InputChanged("fire", True)) is Reason.FIRE
    assert entrance.reasons(InputChanged("fire", True)) == ["fire"]
    assert entrance.reasons(InputChanged("fire", True)) == []
    assert entrance.reasons(Presented(person(9, frozenset()))) == []
    assert entrance.reasons(InputChanged("fire", False)) == ["fire-cleared"]
    without = Entrance(fire_input=None)
    without.state = without.state.model_copy(update={"fire": True})
    assert without.reasons(Restarted()) == ["fire-cleared"]


def test_a_refusal_that_repeats_is_told_each_time_and_recorded_with_its_count() -> None:
    entrance, nobody = Entrance(), person(1, frozenset())
    first = entrance.feel(Presented(nobody))
    assert sum(isinstance(effect, Record) for effect in first.effects) == 1
    for _ in range(4):
        assert [type(effect) for effect in entrance.feel(Presented(nobody)).effects] == [Show]
    step = entrance.feel(TimerFired(REPEATS_TIMER, entrance.state.repeats.window))
    assert [effect.public["repeated"] for effect in step.effects if isinstance(effect, Record)] == [4]


def test_each_decision_says_which_rules_were_asked_and_how_it_acts_on_a_full_disk() -> None:
    entrance = Entrance()
    (record, *_) = entrance.feel(Presented(person(1, frozenset()))).effects
    assert isinstance(record, Record)
    said = read_trace(record.trace, MuseumRule)
    assert (said[-1].rule, said[-1].held) == (MuseumRule.TICKET, False)
    assert MuseumSettings.model_validate(SETTINGS).on_full_disk() is FullDisk.OPEN_AND_COUNT
    with pytest.raises(ValidationError):
        MuseumSettings.model_validate(SETTINGS | {"group_people": 0})


@pytest.mark.parametrize("seed", range(4))
def test_over_random_hours_nothing_opens_without_a_grant_and_no_session_overflows(seed: int) -> None:
    chance, entrance, walked_in, pending = random.Random(seed), Entrance(), 0, b""
    crowd = [person(number, chance.choice([SENIOR, frozenset({"group-leader"}), frozenset()])) for number in range(12)]
    for _ in range(400):
        events: list[Event] = [
            Presented(chance.choice(crowd)),
            KeyPressed(FunctionKey.GUESTS, chance.randrange(5)),
            Actuated(pending, chance.choice(["", "silent"])),
            RecordedLate(pending),
            Restarted(),
        ]
        event = chance.choice(events)
        before = entrance.state.visit
        step = entrance.feel(event)
        records = [effect for effect in step.effects if isinstance(effect, Record)]
        for effect in step.effects:
            if isinstance(effect, Actuate):
                assert effect.about in {record.id for record in records if record.kind is Kind.DECISION}
        for record in records:
            if record.reason is Reason.GRANTED:
                pending, walked_in = record.id, walked_in + int(record.public["people"])
            if record.reason in (Reason.ACTUATOR_FAILED, Reason.NOT_ACTUATED):
                assert before is not None
                walked_in -= before.people
        assert 0 <= walked_in <= 3
        entrance.later(seconds=chance.choice([0, 1, 5]))
