"""The bench of the store in its smallest form: every figure is there, and the raw peer did the same work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.bench import store


def test_it_measures_every_figure_that_is_promised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ONECARD_BENCH_DIR", str(tmp_path))
    report = store.run(records=10_000, appends=20, rounds=1)
    figures = {figure.name: figure for figure in report.figures}
    promised = {name for name, figure in figures.items() if figure.target is not None}
    assert promised == {"store.append_ratio", "store.group_ratio", "store.growth_ratio", "store.bytes_per_record"}
    assert all(figure.value > 0 for figure in report.figures)
    assert 100 < figures["store.bytes_per_record"].value < 4096
    assert list(tmp_path.iterdir()) == []
