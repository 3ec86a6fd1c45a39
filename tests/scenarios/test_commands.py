"""The platform's commands as an operator gives them: to a gate at work, and to one that was killed."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from tests.scenarios.site import DEADLINE_S, started
from tests.scenarios.tills import till
from tools.platform.commands import platform as command
from tools.platform.service import Platform


def said(directory: Path, *words: str) -> Any:
    result = CliRunner().invoke(command, ["command", *words, "--dir", str(directory), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def ended(directory: Path, issued: dict[str, str], having: str = "seq") -> dict[str, Any]:
    """The command, once the journal has said what became of it; or the link, as of a report."""
    deadline_s = time.monotonic() + DEADLINE_S
    while (shown := said(directory, "show", issued["id"]))[having] is None:
        assert time.monotonic() < deadline_s, shown
    assert isinstance(shown, dict)
    return shown


def test_a_gate_opens_once_by_command_over_a_kill_and_what_was_given_meanwhile_is_done_when_it_is_back(
    tmp_path: Path,
) -> None:
    city = tmp_path / "city"
    with (
        Platform.start(city) as platform,
        till(tmp_path, platform.authority, platform.endpoint, "gate", open_pulse_ms=50) as site,
    ):
        terminal = site.terminal_id
        opened = said(city, "open", terminal, "north-in")
        site.expect("decision", reason="opened-by-command")
        assert ended(city, opened)["reason"] == "command-done"
        assert sum(change.on for change in site.relay().history) == 1

        site.press("passage", active=True)
        site.expect("outcome", reason="passed")
        site.press("passage", active=False)

        reported = ended(city, said(city, "report", terminal), "report")
        assert reported["report"]["terminal"] == terminal
        assert reported["report"]["in_service"] is True
        site.expect("command", reason="command-done")

        cut = said(city, "open", terminal, "north-in")
        site.expect("command", reason="command-accepted")
        os.kill(site.terminal.pid, signal.SIGKILL)
        site.terminal.stop()
        late, restart = said(city, "open", terminal, "nowhere"), said(city, "restart", terminal)
        with started(site.config, site.devices) as again:
            site.terminal, site.seen = again, 0
            site.expect("command", reason="command-accepted")
            site.expect("ready")
            site.expect("command", reason="command-done")
            became = ended(city, cut)["reason"]
            assert became in {"command-done", "command-outcome-unknown"}
            assert ended(city, late)["reason"] == "command-no-lane"
            assert ended(city, restart)["reason"] == "command-done"
        kinds = [record.entry.reason for record in site.records() if record.entry.kind == "command"]
        assert kinds == ["command-accepted", "command-done"] * 2 + [
            "command-accepted",
            became,
            "command-no-lane",
            "command-accepted",
            "command-done",
        ]
        assert sum(change.on for change in site.relay().history) <= 2
        assert {each["id"] for each in said(city, "list", terminal)} >= {late["id"], restart["id"]}
