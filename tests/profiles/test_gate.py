"""The gate's decisions, named by verdict."""

from __future__ import annotations

import string
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from profiles.api import (
    Actuate,
    Actuated,
    Assurance,
    Credential,
    Effect,
    Event,
    InputChanged,
    Kind,
    Presented,
    RaiseAlarm,
    Reason,
    Record,
    RecordedLate,
    Rejected,
    Restarted,
    Show,
    StartTimer,
    Subject,
    TimerFired,
)
from profiles.gate import Gate, GateSettings, GateState
from profiles.passage import PASSAGE_TIMER, PassageReason
from profiles.reasons import ReasonEnum
from tests.profiles.facts import HeldFacts

LI, WANG = b"L" * 16, b"W" * 16


def credential(medium: bytes = LI, *entitlements: str, assurance: Assurance = Assurance.READ) -> Credential:
    return Credential(medium, Subject("site", medium), "social-security", assurance, frozenset(entitlements))


class Lane:
    """A gate with its state, as the agent runs it, without disk or devices."""

    def __init__(self, **changes: Any) -> None:
        self.gate = Gate(GateSettings.model_validate({"admit": {"everyone": True}} | changes))
        self.state = self.gate.idle()
        self.facts = HeldFacts()

    def handle(self, event: Event) -> tuple[Effect, ...]:
        step = self.gate.handle(self.state, event, self.facts)
        self.state = step.state
        self.facts.keep(step.effects)
        return step.effects

    def tap(self, medium: bytes = LI, *entitlements: str) -> tuple[Effect, ...]:
        return self.handle(Presented(credential(medium, *entitlements)))


def record_of(effects: tuple[Effect, ...]) -> Record:
    (record,) = [effect for effect in effects if isinstance(effect, Record)]
    return record


def opens(effects: tuple[Effect, ...]) -> bool:
    return any(isinstance(effect, Actuate) for effect in effects)


def test_a_grant_is_recorded_before_the_gate_is_opened() -> None:
    effects = Lane().tap()
    assert [type(effect) for effect in effects] == [Record, Actuate, Show, StartTimer]
    record = record_of(effects)
    assert (record.kind, record.reason, record.medium) == (Kind.DECISION, Reason.GRANTED, LI)


def test_a_passage_ends_the_crossing_with_an_outcome_that_names_the_grant() -> None:
    lane = Lane()
    granted = record_of(lane.tap())
    passed = record_of(lane.handle(InputChanged("passage", active=True)))
    assert (passed.kind, passed.reason, passed.refers_to) == (Kind.OUTCOME, PassageReason.PASSED, granted.id)
    assert lane.state.crossing is None


@pytest.mark.parametrize(
    ("changes", "shown", "reason"),
    [
        ({"least_assurance": "dynamic-code"}, credential(), Reason.ASSURANCE_TOO_LOW),
        ({"admit": {"entitlements": ["staff"]}}, credential(LI, "student"), Reason.NOT_ENTITLED),
        ({"admit": {"media": [WANG.hex()]}}, credential(LI), Reason.NOT_ENTITLED),
        (
            {"schedule": {"windows": [{"days": ["sun"], "from": "08:00", "to": "18:00"}]}},
            credential(),
            Reason.OUT_OF_HOURS,
        ),
    ],
)
def test_a_refusal_says_why_and_opens_nothing(changes: dict[str, Any], shown: Credential, reason: ReasonEnum) -> None:
    effects = Lane(**changes).handle(Presented(shown))
    assert record_of(effects).reason is reason
    assert not opens(effects)


@pytest.mark.parametrize(
    ("admit", "shown"),
    [
        ({"entitlements": ["staff", "resident"]}, credential(LI, "resident")),
        ({"media": [LI.hex()], "entitlements": ["staff"]}, credential(LI)),
        ({"everyone": True}, credential(WANG)),
    ],
)
def test_who_is_named_is_admitted(admit: dict[str, Any], shown: Credential) -> None:
    assert opens(Lane(admit=admit).handle(Presented(shown)))


def test_a_gate_that_names_nobody_is_a_mistake_of_the_configuration() -> None:
    with pytest.raises(ValidationError, match="name somebody"):
        GateSettings.model_validate({"admit": {}})


def test_a_reading_that_is_no_credential_is_recorded_with_its_reason() -> None:
    effects = Lane().handle(Rejected(Reason.CARD_REMOVED))
    assert record_of(effects).reason is Reason.CARD_REMOVED
    assert not opens(effects)


def test_the_same_card_again_before_passing_opens_again_under_the_first_decision() -> None:
    lane = Lane()
    granted = record_of(lane.tap())
    again = lane.tap()
    assert (record_of(again).reason, record_of(again).refers_to) == (PassageReason.GRANTED_AGAIN, granted.id)
    assert opens(again)
    record_of(lane.handle(InputChanged("passage", active=True)))
    assert record_of(lane.handle(InputChanged("passage", active=True))).reason is PassageReason.FORCED_OPEN


def test_a_card_handed_back_over_the_gate_is_refused_inside_the_window_and_accepted_after_it() -> None:
    lane = Lane(double_tap_ms=3_000)
    lane.tap()
    lane.handle(InputChanged("passage", active=True))
    lane.facts.now_ms += 2_999
    assert record_of(lane.tap()).reason is PassageReason.JUST_PASSED
    lane.facts.now_ms += 1
    assert record_of(lane.tap()).reason is Reason.GRANTED


def test_the_window_is_shared_by_the_lanes_of_one_direction() -> None:
    left, right, way_out = Lane(), Lane(), Lane(direction="out")
    right.facts = way_out.facts = left.facts
    left.tap()
    assert record_of(right.tap()).reason is PassageReason.JUST_PASSED
    assert record_of(way_out.tap()).reason is Reason.GRANTED


def test_another_person_waits_until_the_first_has_passed() -> None:
    lane = Lane()
    lane.tap(LI)
    assert record_of(lane.tap(WANG)).reason is Reason.BUSY
    lane.handle(InputChanged("passage", active=True))
    assert record_of(lane.tap(WANG)).reason is Reason.GRANTED


def test_a_passage_that_nobody_used_gives_the_right_back() -> None:
    lane = Lane(double_tap_ms=60_000)
    granted = record_of(lane.tap())
    lane.facts.now_ms += 8_000
    assert record_of(lane.handle(TimerFired(PASSAGE_TIMER, granted.id))).reason is PassageReason.TIMED_OUT
    assert record_of(lane.tap()).reason is Reason.GRANTED


def test_the_timer_of_an_earlier_crossing_changes_nothing() -> None:
    lane = Lane()
    first = record_of(lane.tap(LI))
    lane.handle(InputChanged("passage", active=True))
    lane.tap(WANG)
    assert lane.handle(TimerFired(PASSAGE_TIMER, first.id)) == ()
    assert lane.state.crossing is not None


def test_passing_without_a_grant_raises_an_alarm() -> None:
    effects = Lane().handle(InputChanged("passage", active=True))
    record = record_of(effects)
    assert (record.kind, record.reason) == (Kind.ALARM, PassageReason.FORCED_OPEN)
    assert RaiseAlarm(PassageReason.FORCED_OPEN, record.id) in effects


def test_without_a_sensor_the_confirmed_pulse_is_the_outcome_and_the_window_opens_again() -> None:
    lane = Lane(passage_input=None)
    effects = lane.tap()
    granted = record_of(effects)
    assert not any(isinstance(effect, StartTimer) for effect in effects)
    assert record_of(lane.handle(Actuated(granted.id))).reason is Reason.ACTUATED
    assert record_of(lane.tap()).refers_to == granted.id


def test_a_gate_that_did_not_move_is_recorded_and_the_right_given_back() -> None:
    lane = Lane()
    granted = record_of(lane.tap())
    effects = lane.handle(Actuated(granted.id, fault="silent"))
    assert record_of(effects).reason is Reason.ACTUATOR_FAILED
    assert any(isinstance(effect, Show) for effect in effects)
    assert record_of(lane.tap()).reason is Reason.GRANTED


def test_a_record_that_came_too_late_is_followed_by_not_actuated() -> None:
    lane = Lane()
    granted = record_of(lane.tap())
    late = lane.handle(RecordedLate(granted.id))
    assert (record_of(late).reason, record_of(late).refers_to) == (Reason.NOT_ACTUATED, granted.id)
    assert not opens(late)


def test_after_a_restart_the_outcome_is_unknown_and_nothing_opens_again() -> None:
    lane = Lane()
    granted = record_of(lane.tap())
    lane.state = GateState.model_validate(lane.state.model_dump())
    effects = lane.handle(Restarted())
    assert (record_of(effects).reason, record_of(effects).refers_to) == (Reason.OUTCOME_UNKNOWN, granted.id)
    assert not opens(effects)
    assert lane.handle(InputChanged("passage", active=True)) == ()
    lane.facts.now_ms += 8_000
    assert record_of(lane.handle(InputChanged("passage", active=True))).reason is PassageReason.FORCED_OPEN


def test_whoever_may_have_passed_when_a_restart_cut_it_off_does_not_pass_again_at_once() -> None:
    lane = Lane(double_tap_ms=5_000)
    lane.tap()
    lane.handle(Restarted())
    assert record_of(lane.tap()).reason is PassageReason.JUST_PASSED
    lane.facts.now_ms += 5_000
    assert record_of(lane.tap()).reason is Reason.GRANTED


def test_who_is_granted_soon_after_a_restart_is_the_one_who_passes() -> None:
    lane = Lane(area={"name": "hall", "passback": {"mode": "hard"}})
    lane.tap(LI)
    lane.handle(Restarted())
    lane.facts.now_ms += 1_000
    granted = record_of(lane.tap(WANG))
    passed = record_of(lane.handle(InputChanged("passage", active=True)))
    assert (passed.reason, passed.refers_to) == (PassageReason.PASSED, granted.id)
    assert lane.state.unused is None
    lane.facts.now_ms += 60_000
    assert not opens(lane.tap(WANG)), "inside already"


def test_a_fire_that_no_input_can_end_any_more_ends_at_the_start() -> None:
    lane = Lane()
    lane.handle(InputChanged("fire", active=True))
    rewired = Lane(fire_input=None)
    rewired.state = lane.state
    assert record_of(rewired.handle(Restarted())).reason is Reason.FIRE_CLEARED
    assert record_of(rewired.tap()).reason is Reason.GRANTED


def test_only_the_beginning_of_a_fire_is_urgent() -> None:
    gate = Lane().gate
    assert gate.urgent(InputChanged("fire", active=True)) is Reason.FIRE
    assert gate.urgent(InputChanged("fire", active=False)) is None
    assert gate.urgent(InputChanged("passage", active=True)) is None
    assert Lane(fire_input=None).gate.urgent(InputChanged("fire", active=True)) is None


def test_fire_is_recorded_once_and_silences_refusals_and_alarms_until_it_is_reset() -> None:
    lane = Lane(admit={"entitlements": ["staff"]})
    fire = record_of(lane.handle(InputChanged("fire", active=True)))
    assert (fire.kind, fire.reason) == (Kind.LIFE_SAFETY, Reason.FIRE)
    assert lane.handle(InputChanged("fire", active=True)) == ()
    assert [type(effect) for effect in lane.tap()] == [Show]
    assert lane.handle(InputChanged("passage", active=True)) == ()
    assert record_of(lane.handle(InputChanged("fire", active=False))).reason is Reason.FIRE_CLEARED
    assert record_of(lane.tap()).reason is Reason.NOT_ENTITLED


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [("23 21:59", False), ("23 22:00", True), ("24 05:59", True), ("24 06:00", False), ("22 23:00", False)],
)
def test_a_window_over_midnight_belongs_to_the_day_on_which_it_starts(moment: str, is_open: bool) -> None:
    lane = Lane(schedule={"windows": [{"days": ["mon"], "from": "22:00", "to": "06:00"}]})
    local = datetime.strptime(f"2026-11-{moment}", "%Y-%m-%d %H:%M").replace(tzinfo=timezone(timedelta(hours=8)))
    lane.facts.now_ms = int(local.timestamp() * 1000)
    assert opens(lane.tap()) is is_open


def test_every_reason_has_its_own_code_and_both_languages() -> None:
    reasons: list[ReasonEnum] = [*Reason, *PassageReason]
    assert len({reason.code for reason in reasons}) == len(reasons)
    for reason in reasons:
        for sentence in (reason.citizen, reason.technician):
            assert any("\u4e00" <= letter <= "\u9fff" for letter in sentence.zh)
            assert set(sentence.en) & set(string.ascii_letters)
            assert not any("\u4e00" <= letter <= "\u9fff" for letter in sentence.en)


_EVENTS = st.one_of(
    st.sampled_from([LI, WANG]).map(lambda medium: Presented(credential(medium))),
    st.builds(InputChanged, st.sampled_from(["passage", "fire", "other"]), st.booleans()),
    st.builds(TimerFired, st.just(PASSAGE_TIMER), st.integers(1, 40).map(lambda n: n.to_bytes(16, "big"))),
    st.builds(Actuated, st.integers(1, 40).map(lambda n: n.to_bytes(16, "big")), st.sampled_from(["", "silent"])),
    st.sampled_from([Restarted(), Rejected(Reason.CARD_REMOVED)]),
)


@given(st.lists(st.tuples(_EVENTS, st.integers(0, 10_000)), max_size=40))
@settings(max_examples=200, deadline=None)
def test_whatever_happens_each_grant_lets_at_most_one_person_pass_and_each_opening_has_its_record_first(
    script: list[tuple[Event, int]],
) -> None:
    lane = Lane()
    open_grants: set[bytes] = set()
    for event, pause_ms in script:
        lane.facts.now_ms += pause_ms
        effects = lane.handle(event)
        for index, effect in enumerate(effects):
            if isinstance(effect, Actuate):
                assert any(isinstance(before, Record) for before in effects[:index])
                open_grants.add(effect.about)
            if isinstance(effect, Record) and effect.reason is PassageReason.PASSED:
                assert effect.refers_to in open_grants
                open_grants.discard(effect.refers_to)
        assert GateState.model_validate(lane.state.model_dump()) == lane.state


def test_a_grant_from_a_clock_that_ran_ahead_does_not_bar_its_holder() -> None:
    lane = Lane()
    now_ms = lane.facts.now_ms
    lane.facts.now_ms += 365 * 86_400_000
    lane.tap()
    lane.handle(InputChanged("passage", active=True))
    lane.facts.now_ms = now_ms
    assert record_of(lane.tap()).reason is Reason.GRANTED


def test_after_a_restart_from_a_clock_that_ran_ahead_a_forced_gate_is_noticed() -> None:
    lane = Lane()
    now_ms = lane.facts.now_ms
    lane.facts.now_ms += 365 * 86_400_000
    lane.tap()
    lane.facts.now_ms = now_ms
    lane.handle(Restarted())
    lane.facts.now_ms += 8_000
    assert record_of(lane.handle(InputChanged("passage", active=True))).reason is PassageReason.FORCED_OPEN
