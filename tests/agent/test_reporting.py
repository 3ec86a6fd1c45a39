"""The platform is told by the state topic what status and metrics tell on the machine."""

from __future__ import annotations

import pytest

from agent.reporting import report_of
from agent.standing import ConfiguredNow
from agent.sync.contract import Condition
from profiles.api import ClockState
from tests.agent.test_exposition import NOW


def test_everything_that_it_says_is_what_the_terminal_says_of_itself() -> None:
    configured = ConfiguredNow(issue=7, on_trial=False, withdrawn=8, why="invalid", at="lanes.gate.profile")
    report = report_of(NOW.model_copy(update={"configured": configured}))
    assert (report.software, report.configuration) == (NOW.software, NOW.configuration)
    assert [(each.name, each.version) for each in report.bundles] == [("keys", 3), ("status-1", 1)]
    assert [(each.name, each.condition) for each in report.devices] == [
        ("board", Condition.READY),
        ("scanner", Condition.FAILED),
    ]
    assert report.buffer is not None
    assert report.buffer.model_dump() == {
        "unacknowledged": 21,
        "size_bytes": 4_096,
        "hours_left": 5,
        "unrecorded": 2,
    }
    assert (report.clock.value, report.clock_uncertainty_ms, report.broker) == ("synchronised", 2_000, 1)
    assert report.configured is not None
    assert report.configured.model_dump() == configured.model_dump()


@pytest.mark.parametrize(("state", "known"), [(ClockState.HOLDOVER, 2_000), (ClockState.UNTRUSTED, None)])
def test_how_far_a_clock_may_be_off_is_said_by_whole_seconds_while_it_is_trusted(
    state: ClockState, known: int | None
) -> None:
    now = NOW.model_copy(update={"clock": NOW.clock.model_copy(update={"state": state.value})})
    assert report_of(now).clock_uncertainty_ms == known


def test_before_it_is_in_service_and_has_a_link_it_has_little_to_say() -> None:
    report = report_of(NOW.model_copy(update={"link": None, "bundles": (), "configured": None}))
    assert (report.broker, report.bundles, report.configured) == (None, (), None)
    assert report.buffer is not None
    assert report.buffer.unacknowledged == 0
