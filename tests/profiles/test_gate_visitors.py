"""Visitors who pass with an escort, and holders who are being forced."""

from __future__ import annotations

import pytest

from profiles.api import (
    Actuate,
    Assurance,
    Credential,
    Effect,
    Event,
    Kind,
    Mark,
    Presented,
    RaiseAlarm,
    Reason,
    Record,
    RecordedLate,
    Rejected,
    Restarted,
    Show,
    Subject,
    TimerFired,
    Tone,
)
from profiles.code_reasons import CodeReason
from profiles.gate import ESCORT_TIMER
from profiles.passage import PASSAGE_TIMER
from profiles.person import Person
from profiles.rules.duress import DuressReason
from profiles.rules.escort import EscortReason
from tests.profiles.test_gate import Lane, credential, opens, record_of
from tests.profiles.test_turnstile import CARD_IN
from tests.profiles.test_turnstile import Lane as TurnstileLane

GUEST, HOST, OTHER = b"G" * 16, b"H" * 16, b"O" * 16
ADMIT = {"entitlements": ["staff", "visitor"]}
ESCORT = {"needed_by": ["visitor"], "within_ms": 15_000}


def lane(**escort: object) -> Lane:
    found = Lane(admit=ADMIT, escort=ESCORT | escort)
    found.facts.people = {
        Subject("site", GUEST): Person(unit="lab"),
        Subject("site", HOST): Person(unit="lab", category="host"),
        Subject("site", OTHER): Person(unit="office"),
    }
    return found


def waiting(**escort: object) -> tuple[Lane, Record]:
    found = lane(**escort)
    return found, record_of(found.tap(GUEST, "visitor"))


def told(effects: tuple[Effect, ...]) -> list[tuple[Kind, object, bytes | None]]:
    return [(each.kind, each.reason, each.medium) for each in effects if isinstance(each, Record)]


def test_a_visitor_waits_and_passes_when_the_escort_has_shown_a_credential() -> None:
    gate, awaited = waiting()
    assert (awaited.kind, awaited.reason) == (Kind.DECISION, EscortReason.ESCORT_AWAITED)
    assert gate.state.crossing is None
    effects = gate.tap(HOST, "staff")
    escorted, granted = (effect for effect in effects if isinstance(effect, Record))
    assert (escorted.reason, escorted.medium, escorted.refers_to) == (EscortReason.ESCORTED, HOST, awaited.id)
    assert (granted.reason, granted.medium) == (Reason.GRANTED, GUEST)
    assert [effect.about for effect in effects if isinstance(effect, Actuate)] == [granted.id]
    assert gate.state.awaiting is None


def test_the_escort_passes_afterwards_like_everybody() -> None:
    gate, _ = waiting()
    gate.tap(HOST, "staff")
    assert record_of(gate.tap(HOST, "staff")).reason is Reason.BUSY
    assert gate.state.crossing is not None
    gate.handle(TimerFired(PASSAGE_TIMER, gate.state.crossing.record_id))
    assert record_of(gate.tap(HOST, "staff")).reason is Reason.GRANTED


@pytest.mark.parametrize(
    ("escort", "medium", "vouches"),
    [
        ({"same_unit": True}, HOST, True),
        ({"same_unit": True}, OTHER, False),
        ({"by": ["host"]}, HOST, True),
        ({"by": ["host"]}, OTHER, False),
        ({}, OTHER, True),
    ],
)
def test_who_may_not_escort_passes_alone_and_the_visitor_waits_on(
    escort: dict[str, object], medium: bytes, vouches: bool
) -> None:
    gate, _ = waiting(**escort)
    granted = [each for each in told(gate.tap(medium, "staff")) if each[1] is Reason.GRANTED]
    assert granted == [(Kind.DECISION, Reason.GRANTED, GUEST if vouches else medium)]
    assert (gate.state.awaiting is None) is vouches


def test_nobody_escorts_himself_nor_another_visitor_nor_somebody_who_is_refused() -> None:
    gate, _ = waiting()
    same_person = Credential(OTHER, Subject("site", GUEST), "t-union", Assurance.READ, frozenset({"staff"}))
    gate.handle(Presented(same_person))
    assert gate.state.awaiting is not None
    assert gate.state.crossing is not None
    gate, first = waiting()
    effects = gate.tap(OTHER, "visitor")
    assert told(effects) == [
        (Kind.OUTCOME, EscortReason.ESCORT_MISSING, GUEST),
        (Kind.DECISION, EscortReason.ESCORT_AWAITED, OTHER),
    ]
    assert record_of(gate.tap(HOST, "student")).reason is Reason.NOT_ENTITLED
    assert gate.state.awaiting is not None
    assert gate.state.awaiting.record_id != first.id


@pytest.mark.parametrize("event", ["timer", "late", "restart"])
def test_whoever_waits_in_vain_is_told_and_recorded(event: str) -> None:
    gate, awaited = waiting()
    events: dict[str, Event] = {
        "timer": TimerFired(ESCORT_TIMER, awaited.id),
        "late": RecordedLate(awaited.id),
        "restart": Restarted(),
    }
    missing = record_of(gate.handle(events[event]))
    assert (missing.kind, missing.reason, missing.refers_to) == (
        Kind.OUTCOME,
        EscortReason.ESCORT_MISSING,
        awaited.id,
    )
    assert gate.state.awaiting is None
    assert gate.handle(TimerFired(ESCORT_TIMER, awaited.id)) == ()


def test_an_escort_who_comes_too_late_passes_alone() -> None:
    gate, _ = waiting()
    gate.facts.now_ms += 15_000
    assert told(gate.tap(HOST, "staff")) == [(Kind.DECISION, Reason.GRANTED, HOST)]


def test_a_visitor_who_shows_it_again_is_told_to_wait_and_a_code_of_his_never_opens_alone() -> None:
    showing = b"s" * 16
    gate = lane()
    shown = Credential(
        GUEST,
        Subject("site", GUEST),
        "ec1",
        Assurance.DYNAMIC_CODE,
        frozenset({"visitor"}),
        presentation=showing,
        marks=(Mark("showing", showing, 1, 2**40),),
    )
    assert record_of(gate.handle(Presented(shown))).marks == shown.marks
    replayed = Rejected(CodeReason.REPLAYED, GUEST, shown.subject, showing)
    wait = (Show(EscortReason.ESCORT_AWAITED.citizen, Tone.WAIT),)
    assert gate.handle(Presented(shown)) == gate.handle(replayed) == wait
    gate.tap(HOST, "staff")
    assert gate.state.crossing is not None
    gate.handle(TimerFired(PASSAGE_TIMER, gate.state.crossing.record_id))
    assert record_of(gate.handle(replayed)).reason is CodeReason.REPLAYED


# Duress -------------------------------------------------------------------------------------------------------------


def test_duress_opens_and_shows_like_any_grant_and_alarms_beside_it() -> None:
    plain, forced = Lane(duress={"entitlements": ["duress"]}), Lane(duress={"entitlements": ["duress"]})
    usual, effects = plain.tap(), forced.tap(b"L" * 16, "duress")
    assert effects[: len(usual)] == usual
    alarm, raised = effects[len(usual) :]
    assert isinstance(alarm, Record)
    assert (alarm.kind, alarm.reason, alarm.refers_to) == (Kind.ALARM, DuressReason.DURESS, record_of(usual).id)
    assert raised == RaiseAlarm(DuressReason.DURESS, alarm.id)


def test_duress_is_alarmed_too_where_the_holder_is_refused_and_once_in_a_window() -> None:
    gate = Lane(admit={"entitlements": ["staff"]}, duress={"entitlements": ["duress"]})
    effects = gate.tap(b"L" * 16, "duress")
    assert not opens(effects)
    assert [each.reason for each in effects if isinstance(each, Record)] == [Reason.NOT_ENTITLED, DuressReason.DURESS]
    assert not any(isinstance(each, RaiseAlarm) for each in gate.tap(b"L" * 16, "duress"))


def test_duress_at_a_turnstile_names_the_grant() -> None:
    turnstile = TurnstileLane(duress={"entitlements": ["duress"]})
    effects = turnstile.handle(Presented(credential(b"L" * 16, "duress"), CARD_IN))
    granted, alarm = (each for each in effects if isinstance(each, Record))
    assert (alarm.reason, alarm.refers_to) == (DuressReason.DURESS, granted.id)
