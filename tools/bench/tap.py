"""``onecard bench tap``: from the card's last answer to the relay commanded, the durable commit included.

A terminal of its own process, a card in a virtual reader, a virtual relay on Modbus; beside it, after every tap and so
at the same pace, one bare durable SQLite commit of the bytes that the tap writes, on the same disk.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import click
import yaml

from agent.config import load
from agent.words import say
from drivers.virtual.bench import Insert, Remove
from offline_store.database import DATABASE_NAME
from tools.bench.raw_commit import RawCommits
from tools.bench.report import Figure, Report, median, percentile
from tools.cli.bench_process import running_devices
from tools.cli.presets import preset_text
from tools.cli.terminal_process import TerminalProcess

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
    with tempfile.TemporaryDirectory(prefix="onecard-bench-", dir=_disk()) as place:
        directory = Path(place)
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
    config = _configure(directory, reader)
    resolved = load(config)
    with running_devices(resolved) as devices:
        environment = {**os.environ, **devices.environment}
        with TerminalProcess(config, environment, ("--set", "logs.level=debug")) as terminal:
            seen = _await(terminal, "ready", 0)
            size_bytes = 0
            samples: list[Sample] = []
            with _Raw(directory) as raw:
                for _ in range(taps):
                    devices.ask(Insert(reader=SLOTS[reader], card=CARDS[reader]))
                    decision_at = _await(terminal, "decision", seen)
                    actuated_at = _await(terminal, "actuated", decision_at)
                    outcome_at = _await(terminal, "outcome", actuated_at)
                    size_bytes = size_bytes or _bytes_of_a_tap(resolved.config.terminal.state_dir)
                    devices.ask(Remove(reader=SLOTS[reader]))
                    seen = _await(terminal, "removed", outcome_at)
                    # The peer is as idle before its commit as the terminal is before its tap.
                    time.sleep(PAUSE_S)
                    raw_ns = raw.commit(size_bytes)
                    time.sleep(PAUSE_S)
                    decision, actuated = terminal.lines[decision_at], terminal.lines[actuated_at]
                    start_ns = decision["read_ns"]
                    samples.append(
                        Sample(
                            (decision["decided_ns"] - start_ns) / _NS_PER_MS,
                            (decision["durable_ns"] - start_ns) / _NS_PER_MS,
                            (actuated["commanded_ns"] - start_ns) / _NS_PER_MS,
                            (actuated["confirmed_ns"] - start_ns) / _NS_PER_MS,
                            raw_ns / _NS_PER_MS,
                        )
                    )
            return samples


class _Raw:
    """The raw peer, opened when the size of a tap is known."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._commits: RawCommits | None = None

    def commit(self, size_bytes: int) -> int:
        if self._commits is None:
            self._commits = RawCommits(self._directory, size_bytes)
        return self._commits.commit()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._commits is not None:
            self._commits.close()


def _await(terminal: TerminalProcess, event: str, after: int) -> int:
    found = terminal.wait_for(lambda line: line.get("event") == event, WAIT_S, after)
    if found is None:
        raise click.ClickException(say(f"等不到 {event}", f"waited in vain for {event}"))
    return found[0]


def _configure(directory: Path, reader: str) -> Path:
    """The preset gate without a sensor: each tap ends with the relay's confirmation; no platform, no double-tap."""
    document = yaml.safe_load(preset_text("gate"))
    document["terminal"] |= {"id": f"bench-{os.getpid()}", "state_dir": str(directory / "terminal")}
    document["devices"]["card-field"]["poll_ms"] = 10
    lane = document["lanes"]["north-in"]
    lane["readers"] = [READERS[reader]]
    lane["settings"] |= {"passage_input": None, "double_tap_ms": 0}
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


def _disk() -> Path:
    """A directory on a real disk: the temporary one may be memory."""
    return Path(os.environ.get("ONECARD_BENCH_DIR", "/var/tmp"))  # noqa: S108 -- a fresh private directory is made in it
