"""The turnstile in a fire, under the guard's key, and what of it is saved."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from profiles.api import (
    InputChanged,
    Kind,
    Presented,
    Reason,
    Rejected,
    Show,
    Tone,
)
from profiles.passage import PassageReason
from profiles.rules.passback import PassbackReason
from profiles.trace import Rule, RuleEnum, read_trace
from profiles.turnstile_settings import TurnstileReason
from tests.profiles.test_turnstile import CARD_IN, WANG, Lane, alarms, credential, only, opened, records

# Fire ---------------------------------------------------------------------------------------------------------------


def test_in_a_fire_everybody_is_told_to_leave_and_the_passages_are_counted_into_its_end() -> None:
    lane = Lane()
    lane.tap()
    lane.walk_in()
    assert only(lane.handle(InputChanged("fire", active=True))).kind is Kind.LIFE_SAFETY
    for event in (Presented(credential(WANG), CARD_IN), Rejected(Reason.MEDIUM_LOST)):
        assert lane.handle(event) == (Show(Reason.FIRE.citizen, Tone.OK),)
    assert lane.walk_out() == lane.walk_in() == lane.walk_out() == ()
    cleared = only(lane.handle(InputChanged("fire", active=False)))
    assert cleared.reason is Reason.FIRE_CLEARED
    assert dict(cleared.public) == {"area": "hall", "in": 1, "out": 2, "inside": 0}
    assert lane.people == 0


def test_a_grant_from_before_the_fire_ends_by_its_time_and_a_fire_survives_a_restart() -> None:
    lane = Lane()
    lane.tap()
    lane.handle(InputChanged("fire", active=True))
    lane.walk_in()
    assert only(lane.time_over()).reason is PassageReason.TIMED_OUT
    assert lane.restart() == ()
    assert lane.state.fire
    assert lane.people == 0
    lane.handle(InputChanged("fire", active=False))
    assert lane.people == 1


def test_a_fire_that_no_input_can_end_any_more_ends_with_the_restart() -> None:
    lane = Lane()
    lane.handle(InputChanged("fire", active=True))
    unwired = Lane(fire_input=None)
    unwired.state = lane.state
    assert [record.reason for record in records(unwired.restart())] == [Reason.FIRE_CLEARED]
    assert not unwired.state.fire


def test_a_fire_is_urgent_and_nothing_else_is() -> None:
    turnstile = Lane().turnstile
    assert turnstile.urgent(InputChanged("fire", active=True)) is Reason.FIRE
    assert turnstile.urgent(InputChanged("fire", active=False)) is None
    assert turnstile.urgent(InputChanged("outer", active=True)) is None


# The guard's key ----------------------------------------------------------------------------------------------------


def test_the_key_empties_the_area_once_however_it_bounces() -> None:
    lane = Lane(reset_input="key")
    lane.tap()
    lane.walk_in()
    effects = lane.handle(InputChanged("key", active=True))
    assert (only(effects).reason, alarms(effects)) == (TurnstileReason.AREA_RESET, [TurnstileReason.AREA_RESET])
    assert lane.people == 0
    lane.handle(InputChanged("key", active=False))
    assert lane.handle(InputChanged("key", active=True)) == ()
    lane.facts.now_ms += 60_000
    assert opened(lane.tap()) == ["entry"]
    assert only(lane.handle(InputChanged("key", active=True))).reason is TurnstileReason.AREA_RESET


def test_a_guards_button_pardons_who_presents_next_and_the_trace_says_so() -> None:
    lane = Lane(pardon_input="button")
    lane.tap()
    lane.walk_in()
    lane.facts.now_ms += 60_000
    assert only(lane.tap()).reason is PassbackReason.STILL_INSIDE
    assert lane.handle(InputChanged("button", active=True)) == ()
    granted = only(lane.tap())
    assert granted.reason is Reason.GRANTED
    said = {step.rule: step.held for step in read_trace(granted.trace, RuleEnum)}
    assert (said[Rule.PASSBACK], said[Rule.CAPACITY]) == (False, True)
    lane.walk_in()
    lane.facts.now_ms += 60_000
    assert opened(lane.tap()) == []  # once
    lane.handle(InputChanged("button", active=True))
    lane.facts.now_ms += 10_000
    assert opened(lane.tap()) == []  # too late


# What is not saved --------------------------------------------------------------------------------------------------


def test_a_beam_alone_changes_nothing_that_is_saved() -> None:
    lane = Lane()
    lane.tap()
    before = lane.state.model_dump()
    lane.beams("outer+", "inner+", "outer-")
    assert lane.state.walk is not None
    assert lane.state.model_dump() == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"leaving_needs": "nothing"},
        {"reset_input": "key", "area": None},
        {"pardon_input": "button", "area": None},
        {"groups": {"class": 1}},
        {"admit": {}},
        {"area": {"name": "hall", "occupancy": {"capacity": 0}}},
    ],
)
def test_settings_that_do_not_go_together_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Lane(**wrong)
