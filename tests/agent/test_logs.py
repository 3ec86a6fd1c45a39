"""Logs hold no personal data, whatever a caller hands in."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from agent.log_lines import MAX_LINES, LogLines
from agent.logs import configure, drain, log

DEADLINE_S = 10.0


@pytest.fixture(autouse=True)
def _other_tests_keep_their_logger() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def logged(capfd: pytest.CaptureFixture[str]) -> str:
    assert drain(DEADLINE_S)
    return capfd.readouterr().err


def test_a_key_that_is_not_known_to_be_harmless_is_dropped_and_named(capfd: pytest.CaptureFixture[str]) -> None:
    configure("json", "info")
    log(lane="north").info("decision", reason="granted", name="李秀英", id_number="110101199003070000")
    lines = map(json.loads, logged(capfd).splitlines())  # a thread that another test left may speak as well
    (line,) = [line for line in lines if line["event"] == "decision"]
    assert line["lane"] == "north"
    assert line["reason"] == "granted"
    assert line["dropped"] == "id_number,name"
    assert "李秀英" not in json.dumps(line, ensure_ascii=False)


def test_lines_are_json_for_machines_and_plain_words_for_people(capfd: pytest.CaptureFixture[str]) -> None:
    configure("console", "info")
    log().info("show", zh="请通行", en="Please pass")
    assert "请通行" in logged(capfd)


def test_what_is_below_the_level_is_not_written(capfd: pytest.CaptureFixture[str]) -> None:
    configure("json", "warning")
    log().info("ready")
    assert logged(capfd) == ""


def test_a_log_that_cannot_be_written_costs_nobody_his_work() -> None:
    with Path("/dev/full").open("wb") as full:  # every write to it fails with ENOSPC
        lines = LogLines(full.fileno())
        lines.write("ready\n")
        assert lines.drain(DEADLINE_S)


def test_a_reader_that_stalls_holds_nobody_up_and_hears_afterwards_how_much_was_lost() -> None:
    read_end, write_end = os.pipe()
    lines = LogLines(write_end)
    line = "x" * 4_095 + "\n"
    admitted = told = 0
    for _ in range(2 * MAX_LINES):
        with contextlib.suppress(structlog.DropEvent):
            told += lines.admit(None, "info", {}).get("lost", 0)  # where the pipe took some lines meanwhile
            lines.write(line)
            admitted += 1
    assert not lines.drain(0)
    assert MAX_LINES <= admitted < 2 * MAX_LINES
    with os.fdopen(read_end, "rb") as reader:
        assert reader.read(admitted * len(line)) == line.encode() * admitted
        assert lines.drain(DEADLINE_S)
        assert lines.admit(None, "info", {}) == {"lost": 2 * MAX_LINES - admitted - told}
        assert lines.admit(None, "info", {}) == {}
    os.close(write_end)


def test_a_process_ends_although_nobody_reads_its_log() -> None:
    program = """
from agent.logs import configure, log
configure("json")
for _ in range(3000):
    log().info("show", zh="请" * 99)
"""
    read_end, write_end = os.pipe()
    try:
        done = subprocess.run([sys.executable, "-c", program], stderr=write_end, timeout=DEADLINE_S, check=False)
        assert done.returncode == 0
    finally:
        os.close(read_end)
        os.close(write_end)
