"""How much memory a process holds."""

from __future__ import annotations

from pathlib import Path

import click

from agent.words import say

_KIB_PER_MB = 1000 * 1000 / 1024


def rss_mb(pid: int) -> float:
    """The resident set, in MB (proc(5), ``VmRSS``)."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / _KIB_PER_MB
    raise click.ClickException(say("读不到内存用量", "the memory in use cannot be read"))
