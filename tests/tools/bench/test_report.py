"""Figures are told to people and machines alike; the benches run and measure something."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tools.bench.report import Figure, Report, percentile


def test_the_last_line_holds_every_figure_under_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    Report("tap", (Figure("tap.ratio_p50", 2.25, "×", target=2.5),), {"taps": 500}).tell(as_json=True)
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert document["figures"] == {"tap.ratio_p50": 2.25}


@pytest.mark.parametrize(("value", "holds"), [(2.5, True), (2.51, False)])
def test_a_promise_is_an_upper_bound(value: float, holds: bool) -> None:
    assert Figure("x", value, "×", target=2.5).holds is holds


@pytest.mark.parametrize(("value", "holds"), [(0.84, True), (0.83, False)])
def test_a_promise_may_be_a_lower_bound(value: float, holds: bool) -> None:
    assert Figure("x", value, "", target=0.84, at_least=True).holds is holds


def test_percentiles_are_by_nearest_rank() -> None:
    values = [float(number) for number in range(101)]
    assert (percentile(values, 0.5), percentile(values, 0.99)) == (50.0, 99.0)


def test_a_short_bench_measures_terminal_and_peer() -> None:
    command = [sys.executable, "-P", "-m", "agent", "bench", "tap", "--taps", "20", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=dict(os.environ), check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])["figures"]
    assert figures["tap.ratio_p50"] == pytest.approx(figures["tap.p50_ms"] / figures["tap.raw_p50_ms"], rel=1e-3)
    assert 0 < figures["tap.decided_p50_ms"] < figures["tap.durable_p50_ms"]
