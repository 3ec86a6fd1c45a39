"""The scan bench opens a real gate by real codes from a real stream, and measures something."""

from __future__ import annotations

import json
import os
import subprocess
import sys


def test_a_short_bench_measures_from_the_stream_to_the_relay_and_the_rest_between() -> None:
    command = [sys.executable, "-P", "-m", "agent", "bench", "scan", "--scans", "3", "--idle", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=dict(os.environ), check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])["figures"]
    assert figures["scan.decided_p50_ms"] < figures["scan.durable_p50_ms"]
    assert figures["scan.p50_frames"] <= figures["scan.p95_frames"]
    assert figures["scan.idle_cpu"] > 0
