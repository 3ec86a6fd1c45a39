"""Logs hold no personal data, whatever a caller hands in."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from agent.logs import configure, log


@pytest.fixture(autouse=True)
def _other_tests_keep_their_logger() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_key_that_is_not_known_to_be_harmless_is_dropped_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json", "info")
    log(lane="north").info("decision", reason="granted", name="李秀英", id_number="110101199003070000")
    line = json.loads(capsys.readouterr().err)
    assert line["lane"] == "north"
    assert line["reason"] == "granted"
    assert line["dropped"] == "id_number,name"
    assert "李秀英" not in json.dumps(line, ensure_ascii=False)


def test_lines_are_json_for_machines_and_plain_words_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure("console", "info")
    log().info("show", zh="请通行", en="Please pass")
    assert "请通行" in capsys.readouterr().err


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json", "warning")
    log().info("ready")
    assert capsys.readouterr().err == ""


def test_a_log_that_cannot_be_written_costs_nobody_his_work(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:  # every write to it fails with ENOSPC
        monkeypatch.setattr(sys, "stderr", full)
        configure("json", "info")
        log().info("ready")
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()
