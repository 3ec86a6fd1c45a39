"""The bench of operating in its smallest form: every figure is there, of a terminal that worked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.bench import ops, ops_idle


def test_it_measures_what_is_promised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ONECARD_BENCH_DIR", str(tmp_path))
    monkeypatch.setattr(ops_idle, "SETTLE_S", 0.0)
    report = ops.run(taps=5, idle_s=1.0)
    promised = {figure.name: figure.target for figure in report.figures if figure.target is not None}
    waits = {"ops.doctor_s": 5, "ops.first_tap_s": 30}
    assert promised == {"ops.idle_cpu": 0.01, "ops.disk_bytes_per_tap": 16_000} | waits
    values = {figure.name: figure.value for figure in report.figures}
    assert min(values.values()) > 0
    assert values["ops.disk_bytes_per_lone_tap"] > 4096  # a commit is a page at least
    assert list(tmp_path.iterdir()) == []
