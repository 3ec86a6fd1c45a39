"""When a configuration has proven itself: everything that was well before is well, and stays so."""

from __future__ import annotations

import pytest

from agent.configuration.standing import Why
from agent.configuration.trial import PATIENCE_S, PLATFORM, TrialWatch, Verdict

TRIAL_S = 300.0
WELL: frozenset[str] = frozenset()
READER = frozenset({"card-field"})


def watch(*excused: str) -> TrialWatch:
    return TrialWatch(0.0, TRIAL_S, frozenset(excused))


def test_it_is_proven_when_its_time_is_over_and_not_before() -> None:
    trial = watch()
    assert trial.look(TRIAL_S - 1, WELL) is None
    assert trial.look(TRIAL_S, WELL) is Verdict.PROVEN


def test_what_comes_back_in_time_was_not_lost() -> None:
    trial = watch()
    assert trial.look(PATIENCE_S - 1, READER | {PLATFORM}) is None
    assert trial.look(PATIENCE_S, WELL) is None
    assert trial.look(2 * PATIENCE_S - 1, READER) is None
    assert trial.look(2 * PATIENCE_S, WELL) is None
    assert trial.look(TRIAL_S, WELL) is Verdict.PROVEN


@pytest.mark.parametrize(
    ("amiss", "why"),
    [
        (READER, Why.DEVICES_LOST),
        (frozenset({PLATFORM}), Why.PLATFORM_LOST),
        (READER | {PLATFORM}, Why.DEVICES_LOST),
    ],
)
def test_what_stays_away_fails_it_with_its_reason(amiss: frozenset[str], why: Why) -> None:
    trial = watch()
    trial.look(10, WELL)
    assert trial.look(10 + PATIENCE_S - 1, amiss) is None
    assert trial.look(10 + PATIENCE_S, amiss) is Verdict.FAILED
    assert trial.why is why


def test_at_its_end_nothing_may_be_amiss() -> None:
    trial = watch()
    trial.look(TRIAL_S - 1, WELL)
    assert trial.look(TRIAL_S, READER) is Verdict.FAILED


def test_what_was_amiss_before_is_not_its_fault() -> None:
    trial = watch("scanner", PLATFORM)
    assert trial.look(TRIAL_S - 1, frozenset({"scanner", PLATFORM})) is None
    assert trial.look(TRIAL_S, frozenset({"scanner", PLATFORM})) is Verdict.PROVEN
    assert watch("scanner").look(TRIAL_S, frozenset({"scanner", "card-slot"})) is Verdict.FAILED
