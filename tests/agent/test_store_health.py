"""A technician reads in the log what holds the journal up, with the remedy, and that it is over."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog

from agent.devices import Conditions
from agent.logs import configure, drain
from agent.store_health import JournalCondition, tell_store_health
from offline_store.errors import IoFailed
from offline_store.wal import Health, LogState


@pytest.fixture(autouse=True)
def _other_tests_keep_their_logger() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_each_state_is_one_line_in_two_languages(capfd: pytest.CaptureFixture[str]) -> None:
    configure("json", "info")
    for health in (
        Health(LogState.HELD, 10**8),
        Health(LogState.FAILED, 10**8, IoFailed("整理时：磁盘", "while checkpointing: the disk")),
        Health(LogState.FREE),
    ):
        tell_store_health(health)
    assert drain(10.0)
    held, failed, free = map(json.loads, capfd.readouterr().err.splitlines())
    assert (held["level"], failed["level"], free["level"]) == ("error", "error", "info")
    assert "end that program" in held["en"]
    assert "请关闭那个程序" in held["zh"]
    assert failed["detail"] == "while checkpointing: the disk"
    assert "dropped" not in held | failed | free


def test_a_journal_that_takes_nothing_is_a_condition_and_one_alarm_until_it_works_again() -> None:
    conditions = Conditions(())
    alarms: list[str] = []
    condition = JournalCondition(conditions, lambda reason: alarms.append(reason.code), now_ms=lambda: 7)
    condition.works()
    condition.failed("the disk is full")
    condition.failed("the disk is full")
    (state,) = conditions.states()
    assert (state.name, state.state, state.reason, state.since_ms) == ("journal", "failed", "not-recorded", 7)
    assert alarms == ["not-recorded"]
    condition.works()
    assert conditions.states() == ()
    condition.failed("the disk is full")
    assert alarms == ["not-recorded", "not-recorded"]
