"""How much of a core the agent takes while nobody is there: readers polled, board watched, link kept, no camera."""

from __future__ import annotations

import time

from tools.bench.ops_site import OpsSite
from tools.bench.process import cpu_s
from tools.bench.report import Figure

SETTLE_S = 3.0
"""What belongs to the start is over: lists loaded, the first report sent."""


def measure(site: OpsSite, for_s: float) -> Figure:
    """Processor time of all its threads, per second."""
    time.sleep(SETTLE_S)
    before_s, started_s = cpu_s(site.terminal.pid), time.monotonic()
    time.sleep(for_s)
    share = (cpu_s(site.terminal.pid) - before_s) / (time.monotonic() - started_s)
    return Figure("ops.idle_cpu", share, "cores", target=0.01, digits=4)
