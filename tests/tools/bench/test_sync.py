"""The bench of the sync in its smallest form: both sides drain the same bytes, and people tap meanwhile."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent.cose import Es256Signer
from offline_store.outbox import Outbox
from tools.bench import sync
from tools.bench.backlog import fill


def test_it_measures_every_figure_that_is_promised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ONECARD_BENCH_DIR", str(tmp_path))
    report = sync.run(records=20_000, rounds=1)
    figures = {figure.name: figure for figure in report.figures}
    promised = {name for name, figure in figures.items() if figure.target is not None}
    assert promised == {"sync.drain_ratio", "sync.memory_mb", "sync.tap_p99_ms"}
    assert figures["sync.drain_records_s"].value > 0
    assert figures["sync.raw_records_s"].value > 0
    assert figures["sync.tap_p50_ms"].value > 0
    assert int(report.conditions["taps"]) >= 1
    assert list(tmp_path.iterdir()) == []


def test_a_backlog_is_a_chain_that_holds(tmp_path: Path) -> None:
    fill(tmp_path, "gate-1", Es256Signer(ec.generate_private_key(ec.SECP256R1())), 101)
    with closing(Outbox.open(tmp_path)) as outbox:
        verdict = outbox.verify()
        assert verdict.broken is None
        assert verdict.checked == outbox.position().head_seq
        assert outbox.position().head_seq >= 102
