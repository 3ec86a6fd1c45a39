"""How long a technician waits for ``onecard doctor``: beside the running agent, and when it is stopped."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import click

from agent.words import say
from tools.bench.ops_site import OpsSite
from tools.bench.report import Figure

_LIMIT_S = 60.0


def measure(site: OpsSite) -> Figure:
    """The longer of the two. Leaves the terminal stopped."""
    beside_s = _run(site)
    site.terminal.stop()
    return Figure("ops.doctor_s", max(beside_s, _run(site)), "s", target=5)


def _run(site: OpsSite) -> float:
    started_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "agent", "doctor", "--config", str(site.config), "--json"],
        env={**os.environ, **site.devices.environment},
        stdout=subprocess.PIPE,
        timeout=_LIMIT_S,
        check=False,
    )
    if not done.stdout:
        raise click.ClickException(say("doctor 没有回答", "the doctor said nothing"))
    return time.monotonic() - started_s
