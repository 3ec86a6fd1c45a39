"""A terminal at work as its users have it: a process of its own, with virtual devices on real transports."""

from __future__ import annotations

import itertools
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from agent.config import load
from drivers.virtual.bench import Insert, Press, Relay, RelayState, Remove
from offline_store.outbox import Outbox
from offline_store.record import Record
from tools.cli.bench_process import VirtualDevices, running_devices
from tools.cli.presets import preset_text
from tools.cli.terminal_process import Line, TerminalProcess

DEADLINE_S = 20.0
_numbers = itertools.count()
_PATIENCE = {"relay": {"timeout_ms": 1000}, "pn532": {"ack_timeout_ms": 1000}}


@dataclass
class Site:
    """One terminal. ``seen`` is how far its log has been read."""

    config: Path
    state_dir: Path
    devices: VirtualDevices
    terminal: TerminalProcess
    seen: int = 0

    @property
    def terminal_id(self) -> str:
        return load(self.config).config.terminal.id

    def expect(self, event: str, **fields: object) -> Line:
        """The next line of the log with this event and these fields."""

        def wanted(line: Line) -> bool:
            return line.get("event") == event and all(line.get(key) == value for key, value in fields.items())

        found = self.terminal.wait_for(wanted, DEADLINE_S, self.seen)
        assert found is not None, f"{event} {fields} never came; the log: {self.terminal.lines[self.seen :]}"
        self.seen = found[0] + 1
        return found[1]

    def insert(self, card: str, reader: str = "pn532", **behaviour: Any) -> None:
        self.devices.ask(Insert(card=card, reader=reader, **behaviour))

    def remove(self, reader: str = "pn532") -> None:
        self.devices.ask(Remove(reader=reader))

    def press(self, name: str, *, active: bool) -> None:
        self.devices.ask(Press(input=name, active=active))

    def relay(self) -> RelayState:
        state = self.devices.ask(Relay()).relay
        assert state is not None
        return state

    def expect_relay(self, output: str, *, on: bool) -> None:
        """Ask the board until the output is so."""
        deadline_s = time.monotonic() + DEADLINE_S
        while self.relay().outputs[output] is not on:
            assert time.monotonic() < deadline_s, f"{output} never became {on}"

    def records(self) -> list[Record]:
        outbox = Outbox.open(self.state_dir)
        try:
            return [Record.from_bytes(body) for body in outbox.batch(0, 1000, 1_000_000)]
        finally:
            outbox.close()

    def reasons(self) -> list[str]:
        return [record.entry.reason for record in self.records() if record.entry.reason]


def gate(directory: Path, **settings: Any) -> AbstractContextManager[Site]:
    """The preset gate in a directory of the test's, running and ready."""
    return preset(directory, "gate", **settings)


@contextmanager
def preset(directory: Path, name: str, **settings: Any) -> Iterator[Site]:
    """A preset in a directory of the test's, running and ready."""
    document = yaml.safe_load(preset_text(name))
    document["terminal"] |= {"id": f"test-{os.getpid()}-{next(_numbers)}", "state_dir": str(directory / "state")}
    # A machine that stalls is not a disk, a board or a reader that is lost.
    for lane in document["lanes"].values():
        lane["settings"] |= settings
        lane["append_deadline_ms"] = 10_000
    for device in document["devices"].values():
        device |= _PATIENCE.get(device["driver"], {})
    config = directory / f"{name}.yaml"
    config.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    with running_devices(load(config)) as devices, started(config, devices) as terminal:
        site = Site(config, directory / "state", devices, terminal)
        site.expect("ready")
        yield site


@contextmanager
def started(config: Path, devices: VirtualDevices) -> Iterator[TerminalProcess]:
    """A terminal process on devices that run."""
    with TerminalProcess(config, {**os.environ, **devices.environment}, ("--set", "logs.level=debug")) as terminal:
        yield terminal


@contextmanager
def taken_by_another(database: Path) -> Iterator[None]:
    """Another program has the database for itself: nobody else can even read it."""
    blocker = sqlite3.connect(database, isolation_level=None)
    blocker.execute("PRAGMA locking_mode = EXCLUSIVE")
    blocker.execute("BEGIN EXCLUSIVE")
    blocker.execute("SELECT count(*) FROM record").fetchone()
    try:
        yield
    finally:
        blocker.execute("ROLLBACK")
        blocker.close()
