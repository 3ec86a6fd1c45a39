"""Whoever forgot the card or has no phone: an operator lets one person in, and answers for it."""

from __future__ import annotations

from typing import Any

import pytest

from profiles.amounts import FunctionKey, KeyPressed
from profiles.api import (
    Actuate,
    Effect,
    InputChanged,
    Kind,
    Presented,
    RaiseAlarm,
    Reason,
    Record,
    Rejected,
    Show,
    Subject,
)
from profiles.code_reasons import CodeReason
from profiles.passage import PassageReason
from profiles.rules.assisted import AssistedReason
from profiles.rules.duress import DuressReason
from profiles.rules.occupancy import OccupancyReason
from tests.profiles import test_gate, test_turnstile

GUARD, OTHER, ELDER = b"G" * 16, b"O" * 16, b"E" * 16
HELP = {"operators": {"entitlements": ["guard"]}, "a_day": 2, "within_ms": 15_000}
AREA = {"name": "hall", "passback": {"mode": "hard"}, "occupancy": {"capacity": 3}}
Lane = test_gate.Lane | test_turnstile.Lane


def gate(**changes: Any) -> test_gate.Lane:
    return test_gate.Lane(**({"admit": {"entitlements": ["staff"]}, "assisted": HELP, "area": AREA} | changes))


def turnstile(**changes: Any) -> test_turnstile.Lane:
    given = {"admit": {"entitlements": ["staff"]}, "assisted": HELP, "area": AREA, "double_tap_ms": 0}
    return test_turnstile.Lane(**(given | changes))


BOTH = pytest.mark.parametrize("lane_of", [gate, turnstile])


def key(lane: Lane, number: int | None = 1) -> tuple[Effect, ...]:
    return lane.handle(KeyPressed(FunctionKey.ASSIST, number))


def show(lane: Lane, medium: bytes = GUARD, *entitlements: str, showing: bytes | None = None) -> tuple[Effect, ...]:
    shown = test_turnstile.credential(medium, *(entitlements or ("guard",)), showing=showing)
    return lane.handle(Presented(shown, test_turnstile.CARD_IN))


def passes(lane: Lane) -> tuple[Effect, ...]:
    if isinstance(lane, test_turnstile.Lane):
        return lane.walk_in()
    return lane.handle(InputChanged("passage", True))


def reasons(effects: tuple[Effect, ...]) -> list[object]:
    return [each.reason for each in effects if isinstance(each, Record)]


def helped(effects: tuple[Effect, ...]) -> Record:
    (record,) = (each for each in effects if isinstance(each, Record))
    assert (record.kind, record.reason) == (Kind.DECISION, AssistedReason.ASSISTED)
    assert [each.about for each in effects if isinstance(each, Actuate)] == [record.id]
    return record


@BOTH
def test_one_person_passes_on_the_operators_word_and_the_record_says_whose_and_why(lane_of: Any) -> None:
    lane = lane_of()
    (asks,) = key(lane, 2)
    assert isinstance(asks, Show)
    record = helped(show(lane))
    assert (record.medium, record.subject, record.refers_to) == (GUARD, Subject("city", GUARD), None)
    assert (record.public["assisted"], record.public["assisted_today"]) == ("no-phone", 1)
    assert reasons(passes(lane)) == [PassageReason.PASSED]
    assert reasons(show(lane)) == [Reason.NOT_ENTITLED]  # his own way is his own affair


@BOTH
def test_the_quota_of_the_day_refuses_survives_a_restart_and_is_each_operators_own(lane_of: Any) -> None:
    lane = lane_of()
    for _ in range(2):
        key(lane)
        helped(show(lane))
        passes(lane)
    lane.state = type(lane.state).model_validate(lane.state.model_dump())
    key(lane)
    assert reasons(show(lane)) == [AssistedReason.USED_UP]
    key(lane)
    helped(show(lane, OTHER))
    passes(lane)
    lane.facts.now_ms += 86_400_000
    key(lane)
    assert helped(show(lane)).public["assisted_today"] == 1


@BOTH
def test_what_the_helped_person_showed_meanwhile_states_whom_it_is_for(lane_of: Any) -> None:
    lane = lane_of()
    key(lane)
    (refused,) = (each for each in show(lane, ELDER, "visitor") if isinstance(each, Record))
    assert refused.reason is Reason.NOT_ENTITLED
    assert helped(show(lane)).refers_to == refused.id
    passes(lane)
    key(lane)
    assert reasons(lane.handle(Rejected(Reason.NOT_ENTITLED, ELDER, refused.subject))) == []  # counted, not recorded
    assert helped(show(lane)).refers_to == refused.id


@BOTH
def test_an_operators_own_slip_states_nobody(lane_of: Any) -> None:
    lane = lane_of()
    key(lane)
    lane.handle(Rejected(CodeReason.STALE, GUARD, None))
    lane.handle(Rejected(CodeReason.DAMAGED))
    assert helped(show(lane)).refers_to is None


@BOTH
def test_without_a_reason_in_time_a_guards_card_is_only_his_own(lane_of: Any) -> None:
    lane = lane_of()
    for medium, number in ((b"1" * 16, None), (b"2" * 16, 0), (b"3" * 16, 9)):
        (told,) = key(lane, number)
        assert isinstance(told, Show)
        assert "1 card forgotten" in told.sentence.en
        assert reasons(show(lane, medium)) == [Reason.NOT_ENTITLED]
    key(lane)
    lane.facts.now_ms += 15_000
    assert reasons(show(lane)) == [Reason.NOT_ENTITLED]


@BOTH
def test_a_code_of_the_operator_helps_once(lane_of: Any) -> None:
    lane = lane_of()
    key(lane)
    record = helped(show(lane, showing=b"s" * 16))
    assert any(mark.scope == "showing" for mark in record.marks)
    lane.facts.now_ms += 1_000
    again = lane.handle(Rejected(CodeReason.REPLAYED, GUARD, record.subject, b"s" * 16, test_turnstile.CARD_IN))
    assert reasons(again) == [CodeReason.REPLAYED]


@BOTH
def test_a_lane_that_is_taken_closed_or_full_helps_nobody(lane_of: Any) -> None:
    lane = lane_of()
    key(lane)
    helped(show(lane))
    key(lane)
    assert reasons(show(lane, OTHER)) == [Reason.BUSY]
    closed = lane_of(schedule={"windows": [{"days": ["sun"], "from": "09:00", "to": "10:00"}]})
    key(closed)
    assert Reason.OUT_OF_HOURS in reasons(show(closed))
    full = lane_of(area=AREA | {"occupancy": {"capacity": 1}})
    key(full)
    helped(show(full))
    passes(full)
    key(full)
    assert reasons(show(full, OTHER)) == [OccupancyReason.AREA_FULL]


@BOTH
def test_whoever_is_let_in_is_counted_inside_and_leaves_no_trace_in_anti_passback(lane_of: Any) -> None:
    lane = lane_of(admit={"entitlements": ["guard"]})
    key(lane)
    helped(show(lane))
    passes(lane)
    lane.facts.now_ms += 60_000
    key(lane, None)
    assert reasons(show(lane)) == [Reason.GRANTED]


@BOTH
def test_a_guard_who_is_forced_to_help_is_heard(lane_of: Any) -> None:
    lane = lane_of(duress={"entitlements": ["duress"]})
    key(lane)
    effects = show(lane, GUARD, "guard", "duress")
    assert reasons(effects) == [AssistedReason.ASSISTED, DuressReason.DURESS]
    assert any(isinstance(each, RaiseAlarm) for each in effects)


@BOTH
def test_without_operators_and_in_a_fire_the_key_does_nothing(lane_of: Any) -> None:
    lane = lane_of(assisted=None)
    assert key(lane) == ()
    burning = lane_of()
    burning.handle(InputChanged("fire", True))
    assert key(burning) == ()
