"""A gate and its city, each part a process of its own, so that any of them can be killed."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from agent.config import load
from agent.lane import TURN_AWAY_AGAIN_S
from offline_store.database import DATABASE_NAME
from offline_store.errors import Damaged, IoFailed
from offline_store.outbox import Outbox
from tests.faults.invariants import resident_kb
from tests.house import ROOT
from tests.scenarios.site import DEADLINE_S, Site
from tests.tools.platform.terminals import drained, register
from tools.cli.bench_process import VirtualDevices, running_devices
from tools.cli.presets import preset_text
from tools.cli.terminal_process import Line, TerminalProcess
from tools.platform.broker import Broker, Endpoint
from tools.platform.ca import Authority
from tools.platform.service import Layout
from tools.platform.store import Store

PATIENCE_S = 60.0
"""Long enough for every backoff to run out and for a slow machine; what takes longer hangs."""
MOST_GROWN_KB = 8_192
"""No more than this a process ever needs beyond what it has when it is ready, whatever is broken around it."""
_numbers = itertools.count()


def stays_flat(pid: int, ready_kb: int) -> None:
    """Nothing piles up in the memory of a process; one that is dead already says nothing."""
    with suppress(OSError, StopIteration):
        grown_kb = resident_kb(pid) - ready_kb
        assert grown_kb <= MOST_GROWN_KB, f"process {pid} has grown by {grown_kb} KiB"


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Look again and again; nothing may take longer than :data:`PATIENCE_S`."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"it hangs: {what}"
        time.sleep(0.05)


class City:
    """A broker, and the platform as `onecard platform run` beside it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.authority = Authority.init(Layout(directory).keys)
        self.broker = Broker(directory / "broker", self.authority)
        self.broker.start()
        self._platform: subprocess.Popen[str] | None = None
        self.start_platform()

    @property
    def endpoint(self) -> Endpoint:
        return self.broker.endpoint

    @property
    def pid(self) -> int:
        """Of the platform."""
        assert self._platform is not None
        return self._platform.pid

    def start_platform(self) -> None:
        """Start it, unless it runs, and wait until it consumes."""
        if self._platform is not None and self._platform.poll() is None:
            return
        program = "from tools.platform.commands import platform; platform()"
        arguments = ["run", "--dir", str(self._directory), "--broker", str(self.endpoint)]
        self._platform = subprocess.Popen(
            [sys.executable, "-P", "-c", program, *arguments],
            cwd=ROOT,
            env=os.environ | {"ONECARD_LANG": "en", "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._platform.stdout is not None
        assert self._platform.stdout.readline().startswith("The platform is ready")
        self._ready_kb = resident_kb(self.pid)

    def kill_platform(self) -> None:
        assert self._platform is not None
        stays_flat(self.pid, self._ready_kb)
        self._platform.kill()
        self._platform.communicate()

    @contextmanager
    def store(self) -> Iterator[Store]:
        """What the platform has committed."""
        store = Store.open_for_reading(Layout(self._directory).database_url)
        try:
            yield store
        finally:
            store.close()

    def alarms(self) -> set[str]:
        with self.store() as store, store.transaction() as transaction:
            return {row.code for row in transaction.alarms()}

    def close(self) -> None:
        self.kill_platform()
        self.broker.stop()


class Agent(TerminalProcess):
    """The terminal's process, whose memory is looked at before it ends."""

    ready_kb: int

    def stop(self) -> int:
        """End it as systemd does; its exit code."""
        stays_flat(self.pid, self.ready_kb)
        return super().stop()


class FaultySite(Site):
    """A gate whose terminal is killed and started again."""

    terminal: Agent
    environment: Mapping[str, str]
    agents: ExitStack

    def start(self) -> None:
        """Another process on the same disk and the same devices."""
        ready_kb = self.terminal.ready_kb
        self.terminal, self.seen = self.agents.enter_context(_process(self.config, self.devices, self.environment)), 0
        self.terminal.ready_kb = ready_kb

    def kill(self) -> None:
        stays_flat(self.terminal.pid, self.terminal.ready_kb)
        os.kill(self.terminal.pid, signal.SIGKILL)
        self.terminal.stop()

    def said(self, event: str) -> bool:
        return any(line.get("event") == event for line in self.terminal.lines)


def _process(config: Path, devices: VirtualDevices, environment: Mapping[str, str]) -> Agent:
    return Agent(config, {**os.environ, **devices.environment, **environment}, ("--set", "logs.level=debug"))


def tap(site: FaultySite, card: str = "gen3-chen") -> bool:
    """Somebody taps; whether the gate opened. It answers in any case, but for who is turned away within a second."""
    shown = _shown(site, card, TURN_AWAY_AGAIN_S) or _shown(site, card, DEADLINE_S)
    assert shown is not None, f"nobody was told anything: {site.terminal.lines[site.seen :]}"
    return bool(shown["tone"] == "ok")


def _shown(site: FaultySite, card: str, timeout_s: float) -> Line | None:
    site.seen = len(site.terminal.lines)
    site.insert(card)
    found = site.terminal.wait_for(
        lambda line: line.get("event") == "show" and line["tone"] != "wait", timeout_s, site.seen
    )
    site.remove()
    site.expect("removed")
    return None if found is None else found[1]


def is_drained(site: FaultySite) -> bool:
    """Whether the platform has acknowledged everything."""
    try:
        outbox = Outbox.open(site.state_dir)
    except IoFailed:
        return False  # what was rescued is about to take its place
    try:
        return drained(outbox)
    except Damaged:
        return False  # it is being rescued
    finally:
        outbox.close()


def has_arrived(site: FaultySite, running: City) -> bool:
    """Whether the platform has committed every chain to its end; the terminal's disk says so some seconds later."""
    path = site.state_dir / DATABASE_NAME
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            ends = dict(connection.execute("SELECT chain_id, last_seq FROM chain_span").fetchall())
    except sqlite3.Error:
        return False  # it is being rescued
    with running.store() as store, store.transaction() as transaction:
        committed = {chain.chain_id: chain.seq for chain in transaction.chains(site.terminal_id)}
    return bool(ends) and all(committed.get(chain_id) == seq for chain_id, seq in ends.items())


@contextmanager
def city(directory: Path) -> Iterator[City]:
    """Broker and platform, running."""
    running = City(directory / "city")
    try:
        yield running
    finally:
        running.close()


@contextmanager
def faulty_gate(
    directory: Path,
    running: City | None = None,
    *,
    state_dir: Path | None = None,
    environment: Mapping[str, str] | None = None,
    deadline_ms: int = 10_000,
    journal: Mapping[str, int] | None = None,
    till_reader: str | None = None,
    **settings: Any,
) -> Iterator[FaultySite]:
    """The preset gate, running and ready; with a city it is enrolled there.

    With a ``till_reader``, which the gate gives away, the terminal has a till of one price as well.
    """
    document = yaml.safe_load(preset_text("gate"))
    terminal, state_dir = f"fault-{os.getpid()}-{next(_numbers)}", state_dir or directory / "state"
    document["terminal"] |= {"id": terminal, "state_dir": str(state_dir)}
    document["lanes"]["north-in"]["settings"] |= {"double_tap_ms": 0, "open_pulse_ms": 50} | settings
    document["lanes"]["north-in"]["append_deadline_ms"] = deadline_ms
    # A machine that stalls is not a board or a reader that is lost.
    document["devices"]["board"]["timeout_ms"] = 1000
    document["devices"]["card-field"]["ack_timeout_ms"] = 1000
    if till_reader is not None:
        document["lanes"]["north-in"]["readers"].remove(till_reader)
        document["lanes"]["till"] = {
            "profile": "till",
            "readers": [till_reader],
            "settings": {"merchant": "kiosk-1", "amount_fen": 100, "admit": {"everyone": True}},
        }
    if journal is not None:
        document["journal"] = dict(journal)
    if running is not None:
        place = {"host": "localhost", "port": running.endpoint.port}
        document["platform"] = place | {"backoff_first_ms": 50, "backoff_cap_ms": 500}
        running.authority.provision(terminal, state_dir / "keys")
    config = directory / "gate.yaml"
    config.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    if running is not None:
        register(running.authority, load(config))
    with running_devices(load(config)) as devices, ExitStack() as agents:
        environment = environment or {}
        site = FaultySite(config, state_dir, devices, agents.enter_context(_process(config, devices, environment)))
        site.environment, site.agents = environment, agents
        site.expect("ready")
        site.terminal.ready_kb = resident_kb(site.terminal.pid)
        yield site
