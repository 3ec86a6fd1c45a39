"""At a museum too: whoever has neither card nor phone with him comes in on an operator's word, and takes a place."""

from __future__ import annotations

import pytest

from profiles.amounts import FunctionKey, KeyPressed
from profiles.api import (
    Actuate,
    Actuated,
    Assurance,
    Credential,
    Event,
    Kind,
    Presented,
    Reason,
    Record,
    RecordedLate,
    Step,
    Subject,
)
from profiles.museum import MuseumState
from profiles.museum_reasons import MuseumReason
from profiles.rules.assisted import AssistedReason
from profiles.rules.sessions import walked_in
from tests.profiles.test_museum import Entrance

GUARD, ELDER, CHEN = b"G" * 16, b"E" * 16, b"C" * 16
HELP = {"operators": {"entitlements": ["guard"]}, "a_day": 2, "within_ms": 15_000}


class Guarded(Entrance):
    """An entrance with a guard. Nothing restarts: what is kept in memory alone stays."""

    def feel(self, event: Event) -> Step[MuseumState]:
        step = self.museum.handle(self.state, event, self.facts)
        self.facts.keep(step.effects)
        self.state = step.state
        return step


def entrance() -> Guarded:
    return Guarded(assisted=HELP)


def card(medium: bytes, *entitlements: str) -> Presented:
    held = frozenset(entitlements)
    return Presented(Credential(medium, Subject("city", medium), "social-security", Assurance.READ, entitlements=held))


def help_in(place: Entrance, reason: int = 2) -> tuple[Record, ...]:
    place.feel(KeyPressed(FunctionKey.ASSIST, reason))
    return records(place, card(GUARD, "guard"))


def records(place: Entrance, event: Presented | Actuated | RecordedLate) -> tuple[Record, ...]:
    return tuple(effect for effect in place.feel(event).effects if isinstance(effect, Record))


def places_taken(place: Entrance) -> int:
    return walked_in(place.museum._settings.sessions.each[0], place.facts)


def test_one_person_comes_in_on_the_operators_word_and_takes_a_place() -> None:
    place = entrance()
    place.feel(KeyPressed(FunctionKey.ASSIST, 2))
    step = place.feel(card(GUARD, "guard"))
    record, pulse = step.effects[0], step.effects[1]
    assert isinstance(record, Record)
    assert isinstance(pulse, Actuate)
    assert (record.kind, record.reason, record.medium) == (Kind.DECISION, AssistedReason.ASSISTED, GUARD)
    stated = {key: record.public[key] for key in ("assisted", "assisted_today", "session", "basis", "people")}
    assert stated == {"assisted": "no-phone", "assisted_today": 1, "session": "am", "basis": "assisted", "people": 1}
    assert pulse.about == record.id
    assert places_taken(place) == 1
    assert [each.reason for each in records(place, Actuated(record.id))] == [Reason.ACTUATED]


def test_the_operators_own_visit_is_another_one_and_his_card_opens_nothing_again() -> None:
    place = entrance()
    (record,) = help_in(place)
    place.feel(Actuated(record.id))
    assert [each.reason for each in records(place, card(GUARD, "guard", "senior"))] == [Reason.GRANTED]
    assert places_taken(place) == 2


@pytest.mark.parametrize("late", [True, False])
def test_a_door_that_did_not_open_takes_no_place_and_the_operators_visit_stays(late: bool) -> None:
    place = entrance()
    (own,) = records(place, card(GUARD, "guard", "senior"))
    place.feel(Actuated(own.id))
    place.facts.now_ms += 60_000
    (record,) = help_in(place)
    place.feel(RecordedLate(record.id) if late else Actuated(record.id, "no-answer"))
    assert places_taken(place) == 1
    assert records(place, card(GUARD, "guard", "senior"))[0].reason is MuseumReason.ALREADY_VISITED


def test_whoever_showed_something_that_was_refused_meanwhile_is_named_by_it() -> None:
    place = entrance()
    place.feel(KeyPressed(FunctionKey.ASSIST, 3))
    (refused,) = records(place, card(ELDER))
    assert refused.reason is MuseumReason.NOT_RESERVED
    (record,) = records(place, card(GUARD, "guard"))
    assert (record.reason, record.refers_to) == (AssistedReason.ASSISTED, refused.id)


def test_hours_sessions_room_and_the_quota_of_the_day_hold_for_it() -> None:
    place = entrance()
    for _ in range(2):
        (record,) = help_in(place)
        place.feel(Actuated(record.id))
    assert [each.reason for each in help_in(place)] == [AssistedReason.USED_UP]
    full = Guarded(assisted=HELP | {"a_day": 9})
    for _ in range(3):
        (record,) = help_in(full)
        full.feel(Actuated(record.id))
    assert [each.reason for each in help_in(full)] == [MuseumReason.SESSION_FULL]
    night = entrance()
    night.facts.now_ms += 10 * 3_600_000
    assert [each.reason for each in help_in(night)] == [MuseumReason.NO_SESSION]
    busy = entrance()
    records(busy, card(CHEN, "senior"))
    assert [each.reason for each in help_in(busy)] == [Reason.BUSY]


def test_without_a_reason_in_time_the_operators_card_is_his_own_and_without_operators_the_key_does_nothing() -> None:
    place = entrance()
    place.feel(KeyPressed(FunctionKey.ASSIST, 9))
    assert records(place, card(GUARD, "guard"))[0].reason is MuseumReason.NOT_RESERVED
    place.feel(KeyPressed(FunctionKey.ASSIST, 1))
    place.facts.now_ms += 15_000
    assert [each.reason for each in records(place, card(GUARD, "guard", "senior"))] == [Reason.GRANTED]
    nobody = Guarded()
    assert nobody.feel(KeyPressed(FunctionKey.ASSIST, 1)).effects == ()
