"""``onecard bench tap``: from the card's last answer to the relay commanded, the durable commit included.

A terminal of its own process, a card in a virtual reader, a virtual relay on Modbus; beside it, after every tap and so
at the same pace, one bare durable SQLite commit of the bytes that the tap writes, on the same disk.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click
import yaml

from agent.config import load
from agent.words import say
from drivers.virtual.bench import Insert, Remove
from offline_store.database import DATABASE_NAME
from tools.bench.place import bench_directory, terminal_id
from tools.bench.raw_commit import RawPeer
from tools.bench.report import Figure, Report, median, percentile
from tools.cli.bench_process import VirtualDevices, running_devices
from tools.cli.presets import preset_text
from tools.cli.terminal_process import Line, TerminalProcess

WAIT_S = 20.0
WARM_UP_TAPS = 20
PAUSE_S = 0.02
READERS = {"pn532": "card-field", "pcsc": "card-slot"}
CARDS = {"pn532": "gen3-chen", "pcsc": "gen2-li"}
SLOTS = {"pn532": "pn532", "pcsc": "pcsc-0"}
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One tap: milliseconds from the card's last answer to its decision, its commit, and the relay's confirmation."""

    decided_ms: float
    durable_ms: float
    commanded_ms: float
    confirmed_ms: float
    raw_ms: float


def run(taps: int, reader: str) -> Report:
    """Measure ``taps`` paced taps."""
    with bench_directory() as directory:
        samples = _samples(directory, taps + WARM_UP_TAPS, reader)[WARM_UP_TAPS:]
    raw = [sample.raw_ms for sample in samples]
    whole = [sample.commanded_ms for sample in samples]
    figures = (
        Figure("tap.ratio_p50", median(whole) / median(raw), "×", target=2.5),
        Figure("tap.p50_ms", median(whole), "ms"),
        Figure("tap.p99_ms", percentile(whole, 0.99), "ms"),
        Figure("tap.decided_p50_ms", median([sample.decided_ms for sample in samples]), "ms"),
        Figure("tap.durable_p50_ms", median([sample.durable_ms for sample in samples]), "ms"),
        Figure("tap.confirmed_p50_ms", median([sample.confirmed_ms for sample in samples]), "ms"),
        Figure("tap.raw_p50_ms", median(raw), "ms"),
        Figure("tap.raw_p99_ms", percentile(raw, 0.99), "ms"),
    )
    return Report("tap", figures, {"taps": len(samples), "reader": reader, "card": CARDS[reader]})


def _samples(directory: Path, taps: int, reader: str) -> list[Sample]:
    config = configure(directory, reader)
    resolved = load(config)
    with ExitStack() as stack:
        devices = stack.enter_context(running_devices(resolved))
        environment = {**os.environ, **devices.environment}
        terminal = stack.enter_context(TerminalProcess(config, environment, ("--set", "logs.level=debug")))
        cycle = Cycle(devices, terminal, reader)
        cycle.tap()
        size_bytes = _bytes_of_a_tap(resolved.config.terminal.state_dir)
        peer = stack.enter_context(RawPeer(directory, size_bytes))
        return [_sample(cycle, peer) for _ in range(taps)]


def _sample(cycle: Cycle, peer: RawPeer) -> Sample:
    decision, actuated = cycle.tap()
    time.sleep(PAUSE_S)
    raw_ns = peer.commit()
    time.sleep(PAUSE_S)
    start_ns = decision["read_ns"]
    return Sample(
        decided_ms=(decision["decided_ns"] - start_ns) / _NS_PER_MS,
        durable_ms=(decision["durable_ns"] - start_ns) / _NS_PER_MS,
        commanded_ms=(actuated["commanded_ns"] - start_ns) / _NS_PER_MS,
        confirmed_ms=(actuated["confirmed_ns"] - start_ns) / _NS_PER_MS,
        raw_ms=raw_ns / _NS_PER_MS,
    )


class Cycle:
    """Present a card, wait for the outcome, take it away, wait until the reader has seen that."""

    def __init__(self, devices: VirtualDevices, terminal: TerminalProcess, reader: str) -> None:
        self._devices = devices
        self._terminal = terminal
        self._reader = reader
        self._seen = await_line(terminal, "ready", 0)

    def tap(self) -> tuple[Line, Line]:
        """The log's lines of the decision and of the relay."""
        slot = SLOTS[self._reader]
        self._devices.ask(Insert(reader=slot, card=CARDS[self._reader]))
        decision_at = await_line(self._terminal, "decision", self._seen)
        actuated_at = await_line(self._terminal, "actuated", self._seen)
        outcome_at = await_line(self._terminal, "outcome", decision_at)
        self._devices.ask(Remove(reader=slot))
        self._seen = await_line(self._terminal, "removed", outcome_at)
        return self._terminal.lines[decision_at], self._terminal.lines[actuated_at]


def await_line(terminal: TerminalProcess, event: str, after: int) -> int:
    """The position of the next line of this event from ``after`` on. Raises :class:`click.ClickException`."""
    found = terminal.wait_for(lambda line: line.get("event") == event, WAIT_S, after)
    if found is None:
        raise click.ClickException(say(f"等不到 {event}", f"waited in vain for {event}"))
    return found[0]


def configure(directory: Path, reader: str, platform: Mapping[str, object] | None = None) -> Path:
    """The preset gate without a sensor: each tap ends with the relay's confirmation; no double-tap."""
    document = yaml.safe_load(preset_text("gate"))
    document["terminal"] |= {"id": terminal_id(), "state_dir": str(directory / "terminal")}
    document["devices"]["card-field"]["poll_ms"] = 10
    lane = document["lanes"]["north-in"]
    lane["readers"] = [READERS[reader]]
    lane["settings"] |= {"passage_input": None, "double_tap_ms": 0}
    document["platform"] = platform
    path = directory / "gate.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return path


def _bytes_of_a_tap(state_dir: Path) -> int:
    """What one decision writes: its record, the lane's state and its mark."""
    uri = f"{(state_dir / DATABASE_NAME).as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True)
    try:
        queries = (
            "SELECT length(body) FROM record WHERE kind = 'decision' ORDER BY place LIMIT 1",
            "SELECT length(key) + length(value) FROM saved LIMIT 1",
            "SELECT length(scope) + length(key) + 16 FROM mark LIMIT 1",
        )
        return sum(int(row[0]) for query in queries if (row := connection.execute(query).fetchone()))
    finally:
        connection.close()
