"""Every cell of the turnstile's table, named by what happens."""

from __future__ import annotations

from typing import Any

import pytest

from profiles.api import (
    Actuate,
    Actuated,
    Assurance,
    Credential,
    Effect,
    Event,
    InputChanged,
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
    StartTimer,
    Subject,
    TimerFired,
)
from profiles.code_reasons import CodeReason
from profiles.passage import PASSAGE_TIMER, PassageReason
from profiles.reasons import ReasonEnum
from profiles.refusals import REPEATS_TIMER
from profiles.rules.minors import AgeReason
from profiles.rules.occupancy import OccupancyReason, inside
from profiles.rules.passback import PassbackReason
from profiles.turnstile import Turnstile
from profiles.turnstile_settings import TurnstileReason, TurnstileSettings
from tests.profiles.facts import HeldFacts

LI, WANG = b"L" * 16, b"W" * 16
HALL = {"name": "hall", "passback": {"mode": "hard"}, "occupancy": {"capacity": 5}}
CARD_IN, CARD_OUT = "reader-in", "reader-out"


def credential(medium: bytes = LI, *entitlements: str, showing: bytes | None = None) -> Credential:
    return Credential(
        medium,
        Subject("city", medium),
        "social-security",
        Assurance.READ if showing is None else Assurance.DYNAMIC_CODE,
        frozenset(entitlements),
        presentation=showing,
        marks=() if showing is None else (Mark("showing", showing, 1, 2**40),),
    )


class Lane:
    """A turnstile with its state, as the agent runs it, without disk or devices."""

    def __init__(self, **changes: Any) -> None:
        given = {"admit": {"everyone": True}, "area": HALL, "exit_readers": [CARD_OUT]} | changes
        self.turnstile = Turnstile(TurnstileSettings.model_validate(given))
        self.state = self.turnstile.idle()
        self.facts = HeldFacts()

    def handle(self, event: Event) -> tuple[Effect, ...]:
        step = self.turnstile.handle(self.state, event, self.facts)
        self.state = step.state
        self.facts.keep(step.effects)
        return step.effects

    def tap(self, medium: bytes = LI, *entitlements: str, reader: str = CARD_IN) -> tuple[Effect, ...]:
        return self.handle(Presented(credential(medium, *entitlements), reader))

    def beams(self, *changes: str) -> tuple[Effect, ...]:
        """``outer+`` breaks the outer beam, ``outer-`` clears it; all that follows from them."""
        return tuple(
            effect for change in changes for effect in self.handle(InputChanged(change[:-1], change.endswith("+")))
        )

    def walk_in(self) -> tuple[Effect, ...]:
        return self.beams("outer+", "inner+", "outer-", "inner-")

    def walk_out(self) -> tuple[Effect, ...]:
        return self.beams("inner+", "outer+", "inner-", "outer-")

    def time_over(self) -> tuple[Effect, ...]:
        assert self.state.way is not None
        return self.handle(TimerFired(PASSAGE_TIMER, self.state.way.record_id))

    def restart(self) -> tuple[Effect, ...]:
        """What the disk had is what comes back."""
        self.state = type(self.state).model_validate(self.state.model_dump())
        return self.handle(Restarted())

    @property
    def people(self) -> int:
        return inside("hall", self.facts)


def records(effects: tuple[Effect, ...]) -> list[Record]:
    return [effect for effect in effects if isinstance(effect, Record)]


def only(effects: tuple[Effect, ...]) -> Record:
    (record,) = records(effects)
    return record


def opened(effects: tuple[Effect, ...]) -> list[str]:
    return [effect.output for effect in effects if isinstance(effect, Actuate)]


def alarms(effects: tuple[Effect, ...]) -> list[ReasonEnum]:
    return [effect.reason for effect in effects if isinstance(effect, RaiseAlarm)]


# Idle ---------------------------------------------------------------------------------------------------------------


def test_a_grant_is_recorded_before_the_way_is_opened_and_counts_whoever_comes_in() -> None:
    lane = Lane()
    effects = lane.tap()
    assert [type(effect) for effect in effects] == [Record, Actuate, Show, StartTimer]
    record = only(effects)
    assert (record.kind, record.reason) == (Kind.DECISION, Reason.GRANTED)
    assert dict(record.public) == {"direction": "in", "area": "hall", "source": "social-security", "assurance": 2}
    assert (opened(effects), lane.people) == (["entry"], 1)


def test_a_reader_on_the_inner_side_opens_the_way_out_and_the_count_falls_when_it_was_used() -> None:
    lane = Lane()
    lane.tap()
    lane.walk_in()
    lane.facts.now_ms += 60_000
    effects = lane.tap(reader=CARD_OUT)
    assert (opened(effects), lane.people) == (["exit"], 1)
    passed = only(lane.walk_out())
    assert (passed.reason, passed.refers_to) == (PassageReason.PASSED, only(effects).id)
    assert dict(passed.public) == {"direction": "out", "area": "hall", "inside": 0}
    assert lane.people == 0


@pytest.mark.parametrize(
    ("changes", "entitlements", "reason"),
    [
        ({"least_assurance": "dynamic-code"}, (), Reason.ASSURANCE_TOO_LOW),
        ({"admit": {"entitlements": ["staff"]}}, ("pupil",), Reason.NOT_ENTITLED),
        ({"schedule": {"windows": [{"from": "08:00", "to": "10:00"}]}}, (), Reason.OUT_OF_HOURS),
        ({"minors": {"allowed": "never"}}, ("pupil",), AgeReason.ADULTS_ONLY),
        ({"area": HALL | {"occupancy": {"capacity": 1}}, "groups": {"pair": 2}}, ("pair",), OccupancyReason.AREA_FULL),
    ],
)
def test_each_rule_refuses_whoever_comes_in(
    changes: dict[str, Any], entitlements: tuple[str, ...], reason: ReasonEnum
) -> None:
    lane = Lane(**changes)
    effects = lane.tap(LI, *entitlements)
    assert (only(effects).reason, opened(effects), lane.people) == (reason, [], 0)


@pytest.mark.parametrize(("needs", "opens"), [("credential", ["exit"]), ("entitlement", [])])
def test_hours_and_age_hold_nobody_back_inside_and_entitlement_only_where_it_is_said(
    needs: str, opens: list[str]
) -> None:
    lane = Lane(
        admit={"entitlements": ["staff"]},
        schedule={"windows": [{"from": "08:00", "to": "10:00"}]},
        minors={"allowed": "never"},
        leaving_needs=needs,
    )
    assert opened(lane.tap(LI, "pupil", reader=CARD_OUT)) == opens


def test_nobody_goes_in_twice_without_coming_out_whatever_restarts_in_between() -> None:
    lane = Lane()
    lane.tap()
    lane.walk_in()
    lane.restart()
    lane.facts.now_ms += 600_000
    refused = only(lane.tap())
    assert refused.reason is PassbackReason.STILL_INSIDE
    lane.tap(reader=CARD_OUT)
    lane.walk_out()
    lane.facts.now_ms += 600_000
    assert opened(lane.tap()) == ["entry"]


def test_the_same_card_right_after_its_passage_is_told_so() -> None:
    lane = Lane(area=None)
    lane.tap()
    lane.walk_in()
    assert only(lane.tap()).reason is PassageReason.JUST_PASSED


def test_a_reading_that_failed_is_refused_with_the_direction_of_its_reader_if_it_is_known() -> None:
    lane = Lane()
    assert only(lane.handle(Rejected(Reason.MEDIUM_LOST, LI, reader=CARD_OUT))).public["direction"] == "out"
    assert "direction" not in only(lane.handle(Rejected(Reason.CARD_REMOVED))).public


def test_somebody_who_passes_without_a_grant_is_an_alarm_and_is_counted_each_time_and_each_way() -> None:
    lane = Lane()
    effects = lane.walk_in()
    forced = only(effects)
    assert (forced.kind, forced.reason, forced.refers_to) == (Kind.ALARM, PassageReason.FORCED_OPEN, None)
    assert (forced.public["direction"], forced.public["inside"], alarms(effects)) == (
        "in",
        1,
        [PassageReason.FORCED_OPEN],
    )
    assert records(lane.walk_in()) == []  # the same again in the window
    assert lane.people == 1
    assert only(lane.walk_out()).public["direction"] == "out"
    (counted,) = records(lane.handle(TimerFired(REPEATS_TIMER, lane.state.repeats.window)))
    assert (counted.reason, counted.public["repeated"]) == (Reason.REPEATED, 1)
    assert lane.people == 1


def test_stepping_back_from_an_idle_turnstile_is_nothing() -> None:
    lane = Lane()
    assert lane.beams("outer+", "outer-") == ()


def test_a_free_exit_is_counted_and_no_alarm() -> None:
    lane = Lane(exit_readers=[], leaving_needs="nothing")
    lane.tap()
    lane.walk_in()
    left = only(lane.walk_out())
    assert (left.kind, left.reason, left.public["inside"]) == (Kind.OUTCOME, TurnstileReason.WENT_OUT, 0)
    assert only(lane.walk_out()).public["inside"] == 0  # somebody whom nobody saw come in


# Granted ------------------------------------------------------------------------------------------------------------


def test_a_passage_ends_the_grant_with_an_outcome_that_names_it() -> None:
    lane = Lane()
    granted = only(lane.tap())
    assert lane.beams("outer+", "inner+", "outer-") == ()
    passed = only(lane.beams("inner-"))
    assert (passed.kind, passed.reason, passed.refers_to) == (Kind.OUTCOME, PassageReason.PASSED, granted.id)
    assert (passed.public["inside"], lane.state.way) == (1, None)


def test_the_same_card_again_is_the_same_decision_and_another_waits() -> None:
    lane = Lane()
    granted = only(lane.tap())
    effects = lane.tap()
    assert (only(effects).reason, only(effects).refers_to) == (PassageReason.GRANTED_AGAIN, granted.id)
    assert (opened(effects), lane.people) == (["entry"], 1)
    assert only(lane.tap(WANG)).reason is Reason.BUSY


def test_time_over_gives_every_right_back() -> None:
    lane = Lane()
    granted = only(lane.tap())
    over = only(lane.time_over())
    assert (over.reason, over.refers_to, lane.people) == (PassageReason.TIMED_OUT, granted.id, 0)
    assert opened(lane.tap()) == ["entry"]  # neither double tap nor anti-passback stands in the way


def test_whoever_steps_back_has_a_moment_left_then_the_grant_is_reversed() -> None:
    lane = Lane()
    granted = only(lane.tap())
    (soon,) = lane.beams("outer+", "outer-")
    assert isinstance(soon, StartTimer)
    assert soon.delay_ms < lane.turnstile._settings.passage_timeout_ms
    reversed_ = only(lane.time_over())
    assert (reversed_.reason, reversed_.refers_to, lane.people) == (TurnstileReason.REVERSED, granted.id, 0)


def test_whoever_steps_back_and_then_goes_through_has_passed() -> None:
    lane = Lane()
    lane.tap()
    lane.beams("outer+", "inner+", "inner-", "outer-")
    assert only(lane.walk_in()).reason is PassageReason.PASSED


def test_the_time_of_somebody_in_the_passage_is_prolonged_and_the_second_time_an_alarm() -> None:
    lane = Lane()
    granted = only(lane.tap())
    lane.beams("outer+", "inner+")
    (again,) = lane.time_over()
    assert isinstance(again, StartTimer)
    effects = lane.time_over()
    assert (only(effects).reason, only(effects).refers_to) == (TurnstileReason.PASSAGE_BLOCKED, granted.id)
    assert alarms(effects) == [TurnstileReason.PASSAGE_BLOCKED]
    assert only(lane.beams("outer-", "inner-")).reason is PassageReason.PASSED


def test_somebody_behind_the_holder_is_a_tailgater_and_the_record_names_whom_he_followed() -> None:
    lane = Lane()
    granted = only(lane.tap())
    effects = lane.beams("outer+", "inner+", "outer-", "outer+", "inner-", "inner+", "outer-", "inner-")
    passed, tailgate = records(effects)
    assert (passed.reason, tailgate.reason) == (PassageReason.PASSED, TurnstileReason.TAILGATE)
    assert (tailgate.kind, tailgate.refers_to, lane.people) == (Kind.ALARM, granted.id, 2)
    assert alarms(effects) == [TurnstileReason.TAILGATE]


def test_after_a_while_nobody_is_followed_any_more() -> None:
    lane = Lane()
    lane.tap()
    lane.walk_in()
    lane.facts.now_ms += 3_001
    assert only(lane.walk_in()).reason is PassageReason.FORCED_OPEN


def test_a_passage_the_other_way_is_no_part_of_the_grant() -> None:
    lane = Lane()
    lane.tap()
    assert only(lane.walk_out()).reason is PassageReason.FORCED_OPEN
    assert lane.state.way is not None
    assert only(lane.walk_in()).reason is PassageReason.PASSED


def test_a_group_passes_on_one_card_and_those_who_do_not_come_are_given_back() -> None:
    lane = Lane(groups={"class": 3})
    granted = only(lane.tap(LI, "class"))
    assert (granted.public["people"], lane.people) == (3, 3)
    for _ in range(2):
        assert [type(effect) for effect in lane.walk_in()] == [StartTimer]
    over = only(lane.time_over())
    assert (over.reason, over.public["passed"], over.public["inside"]) == (PassageReason.TIMED_OUT, 2, 2)
    assert only(lane.tap(LI, "class")).reason is PassageReason.JUST_PASSED
    lane.facts.now_ms += 60_000
    assert only(lane.tap(LI, "class")).reason is PassbackReason.STILL_INSIDE


def test_a_whole_group_that_passed_is_one_outcome_and_the_next_is_a_tailgater() -> None:
    lane = Lane(groups={"class": 2})
    lane.tap(LI, "class")
    lane.walk_in()
    assert only(lane.walk_in()).reason is PassageReason.PASSED
    assert only(lane.walk_in()).reason is TurnstileReason.TAILGATE


@pytest.mark.parametrize("late", [False, True])
def test_an_output_that_does_not_answer_or_a_late_record_gives_every_right_back(late: bool) -> None:
    lane = Lane()
    granted = only(lane.tap())
    ended = only(lane.handle(RecordedLate(granted.id) if late else Actuated(granted.id, fault="silent")))
    assert ended.reason is (Reason.NOT_ACTUATED if late else Reason.ACTUATOR_FAILED)
    assert (ended.refers_to, lane.people) == (granted.id, 0)
    assert opened(lane.tap()) == ["entry"]


def test_what_is_about_another_grant_changes_nothing() -> None:
    lane = Lane()
    lane.tap()
    before = lane.state
    stale = b"?" * 16
    for event in (TimerFired(PASSAGE_TIMER, stale), Actuated(stale, "silent"), RecordedLate(stale), Actuated(stale)):
        assert lane.handle(event) == ()
    assert lane.state == before


# Codes --------------------------------------------------------------------------------------------------------------


def replayed(showing: bytes, reader: str = CARD_IN) -> Rejected:
    return Rejected(CodeReason.REPLAYED, LI, Subject("city", LI), showing, reader)


def test_a_code_opens_again_what_it_opened_and_nobody_used_and_takes_its_rights_again() -> None:
    lane = Lane()
    granted = only(lane.handle(Presented(credential(showing=b"s" * 16), CARD_IN)))
    lane.time_over()
    effects = lane.handle(replayed(b"s" * 16))
    assert (only(effects).reason, only(effects).refers_to) == (PassageReason.GRANTED_AGAIN, granted.id)
    assert (opened(effects), lane.people) == (["entry"], 1)
    assert opened(lane.handle(replayed(b"s" * 16))) == ["entry"]
    assert lane.people == 1
    lane.walk_in()
    assert only(lane.handle(replayed(b"s" * 16))).reason is CodeReason.REPLAYED


def test_a_code_opens_again_neither_the_other_way_nor_a_full_area() -> None:
    lane = Lane(area=HALL | {"occupancy": {"capacity": 1}})
    lane.handle(Presented(credential(showing=b"s" * 16), CARD_IN))
    lane.time_over()
    assert only(lane.handle(replayed(b"s" * 16, CARD_OUT))).reason is CodeReason.REPLAYED
    lane.walk_in()  # somebody else took the place
    assert only(lane.handle(replayed(b"s" * 16))).reason is OccupancyReason.AREA_FULL


def test_a_code_shown_afresh_while_its_holder_still_stands_there_is_the_one_that_opens_again() -> None:
    lane = Lane()
    lane.handle(Presented(credential(showing=b"s" * 16), CARD_IN))
    lane.handle(Presented(credential(showing=b"t" * 16), CARD_IN))
    assert lane.state.way is not None
    assert lane.state.way.presentation == b"t" * 16


# Cut off by a restart -----------------------------------------------------------------------------------------------


def test_a_restart_ends_a_grant_as_unknown_gives_nothing_back_and_opens_nothing() -> None:
    lane = Lane()
    granted = only(lane.tap())
    effects = lane.restart()
    assert (only(effects).reason, only(effects).refers_to) == (Reason.OUTCOME_UNKNOWN, granted.id)
    assert (opened(effects), lane.people) == ([], 1)
    late = only(lane.walk_in())
    assert (late.reason, late.refers_to, lane.people) == (PassageReason.PASSED, granted.id, 1)
    assert only(lane.walk_in()).reason is PassageReason.FORCED_OPEN


def test_the_way_out_that_a_restart_cut_off_is_counted_when_it_is_used_and_only_within_its_time() -> None:
    lane = Lane()
    lane.tap()
    lane.walk_in()
    lane.tap(reader=CARD_OUT)
    lane.restart()
    assert lane.people == 1
    assert only(lane.walk_out()).public["inside"] == 0
    lane.tap(WANG)
    lane.restart()
    lane.facts.now_ms += 8_001
    assert only(lane.walk_in()).reason is PassageReason.FORCED_OPEN


def test_after_a_restart_the_beams_tell_anew_who_is_in_the_passage() -> None:
    lane = Lane()
    lane.beams("outer+")
    lane.restart()
    assert lane.state.walk is None
    assert only(lane.walk_in()).reason is PassageReason.FORCED_OPEN
