"""What a tap costs the flash: bytes that the agent has the kernel write, the platform's acknowledgements included."""

from __future__ import annotations

from pathlib import Path

import click

from agent.words import say
from tools.bench.ops_site import OpsSite
from tools.bench.report import Figure


def measure(site: OpsSite, taps: int) -> Figure:
    """Bytes a tap, by the kernel's own count (``write_bytes``, proc_pid_io(5)): whole pages, as the disk sees them."""
    site.cycle.tap()
    before = _written_bytes(site.terminal.pid)
    for _ in range(taps):
        site.cycle.tap()
    share = (_written_bytes(site.terminal.pid) - before) / taps
    return Figure("ops.disk_bytes_per_tap", share, "B", target=16_000, digits=0)


def _written_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "write_bytes":
            return int(value)
    raise click.ClickException(say("读不到写入量", "the kernel does not count what is written"))
