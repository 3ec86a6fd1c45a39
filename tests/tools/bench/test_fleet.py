"""The bench of the fleet in its smallest form: simulated terminals drain real chains over real TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from offline_store.genesis import Genesis
from offline_store.record import Record, hash_of
from tools.bench import fleet
from tools.bench.command import bench
from tools.bench.fleet_outbox import FleetOutbox, make
from tools.scratch import scratch


@pytest.fixture
def short() -> Iterator[Path]:
    """A place whose path leaves room for the name of PostgreSQL's socket, and whose user may pass."""
    with scratch("fleet") as directory:
        directory.chmod(0o711)
        yield directory


def test_it_measures_every_figure_that_is_promised(monkeypatch: pytest.MonkeyPatch, short: Path) -> None:
    monkeypatch.setenv("ONECARD_BENCH_DIR", str(short))
    report = fleet.run(terminals=20, records=30, rounds=1)
    figures = {figure.name: figure for figure in report.figures}
    promised = {name for name, figure in figures.items() if figure.target is not None}
    assert promised == {"fleet.linear"}
    assert figures["fleet.records_s"].value > 0
    assert figures["fleet.workers_ratio"].value > 0
    assert 0 < figures["fleet.lag_p50_s"].value <= figures["fleet.lag_p99_s"].value
    assert figures["fleet.lost"].value == 0
    assert list(short.iterdir()) == []


def test_a_simulated_terminal_has_a_real_chain(tmp_path: Path) -> None:
    make(tmp_path / "one.journal", 9)
    outbox = FleetOutbox(tmp_path / "one.journal")
    bodies = outbox.batch(0, 100, 1 << 20)
    records = [Record.from_bytes(body) for body in bodies]
    assert Genesis.of(records[0]).chain_id == outbox.position().chain_id
    assert [record.prev_hash for record in records[1:]] == [hash_of(body) for body in bodies[:-1]]
    assert outbox.position().head_hash == hash_of(bodies[-1]) == outbox.hash_at(9)
    assert (outbox.hash_at(0), outbox.hash_at(10)) == (None, None)
    assert outbox.batch(7, 100, 1) == bodies[7:8]


def test_a_broker_is_given_with_the_platform_that_it_trusts() -> None:
    alone = CliRunner().invoke(bench, ["fleet", "--broker", "mqtts://localhost:8883"])
    assert alone.exit_code == 2
    assert "--platform-dir" in alone.output
