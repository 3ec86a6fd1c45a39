"""``onecard bench sync``: a terminal that drains after an outage while people tap, beside a bare program that drains.

Terminal and platform are the shipped programs, each in its process, over mosquitto with mutual TLS. The terminal starts
with its backlog while the broker is down; then the broker comes back. Measured is from the first acknowledgement to the
one that covers the backlog, so that connecting is left out on both sides. The raw peer (:mod:`tools.bench.raw_drain`)
drains the same bytes in the same batches through a broker with the same settings, in turns with ours.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from agent.config import load
from agent.sync.contract import Address, Channel
from agent.sync.uplink import UplinkSettings
from agent.words import say
from drivers.virtual.child import bound_to_parent
from offline_store.database import DATABASE_NAME
from offline_store.outbox import Outbox
from tools.bench.backlog import fill
from tools.bench.place import bench_directory, terminal_id
from tools.bench.platform_process import PlatformProcess
from tools.bench.process import rss_mb
from tools.bench.raw_drain import make_outbox
from tools.bench.report import Figure, Report, median, percentile
from tools.bench.tap import Cycle, configure
from tools.cli.bench_process import VirtualDevices, running_devices
from tools.cli.terminal_process import TerminalProcess
from tools.platform.broker import Broker
from tools.platform.ca import PLATFORM_NAME, Authority, KeyPair
from tools.platform.service import Layout
from tools.platform.store import sqlite_url

READER = "pn532"
TAP_EVERY_S = 0.1
TAPS_AT_REST = 20
_POLL_S = 0.01
_STALLED_S = 60.0
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Drain:
    """One drain of ours: records a second, how far the process grew, and each tap, at rest and during it."""

    records_s: float
    growth_mb: float
    rest_ms: list[float]
    taps_ms: list[float]


def run(records: int, rounds: int) -> Report:
    """Drain at least ``records`` records ``rounds`` times, ours and the raw peer's in turns."""
    ours: list[Drain] = []
    raw: list[float] = []
    with bench_directory() as directory:
        scene = _Scene(directory, records)
        with running_devices(load(configure(directory, READER))) as devices:
            for number in range(rounds):
                raw.append(_raw_drain(scene, number))
                ours.append(_drain(scene, devices, number))
    taps = [tap for drain in ours for tap in drain.taps_ms]
    rest = [tap for drain in ours for tap in drain.rest_ms]
    rate = median([drain.records_s for drain in ours])
    figures = (
        Figure("sync.drain_ratio", rate / median(raw), "×", target=0.5, at_least=True),
        Figure("sync.drain_records_s", rate, "1/s", digits=0),
        Figure("sync.raw_records_s", median(raw), "1/s", digits=0),
        Figure("sync.memory_mb", max(drain.growth_mb for drain in ours), "MB", target=20, digits=1),
        Figure("sync.tap_p99_ms", percentile(taps, 0.99), "ms", target=20, digits=2),
        Figure("sync.tap_p50_ms", median(taps), "ms", digits=2),
        Figure("sync.tap_rest_p99_ms", percentile(rest, 0.99), "ms", digits=2),
    )
    conditions: dict[str, str | int | float] = {
        "records": scene.head,
        "rounds": rounds,
        "taps": len(taps),
        "batch_records": scene.batch.batch_records,
        "broker": "mosquitto, mutual TLS",
    }
    return Report("sync", figures, conditions)


class _Scene:
    """What all rounds share: keys, and the terminal as the outage left it, of which each round gets a copy."""

    def __init__(self, directory: Path, records: int) -> None:
        self.directory = directory
        self.terminal = terminal_id()
        self.batch = UplinkSettings()
        self.platform = directory / "platform"
        self.authority = Authority.init(Layout(self.platform).keys)
        self._backlog = directory / "backlog"
        keys = self.authority.provision(self.terminal, self._backlog / "keys")
        fill(self._backlog, self.terminal, keys.checkpoint_signer(), records)
        with closing(Outbox.open(self._backlog)) as outbox:
            self.head = outbox.position().head_seq

    @property
    def journal(self) -> Path:
        """The backlog's database."""
        return self._backlog / DATABASE_NAME

    @property
    def tls(self) -> KeyPair:
        """The terminal's certificate."""
        return KeyPair(self._backlog / "keys" / "tls.pem", self._backlog / "keys" / "tls-key.pem")

    def broker(self, name: str) -> Broker:
        """A broker of its own for every drain, since brokers remember sessions."""
        return Broker(self.directory / name, self.authority)

    def reset(self) -> Path:
        """The terminal's directory as the outage left it."""
        state_dir = self.directory / "terminal"
        shutil.rmtree(state_dir, ignore_errors=True)
        return shutil.copytree(self._backlog, state_dir)


def _drain(scene: _Scene, devices: VirtualDevices, number: int) -> Drain:
    state_dir = scene.reset()
    broker = scene.broker(f"broker-{number}")
    with ExitStack() as stack:
        stack.callback(broker.stop)
        broker.start()
        database = sqlite_url(scene.directory / f"platform-{number}.db")
        stack.enter_context(PlatformProcess.run(scene.platform, database, str(broker.endpoint)))
        broker.stop()  # it remembers whom the platform listens to
        link = {"host": "localhost", "port": broker.endpoint.port, "backoff_first_ms": 50, "backoff_cap_ms": 200}
        environment = {**os.environ, **devices.environment}
        config = configure(scene.directory, READER, link)
        terminal = stack.enter_context(TerminalProcess(config, environment, ("--set", "logs.level=debug")))
        people = _People(Cycle(devices, terminal, READER))
        rest = [people.tap() for _ in range(TAPS_AT_REST)]
        outbox = stack.enter_context(closing(Outbox.open(state_dir)))
        with people.coming() as taps:
            broker.start()
            watched = _Watched(outbox, terminal.pid)
            watched.until(scene.head)
    return Drain(watched.records_s, watched.growth_mb, rest, taps)


class _People:
    """Taps at a steady pace; each gives the milliseconds from the card's last answer to the relay commanded."""

    def __init__(self, cycle: Cycle) -> None:
        self._cycle = cycle
        self._next_s = time.monotonic()

    def tap(self) -> float:
        """The next tap, when its time has come."""
        time.sleep(max(0.0, self._next_s - time.monotonic()))
        self._next_s = time.monotonic() + TAP_EVERY_S
        decision, actuated = self._cycle.tap()
        taken_ns: int = actuated["commanded_ns"] - decision["read_ns"]
        return taken_ns / _NS_PER_MS

    @contextmanager
    def coming(self) -> Iterator[list[float]]:
        """Tap for as long as the block runs."""
        taps: list[float] = []
        over = threading.Event()

        def tap() -> None:
            while not over.is_set():
                taps.append(self.tap())

        thread = threading.Thread(target=tap, name="people", daemon=True)
        thread.start()
        try:
            yield taps
        finally:
            over.set()
            thread.join()


class _Watched:
    """The terminal's journal and its process, looked at every few milliseconds."""

    def __init__(self, outbox: Outbox, pid: int) -> None:
        self._outbox = outbox
        self._pid = pid
        self._before_mb = self._peak_mb = rss_mb(pid)
        self._first: tuple[int, float] | None = None
        self._last = (0, time.monotonic())

    def until(self, head: int) -> None:
        """Wait until the platform has acknowledged ``head``."""
        while self._last[0] < head:
            time.sleep(_POLL_S)
            acked, now_s = self._outbox.position().acked_seq, time.monotonic()
            if acked > self._last[0]:
                self._last = (acked, now_s)
                self._first = self._first or self._last
            elif now_s - self._last[1] > _STALLED_S:
                raise click.ClickException(say("传送停住了", "the drain stands still"))
            self._peak_mb = max(self._peak_mb, rss_mb(self._pid))

    @property
    def records_s(self) -> float:
        """From the first acknowledgement to the last."""
        first, last = self._first or self._last, self._last
        return (last[0] - first[0]) / max(last[1] - first[1], _POLL_S)

    @property
    def growth_mb(self) -> float:
        """How far the process was ever beyond what it held before."""
        return self._peak_mb - self._before_mb


def _raw_drain(scene: _Scene, number: int) -> float:
    """Records a second of the raw peer."""
    broker = scene.broker(f"raw-broker-{number}")
    outbox = scene.directory / f"raw-outbox-{number}.db"
    make_outbox(outbox, scene.journal)
    address = Address(scene.terminal)
    shared: dict[str, Any] = {
        "topic": address.topic(Channel.JOURNAL),
        "answers": address.topic(Channel.ACK),
        "batch_records": scene.batch.batch_records,
        "batch_bytes": scene.batch.batch_bytes,
        "ca": str(scene.authority.ca.certificate),
    }
    with ExitStack() as stack:
        stack.callback(broker.stop)
        broker.start()
        shared |= {"host": "localhost", "port": broker.endpoint.port}
        taken = str(scene.directory / f"raw-consumer-{number}.db")
        consumer = stack.enter_context(_part("consumer", taken, PLATFORM_NAME, scene.authority.client, shared))
        _line(consumer)
        terminal = stack.enter_context(_part("terminal", str(outbox), scene.terminal, scene.tls, shared))
        done = json.loads(_line(terminal))
    return float(done["records"] * 1_000_000_000 / max(done["ns"], 1))


@contextmanager
def _part(
    part: str, database: str, name: str, pair: KeyPair, shared: dict[str, Any]
) -> Iterator[subprocess.Popen[bytes]]:
    own = {"certificate": str(pair.certificate), "key": str(pair.key), "name": name}
    task = json.dumps({**shared, **own, "part": part, "database": database})
    command = bound_to_parent(sys.executable, "-P", "-m", "tools.bench.raw_drain", task)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def _line(process: subprocess.Popen[bytes]) -> bytes:
    line = process.stdout.readline() if process.stdout is not None else b""
    if not line:
        raise click.ClickException(say("对照程序没有完成", "the raw peer did not finish"))
    return line
