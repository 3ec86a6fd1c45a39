"""``onecard bench fleet``: a city's terminals reconnect all at once after an outage, each with a day's backlog.

The terminals are simulated in a process of their own (:mod:`tools.bench.fleet_terminals`) and run the agent's own
uplink; platform, broker and database are the real ones, in theirs. Measured is from the first connection to the last
acknowledgement, TLS handshakes included. In turns: a tenth of the fleet, the fleet, and the fleet before two workers.
"""

from __future__ import annotations

import json
import resource
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from agent.words import say
from drivers.virtual.child import bound_to_parent
from tools.bench import fleet_outbox
from tools.bench.place import bench_directory
from tools.bench.platform_process import PlatformProcess
from tools.bench.postgres import new_database, running_postgres
from tools.bench.process import cpu_s, rss_mb
from tools.bench.report import Figure, Report, median
from tools.platform.broker import Broker, Endpoint
from tools.platform.ca import Authority
from tools.platform.service import Layout

HALVES = ("00-7f", "80-ff")
TENTH = 10
_WATCH_S = 0.2
_KIB_PER_MB = 1_000_000 / 1024


@dataclass(frozen=True, slots=True)
class Given:
    """A broker that is there already, and the platform's directory whose authority it trusts."""

    endpoint: Endpoint
    directory: Path


@dataclass(frozen=True, slots=True)
class Run:
    """One outage's end: what the terminals say of it, how far the broker's memory grew for each, and the processor
    time of the platform's first worker."""

    said: dict[str, float]
    terminals: int
    records: int
    broker_kib: float
    worker_s: float

    @property
    def record_us(self) -> float:
        """Microseconds a record."""
        return self.said["seconds"] * 1_000_000 / self.records


def run(terminals: int, records: int, rounds: int, given: Given | None = None) -> Report:
    """Measure ``terminals`` terminals with ``records`` records each."""
    _allow_sockets()
    few: list[Run] = []
    many: list[Run] = []
    shared: list[Run] = []
    with bench_directory() as directory, running_postgres(directory.parent) as server:
        scene = _Scene(directory, terminals, records, server, given)
        for number in range(rounds):
            few.append(scene.outage(f"few-{number}", max(2, terminals // TENTH), workers=1))
            many.append(scene.outage(f"many-{number}", terminals, workers=1))
            shared.append(scene.outage(f"shared-{number}", terminals, workers=2))
    figures: tuple[Figure, ...] = (
        Figure("fleet.linear", _us(many) / _us(few), "×", target=1.3),
        Figure("fleet.records_s", 1_000_000 / _us(many), "1/s", digits=0),
        Figure("fleet.workers_ratio", _us(many) / _us(shared), "×"),
        Figure("fleet.worker_cpu_us", _cpu_us(many), "µs", digits=1),
        Figure("fleet.worker_cpu_linear", _cpu_us(many) / _cpu_us(few), "×"),
        Figure("fleet.connected_s", _said(many, "connected_s"), "s", digits=1),
        Figure("fleet.lag_p50_s", _said(many, "lag_p50_s"), "s"),
        Figure("fleet.lag_p99_s", _said(many, "lag_p99_s"), "s"),
        Figure("fleet.overdue", _said(many, "overdue"), "hellos", digits=0),
        Figure("fleet.lost", _said(many, "lost"), "connections", digits=0),
        Figure("fleet.terminal_kib", _said(many, "kib_a_terminal"), "KiB", digits=0),
    )
    if given is None:  # a broker elsewhere does not show its memory
        figures += (Figure("fleet.broker_kib", median([run.broker_kib for run in many]), "KiB", digits=0),)
    broker = "mosquitto" if given is None else str(given.endpoint)
    conditions: dict[str, str | int | float] = {"terminals": terminals, "records_each": records, "rounds": rounds}
    return Report("fleet", figures, conditions | {"broker": f"{broker}, mutual TLS", "database": "PostgreSQL"})


def _us(runs: list[Run]) -> float:
    return median([run.record_us for run in runs])


def _cpu_us(runs: list[Run]) -> float:
    """Of the one worker, a record: what a busy machine distorts less than time."""
    return median([max(run.worker_s, 0.01) * 1_000_000 / run.records for run in runs])


def _said(runs: list[Run], name: str) -> float:
    return median([run.said[name] for run in runs])


class _Scene:
    """What all runs share: the authority, and each terminal's certificate and backlog."""

    def __init__(self, directory: Path, terminals: int, records: int, server: str, given: Given | None) -> None:
        self._directory = directory
        self._records = records
        self._server = server
        self._given = given
        self._platform = directory / "platform" if given is None else given.directory
        self._authority = Authority.init(Layout(self._platform).keys)
        self._fleet = directory / "fleet"
        self._fleet.mkdir()
        self._names = [f"fleet-{number}" for number in range(terminals)]
        for name in self._names:
            certificate, key = self._authority.client_pair(name)
            (self._fleet / f"{name}.pem").write_bytes(certificate)
            (self._fleet / f"{name}-key.pem").write_bytes(key)
            fleet_outbox.make(self._fleet / f"{name}.journal", records)

    def outage(self, name: str, terminals: int, workers: int) -> Run:
        """Let the first ``terminals`` of them come back, to a platform that knows nothing yet."""
        database = new_database(self._server, name)
        with ExitStack() as stack:
            endpoint, pid = stack.enter_context(self._broker(name))
            own = HALVES[0] if workers > 1 else "00-ff"
            platform = stack.enter_context(PlatformProcess.run(self._platform, database, str(endpoint), own))
            if workers > 1:
                stack.enter_context(PlatformProcess.worker(self._platform, database, str(endpoint), 1, HALVES[1]))
            process = stack.enter_context(self._terminals(endpoint, terminals))
            before_mb = peak_mb = rss_mb(pid) if pid is not None else 0.0
            used_s = cpu_s(platform.pid)
            _tell(process, "\n")
            while process.stdout is not None and not select.select([process.stdout], [], [], _WATCH_S)[0]:
                peak_mb = max(peak_mb, rss_mb(pid)) if pid is not None else 0.0
            said = json.loads(_line(process))
            used_s = cpu_s(platform.pid) - used_s
        broker_kib = (peak_mb - before_mb) * _KIB_PER_MB / terminals
        return Run(said, terminals, terminals * self._records, broker_kib, used_s)

    @contextmanager
    def _broker(self, name: str) -> Iterator[tuple[Endpoint, int | None]]:
        """A mosquitto of its own, with its process id, or the broker that was given."""
        if self._given is not None:
            yield self._given.endpoint, None
            return
        broker = Broker(self._directory / f"broker-{name}", self._authority)
        broker.start()
        try:
            yield broker.endpoint, broker.pid
        finally:
            broker.stop()

    @contextmanager
    def _terminals(self, endpoint: Endpoint, count: int) -> Iterator[subprocess.Popen[str]]:
        """The terminals, ready to connect."""
        task: dict[str, Any] = {
            "host": endpoint.host,
            "port": endpoint.port,
            "directory": str(self._fleet),
            "ca": str(self._authority.ca.certificate),
            "ack_key": str(self._authority.ack_public),
            "terminals": self._names[:count],
        }
        command = bound_to_parent(sys.executable, "-P", "-m", "tools.bench.fleet_terminals")
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            _tell(process, json.dumps(task) + "\n")
            _line(process)
            yield process
        finally:
            process.terminate()
            process.communicate()


def _tell(process: subprocess.Popen[str], line: str) -> None:
    if process.stdin is not None:
        process.stdin.write(line)
        process.stdin.flush()


def _line(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line:
        raise click.ClickException(say("模拟终端没有完成", "the simulated terminals did not finish"))
    return line


def _allow_sockets() -> None:
    """A process of ours, and the broker, hold a socket for each terminal."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
