"""``onecard bench start``: from the start of the process to a terminal that serves, and the memory it then holds."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import click
import yaml

from agent.config import load
from agent.words import say
from tools.bench.place import bench_directory, terminal_id
from tools.bench.process import rss_mb
from tools.bench.report import Figure, Report, median
from tools.cli.bench_process import running_devices
from tools.cli.presets import preset_text
from tools.cli.terminal_process import TerminalProcess

READY_S = 30.0
SETTLE_S = 1.0


def run(rounds: int) -> Report:
    """Start a terminal several times; medians. Beside it, the bare interpreter in the same rounds."""
    ready: list[float] = []
    memory: list[float] = []
    bare: list[float] = []
    with bench_directory() as directory:
        config = _configure(directory)
        with running_devices(load(config)) as devices:
            environment = {**os.environ, **devices.environment}
            for _ in range(rounds):
                bare.append(_bare_start_s())
                ready_s, rss_mb = _start(config, environment)
                ready.append(ready_s)
                memory.append(rss_mb)
    figures = (
        Figure("start.ready_s", median(ready), "s", target=1.5),
        Figure("start.rss_mb", median(memory), "MB", target=80),
        Figure("start.ratio_bare_python", median(ready) / median(bare), "×"),
    )
    return Report("start", figures, {"rounds": rounds, "preset": "gate", "camera": "none"})


def _start(config: Path, environment: dict[str, str]) -> tuple[float, float]:
    started_s = time.monotonic()
    with TerminalProcess(config, environment) as terminal:
        if terminal.wait_for(lambda line: line.get("event") == "ready", READY_S) is None:
            raise click.ClickException(say("终端没有就绪", "the terminal did not become ready"))
        ready_s = time.monotonic() - started_s
        time.sleep(SETTLE_S)  # the memory of a terminal at rest, not of one that still starts
        return ready_s, rss_mb(terminal.pid)


def _bare_start_s() -> float:
    started_s = time.monotonic()
    subprocess.run([sys.executable, "-P", "-c", "pass"], check=True)
    return time.monotonic() - started_s


def _configure(directory: Path) -> Path:
    document = yaml.safe_load(preset_text("gate"))
    document["terminal"] |= {"id": terminal_id(), "state_dir": str(directory / "terminal")}
    path = directory / "gate.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return path
