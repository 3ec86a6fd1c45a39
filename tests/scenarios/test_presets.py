"""Every preset runs as it stands: on its virtual devices, each of them ready, until it is told to stop."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from tests.scenarios.site import DEADLINE_S
from tools.cli.presets import preset_names, preset_text
from tools.cli.terminal_process import Line, TerminalProcess


def is_error(line: Line) -> bool:
    return line.get("level") in ("error", "critical")


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_starts_with_every_device_ready_and_ends_in_order(name: str, tmp_path: Path) -> None:
    document = yaml.safe_load(preset_text(name))
    # Of its own name, since virtual devices lie under it, and somebody may be trying the same preset by hand.
    document["terminal"] |= {"id": f"preset-{name}-{os.getpid()}"[:32], "state_dir": str(tmp_path / "state")}
    config = tmp_path / "preset.yaml"
    config.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    devices = {*document["devices"]}
    with TerminalProcess(config, os.environ, ("--virtual",)) as terminal:
        assert terminal.wait_for(lambda line: line.get("event") == "ready", DEADLINE_S) is not None, terminal.lines
        for device in sorted(devices):
            opened = terminal.wait_for(
                lambda line, device=device: line.get("device") == device and line.get("state") == "ready",  # type: ignore[misc]
                DEADLINE_S,
            )
            assert opened is not None, f"{device} never became ready: {terminal.lines}"
        assert terminal.stop() == 0
    assert not [line for line in terminal.lines if is_error(line)]
