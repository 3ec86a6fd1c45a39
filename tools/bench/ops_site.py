"""What the benches of ``ops`` share: the whole gate on virtual devices, enrolled at a platform that runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
def platform_at(directory: Path) -> Iterator[Broker]:
    """Broker and platform, and the terminal's keys in ``terminal/keys``."""
    authority = Authority.init(Layout(directory / "platform").keys)
    authority.provision(terminal_id(), directory / "terminal" / "keys")
    broker = Broker(directory / "broker", authority)
    with ExitStack() as stack:
        stack.callback(broker.stop)
        broker.start()
        database = sqlite_url(directory / "platform.db")
        stack.enter_context(PlatformProcess.run(directory / "platform", database, str(broker.endpoint)))
        yield broker


@contextmanager
def started(
    directory: Path, broker: Broker, document: Mapping[str, Any], environment: Mapping[str, str]
) -> Iterator[TerminalProcess]:
    """The terminal of this configuration, ready and with its link up."""
    config = configure(directory, broker, document)
    with TerminalProcess(config, environment, ("--set", "logs.level=debug")) as terminal:
        for event in ("ready", "link up"):  # in either order
            await_line(terminal, event, 0)
        yield terminal


@contextmanager
def ops_site(directory: Path) -> Iterator[OpsSite]:
    """The preset gate without a sensor: each tap ends with the relay's confirmation; no double-tap."""
    document = yaml.safe_load(preset_text("gate"))
    document["lanes"]["north-in"]["settings"] |= {"passage_input": None, "double_tap_ms": 0}
    with platform_at(directory) as broker, ExitStack() as stack:
        config = configure(directory, broker, document)
        devices = stack.enter_context(running_devices(load(config)))
        environment = {**os.environ, **devices.environment}
        terminal = stack.enter_context(started(directory, broker, document, environment))
        yield OpsSite(config, devices, terminal, Cycle(devices, terminal, READER))


def configure(directory: Path, broker: Broker, document: Mapping[str, Any]) -> Path:
    """Write a configuration with the bench's terminal and this broker into it."""
    whole = {
        **document,
        "terminal": {"id": terminal_id(), "state_dir": str(directory / "terminal")},
        "platform": {"host": broker.endpoint.host, "port": broker.endpoint.port},
    }
    path = directory / "gate.yaml"
    path.write_text(json.dumps(whole), encoding="utf-8")  # JSON is YAML, and knows no aliases
    return path
