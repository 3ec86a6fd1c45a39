"""The bench of the profiles in its smallest form: every profile is measured, each decision beside commits."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config import profile_names
from tools.bench import profiles


def test_it_measures_every_profile_beside_the_raw_peer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ONECARD_BENCH_DIR", str(tmp_path))
    report = profiles.run(rounds=1)
    figures = {figure.name: figure for figure in report.figures}
    assert {name for name, figure in figures.items() if figure.target is not None} == {"profiles.decide_ratio"}
    assert all(figure.value > 0 for figure in report.figures)
    ratios = [
        figures[f"profiles.{name}_us"].value / figures[f"profiles.{name}_raw_commit_us"].value
        for name in profile_names()
    ]
    assert figures["profiles.decide_ratio"].value == pytest.approx(max(ratios))
    assert "without_a_day" not in report.conditions
    assert all(int(report.conditions[f"{name}_decisions"]) > 5 for name in profile_names())
    assert list(tmp_path.iterdir()) == []


def test_neither_a_slow_call_nor_a_slow_round_makes_a_decision_dearer() -> None:
    quick = profiles.Times(repeated=[[10, 10, 900], [30, 30, 30]])
    slow = profiles.Times(repeated=[[800, 800, 800], [30, 700, 900]])
    assert profiles.day_mean_ns([quick, slow, quick, quick, quick]) == (10 + 30) / 2
