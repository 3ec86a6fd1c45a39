"""A terminal at work that has never seen a network: the stick alone tells the platform, and tells the terminal back."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from agent.composition import keys_dir
from agent.config import load
from tests.agent.test_standing_socket import wait_for_answer
from tests.scenarios.site import started
from tests.tools.cli.test_journal import onecard, told
from tests.tools.platform.mqtt_client import wait_until
from tools.cli.bench_process import running_devices
from tools.cli.presets import preset_text
from tools.platform.ca import Authority
from tools.platform.service import Layout

TERMINAL = "stick-1"


def _waits(state: Path) -> bool:
    """Whether there is a journal yet, and a record in it."""
    done = onecard("outbox", "--state-dir", state, "--json")
    return done.returncode == 0 and json.loads(done.stdout)["waiting_records"] > 0


def test_a_running_terminal_without_a_network_exports_and_is_acknowledged(tmp_path: Path) -> None:
    state, platform, file = tmp_path / "state", tmp_path / "platform", tmp_path / "e"
    Authority.init(Layout(platform).keys).provision(TERMINAL, keys_dir(state))
    document = yaml.safe_load(preset_text("gate"))
    document["terminal"] |= {"id": TERMINAL, "state_dir": str(state)}
    config = tmp_path / "gate.yaml"
    config.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    with running_devices(load(config)) as devices, started(config, devices):
        wait_for_answer(state)
        wait_until(lambda: _waits(state), "it records nothing")
        before = told("outbox", "--state-dir", state)
        assert (before["running"], before["acknowledged"]) == (True, 0)
        exported = told("journal", "export", file, "--state-dir", state)
        brought = told("platform", "import", file, "--terminal", TERMINAL, "--dir", platform)
        assert brought["committed"] == exported["last"] >= before["waiting_records"] > 0
        taken = told("journal", "acknowledge", brought["ack"], "--state-dir", state)
        assert (taken["state"], taken["seq"]) == ("taken", exported["last"])
        assert told("outbox", "--state-dir", state)["acknowledged"] == exported["last"]
        assert json.loads(onecard("platform", "status", "--dir", platform, "--json").stdout)["alarms"] == []
