"""The gate and codes: a showing opens once, and again only at the lane whose crossing it opened and nobody used."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from profiles.api import (
    Actuate,
    Actuated,
    Assurance,
    Credential,
    Effect,
    InputChanged,
    Mark,
    Presented,
    Reason,
    Record,
    Rejected,
    Restarted,
    Subject,
    TimerFired,
)
from profiles.code_reasons import CodeReason
from profiles.gate import GateSettings, GateState
from profiles.passage import PASSAGE_TIMER, PassageReason
from profiles.purpose import Purpose
from profiles.reasons import ReasonEnum
from profiles.rules.codes import CodePolicy, UntrustedClock
from tests.profiles.test_gate import Lane, opens, record_of

LI, WANG = b"L" * 16, b"W" * 16
PASSAGE = InputChanged("passage", active=True)


def code(showing: bytes, medium: bytes = LI) -> Presented:
    mark = Mark("code", showing, 1, 2**40)
    credential = Credential(
        medium, Subject("city", medium), "citizen-code", Assurance.DYNAMIC_CODE, presentation=showing, marks=(mark,)
    )
    return Presented(credential)


def replayed(showing: bytes, medium: bytes = LI) -> Rejected:
    return Rejected(CodeReason.REPLAYED, medium, Subject("city", medium), showing)


def reason_of(effects: tuple[Effect, ...]) -> ReasonEnum:
    return record_of(effects).reason


def timed_out(lane: Lane) -> None:
    assert lane.state.crossing is not None
    lane.handle(TimerFired(PASSAGE_TIMER, lane.state.crossing.record_id))


def test_the_record_that_grants_a_code_carries_its_replay_mark() -> None:
    record = record_of(Lane().handle(code(b"first")))
    assert ("code", b"first") in {(mark.scope, mark.key) for mark in record.marks}


def test_a_refused_code_is_not_used_up() -> None:
    lane = Lane(least_assurance="authenticated-card")
    assert record_of(lane.handle(code(b"first"))).marks == ()


def test_the_same_showing_opens_its_own_open_crossing_again() -> None:
    lane = Lane()
    granted = record_of(lane.handle(code(b"first")))
    again = lane.handle(replayed(b"first"))
    assert opens(again)
    assert (record_of(again).reason, record_of(again).refers_to) == (PassageReason.GRANTED_AGAIN, granted.id)


def test_the_same_showing_is_refused_once_somebody_has_passed() -> None:
    lane = Lane()
    lane.handle(code(b"first"))
    lane.handle(PASSAGE)
    refused = lane.handle(replayed(b"first"))
    assert not opens(refused)
    assert reason_of(refused) is CodeReason.REPLAYED


def test_the_same_showing_is_refused_at_another_lane() -> None:
    Lane().handle(code(b"first"))
    other = Lane()
    assert reason_of(other.handle(replayed(b"first"))) is CodeReason.REPLAYED
    other.handle(code(b"second", WANG))
    assert not opens(other.handle(replayed(b"first")))


def test_a_crossing_that_timed_out_is_armed_again_by_the_same_showing() -> None:
    lane = Lane()
    granted = record_of(lane.handle(code(b"first")))
    timed_out(lane)
    again = lane.handle(replayed(b"first"))
    assert opens(again)
    assert record_of(again).refers_to == granted.id
    lane.handle(PASSAGE)
    assert reason_of(lane.handle(replayed(b"first"))) is CodeReason.REPLAYED


def test_a_gate_that_did_not_move_is_armed_again_by_the_same_showing() -> None:
    lane = Lane()
    granted = record_of(lane.handle(code(b"first")))
    lane.handle(Actuated(granted.id, fault="silent"))
    assert opens(lane.handle(replayed(b"first")))


def test_a_crossing_cut_off_by_a_restart_is_not_opened_again() -> None:
    lane = Lane()
    lane.handle(code(b"first"))
    lane.handle(Restarted())
    assert reason_of(lane.handle(replayed(b"first"))) is CodeReason.REPLAYED


def test_after_another_grant_the_unused_showing_is_refused() -> None:
    lane = Lane()
    lane.handle(code(b"first"))
    timed_out(lane)
    lane.handle(code(b"second", WANG))
    assert reason_of(lane.handle(replayed(b"first"))) is CodeReason.REPLAYED


def test_a_fresh_showing_of_the_same_person_opens_again_and_is_used_up_too() -> None:
    lane = Lane()
    lane.handle(code(b"first"))
    again = lane.handle(code(b"second"))
    assert opens(again)
    assert [mark.key for mark in record_of(again).marks] == [b"second"]
    assert opens(lane.handle(replayed(b"second")))


def test_without_a_sensor_the_showing_opens_again_inside_the_double_tap_window_only() -> None:
    lane = Lane(passage_input=None, double_tap_ms=3_000)
    granted = record_of(lane.handle(code(b"first")))
    lane.handle(Actuated(granted.id))
    assert opens(lane.handle(replayed(b"first")))
    lane.handle(Actuated(granted.id))
    lane.facts.now_ms += 3_000
    assert reason_of(lane.handle(replayed(b"first"))) is CodeReason.REPLAYED


def test_in_a_fire_a_replayed_code_changes_nothing() -> None:
    lane = Lane()
    lane.handle(code(b"first"))
    lane.handle(InputChanged("fire", active=True))
    effects = lane.handle(replayed(b"first"))
    assert not any(isinstance(effect, (Actuate, Record)) for effect in effects)


def test_a_state_saved_by_an_earlier_version_is_read() -> None:
    lane = Lane()
    lane.handle(code(b"first"))
    saved = lane.state.model_dump()
    del saved["unused"], saved["crossing"]["presentation"]
    assert GateState.model_validate(saved).crossing is not None


# The settings -------------------------------------------------------------------------------------------------------


def gate_codes(**codes: Any) -> CodePolicy:
    return GateSettings.model_validate({"admit": {"everyone": True}, "codes": codes}).codes


def test_a_gate_takes_fresh_dynamic_codes_for_passing_unless_told_otherwise() -> None:
    policy = gate_codes()
    assert (policy.lifetime_ms, policy.static, policy.untrusted_clock) == (60_000, False, UntrustedClock.REFUSE)
    assert policy.purposes == {Purpose.ANY, Purpose.PASS}


def test_settings_are_written_by_name() -> None:
    policy = gate_codes(purposes=["pay"], untrusted_clock="judge", static=True)
    assert policy.purposes == {Purpose.PAY}
    assert policy.untrusted_clock is UntrustedClock.JUDGE


@pytest.mark.parametrize(
    "codes",
    [
        {"purposes": ["any"]},
        {"purposes": []},
        {"purposes": "pass"},
        {"purposes": ["spend"]},
        {"purposes": [1]},
        {"lifetime_ms": 600_001},
        {"lifetime_ms": 0},
        {"max_clock_uncertainty_ms": 300_001},
        {"untrusted_clock": "accept"},
        {"lifetime": 60},
    ],
)
def test_settings_that_say_nothing_or_too_much_are_refused(codes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        gate_codes(**codes)


def test_every_reason_of_a_code_has_its_own_code_and_both_languages() -> None:
    codes = [reason.code for kind in (Reason, PassageReason, CodeReason) for reason in kind]
    assert len(set(codes)) == len(codes)
    for reason in CodeReason:
        for sentence in (reason.citizen, reason.technician):
            assert any("\u4e00" <= char <= "\u9fff" for char in sentence.zh), reason
            assert sentence.en.isascii(), reason


def test_a_gate_for_health_certificates_says_which_colours_pass() -> None:
    with pytest.raises(ValidationError, match="health-green"):
        GateSettings.model_validate({"admit": {"everyone": True}, "codes": {"health": {}}})
    GateSettings.model_validate({"admit": {"entitlements": ["health-green"]}, "codes": {"health": {}}})
