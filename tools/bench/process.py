"""What a process holds and has used, as the kernel counts it (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path

import click

from agent.words import say

_KIB_PER_MB = 1000 * 1000 / 1024


def rss_mb(pid: int) -> float:
    """The resident set, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / _KIB_PER_MB
    raise click.ClickException(say("读不到内存用量", "the memory in use cannot be read"))


def cpu_s(pid: int) -> float:
    """The processor time that its threads have used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
