"""The enrolment code before the box's own scanner: it counts while the service switch is on, and else it does not."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from agent.config import load
from drivers.virtual.bench import Press, Scan
from tests.agent.enrolment.test_code import TEXT
from tools.cli.bench_process import VirtualDevices, running_devices
from tools.cli.main import cli
from tools.cli.presets import preset_text
from tools.cli.provision_scan import scanned

PATIENCE_S = 30.0


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A gate whose board has a service switch."""
    document = yaml.safe_load(preset_text("gate"))
    document["terminal"] |= {"id": f"scan-{tmp_path.name[-20:].replace('_', '-')}", "state_dir": "state"}
    document["devices"]["board"]["inputs"]["service"] = 3
    path = tmp_path / "gate.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


@pytest.fixture
def devices(config: Path) -> Iterator[VirtualDevices]:
    with running_devices(load(config)) as running:
        yield running


def test_a_code_counts_only_while_the_service_switch_is_on(config: Path, devices: VirtualDevices) -> None:
    told: queue.Queue[str] = queue.Queue()
    got: queue.Queue[str] = queue.Queue()
    waiting = threading.Thread(
        target=lambda: got.put(scanned(config, "scanner", "board.service", PATIENCE_S, told.put)), daemon=True
    )
    waiting.start()
    told.get(timeout=PATIENCE_S)
    devices.ask(Scan(do="show", text="https://example.org"))
    devices.ask(Scan(do="show", text=TEXT))
    assert "board.service" in told.get(timeout=PATIENCE_S)
    assert got.empty()
    devices.ask(Press(input="service", active=True))
    while got.empty() and waiting.is_alive():
        devices.ask(Scan(do="show", text=TEXT))
        waiting.join(0.5)
    assert got.get(timeout=PATIENCE_S) == TEXT


@pytest.mark.parametrize(("reader", "switch"), [("nobody", "board.service"), (None, "board.nothing"), (None, "gate")])
def test_what_the_configuration_has_not_is_a_sentence(config: Path, reader: str | None, switch: str) -> None:
    with pytest.raises(click.ClickException):
        scanned(config, reader, switch, 1.0, lambda _told: None)


def test_where_nobody_sits_at_the_box_it_wants_the_switch(config: Path) -> None:
    where = ["--config", str(config), "--state-dir", str(config.parent / "state")]
    refused = CliRunner().invoke(cli, ["provision", "--scan", "--yes", *where])
    assert refused.exit_code == 2
    assert "--switch" in refused.output
