"""What the benches of ``ops`` share: the whole gate on virtual devices, enrolled at a platform that runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from agent.config import load
from tools.bench.place import terminal_id
from tools.bench.platform_process import PlatformProcess
from tools.bench.tap import Cycle, await_line
from tools.cli.bench_process import VirtualDevices, running_devices
from tools.cli.presets import preset_text
from tools.cli.terminal_process import TerminalProcess
from tools.platform.broker import Broker
from tools.platform.ca import Authority
from tools.platform.service import Layout
from tools.platform.store import sqlite_url

READER = "pn532"


@dataclass(frozen=True, slots=True)
class OpsSite:
    """A terminal at work: all readers of the preset, its board, its link."""

    config: Path
    devices: VirtualDevices
    terminal: TerminalProcess
    cycle: Cycle


@contextmanager
def ops_site(directory: Path) -> Iterator[OpsSite]:
    """Start broker, platform, devices and terminal; the terminal is ready and its link up."""
    authority = Authority.init(Layout(directory / "platform").keys)
    authority.provision(terminal_id(), directory / "terminal" / "keys")
    broker = Broker(directory / "broker", authority)
    with ExitStack() as stack:
        stack.callback(broker.stop)
        broker.start()
        database = sqlite_url(directory / "platform.db")
        stack.enter_context(PlatformProcess.run(directory / "platform", database, str(broker.endpoint)))
        config = _configure(directory, broker)
        devices = stack.enter_context(running_devices(load(config)))
        environment = {**os.environ, **devices.environment}
        terminal = stack.enter_context(TerminalProcess(config, environment, ("--set", "logs.level=debug")))
        cycle = Cycle(devices, terminal, READER)
        await_line(terminal, "link up", 0)
        yield OpsSite(config, devices, terminal, cycle)


def _configure(directory: Path, broker: Broker) -> Path:
    """The preset gate without a sensor: each tap ends with the relay's confirmation; no double-tap."""
    document = yaml.safe_load(preset_text("gate"))
    document["terminal"] |= {"id": terminal_id(), "state_dir": str(directory / "terminal")}
    document["lanes"]["north-in"]["settings"] |= {"passage_input": None, "double_tap_ms": 0}
    document["platform"] = {"host": broker.endpoint.host, "port": broker.endpoint.port}
    path = directory / "gate.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return path
