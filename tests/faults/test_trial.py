"""A configuration that the platform gives a running gate: it proves itself, or the last good one comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

from agent.standing_socket import ask
from tests.faults.site import FaultySite, city, faulty_gate, tap, wait_until
from tools.platform.commands import platform

PULSES = (70, 90)


def platform_says(directory: Path, *arguments: str) -> str:
    result = CliRunner().invoke(platform, [*arguments, "--dir", str(directory / "city")], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def row(directory: Path) -> dict[str, Any]:
    (only,) = json.loads(platform_says(directory, "configurations", "--json"))
    return dict(only)


def give(site: FaultySite, directory: Path, pulse_ms: int, **link: Any) -> None:
    """Have the platform give the gate its own configuration with another pulse, and another link."""
    document = yaml.safe_load(site.config.read_text(encoding="utf-8"))
    document["terminal"]["trial_s"] = 5
    document["lanes"]["north-in"]["settings"]["open_pulse_ms"] = pulse_ms
    document["platform"] |= link
    del document["terminal"]["state_dir"]
    file = directory / "wanted.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    platform_says(directory, "configure", site.terminal_id, str(file))


def test_a_good_one_stays_and_one_that_loses_the_platform_goes(tmp_path: Path) -> None:
    with city(tmp_path) as running, faulty_gate(tmp_path, running) as site:
        give(site, tmp_path, PULSES[0])
        site.expect("configuration on trial", version=1)
        site.expect("ready")
        site.kill()  # a power cut in the midst of it
        site.start()
        site.expect("ready")
        site.expect("configuration proven", version=1)
        assert tap(site)
        wait_until(lambda: row(tmp_path)["reported"] == 1 and not row(tmp_path)["on_trial"], "it is reported")

        give(site, tmp_path, PULSES[1], port=1)
        site.expect("configuration on trial", version=2)
        site.expect("configuration withdrawn", version=2)
        site.expect("ready")
        assert tap(site)
        wait_until(lambda: bool(row(tmp_path)["withdrawn"]), "it is reported")
        beside = ask(site.state_dir).configured
        assert beside is not None
        assert (beside.issue, beside.withdrawn, beside.why) == (1, 2, "platform-lost")
        said = row(tmp_path)
        assert (said["desired"], said["reported"], said["why"]) == (2, 1, "platform-lost")
        wait_until(lambda: "configuration-withdrawn" in running.alarms(), "it raises an alarm")
        trials = [record.entry.public for record in site.records() if "trial" in record.entry.public]
        assert [(told["issue"], told["trial"]) for told in trials] == [
            (1, "begins"), (1, "proven"), (2, "begins"), (2, "withdrawn"),
        ]  # fmt: skip
