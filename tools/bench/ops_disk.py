"""What a tap costs the flash: bytes that the agent has the kernel write, the platform's acknowledgements included.

Under load every lane is busy, and what waits while a commit is synced is committed together; a lone tap shares its
pages with nobody. Both are said. Lanes are fed with number plates, through serial lines of their own: no card takes
time.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from agent.words import say
from drivers.virtual.pty import VirtualPort
from drivers.virtual.relay import VirtualRelay
from tools.bench.ops_site import OpsSite, platform_at, started
from tools.bench.report import Figure
from tools.cli.terminal_process import TerminalProcess

LANES = 8
_PULSE_MS = 50
_STALLED_S = 30.0


def lone(site: OpsSite, taps: int) -> Figure:
    """Bytes a tap at one lane, one after the other."""
    site.cycle.tap()
    before = _written_bytes(site.terminal.pid)
    for _ in range(taps):
        site.cycle.tap()
    share = (_written_bytes(site.terminal.pid) - before) / taps
    return Figure("ops.disk_bytes_per_lone_tap", share, "B", digits=0)


def loaded(directory: Path, taps: int) -> Figure:
    """Bytes a tap while ``LANES`` lanes are used as fast as they go, ``taps`` at each."""
    with _hall(directory) as (terminal, ports):
        _run(terminal, ports, 2)
        before = _written_bytes(terminal.pid)
        _run(terminal, ports, taps)
        share = (_written_bytes(terminal.pid) - before) / (taps * LANES)
    return Figure("ops.disk_bytes_per_tap", share, "B", target=16_000, digits=0)


@contextmanager
def _hall(directory: Path) -> Iterator[tuple[TerminalProcess, list[VirtualPort]]]:
    """A terminal of many lanes before one board, enrolled at a platform that runs."""
    outputs = {f"gate-{number}": number for number in range(LANES)}
    board = VirtualRelay(directory / "board", outputs, {})
    ports = [VirtualPort(directory / f"reader-{number}", _hear) for number in range(LANES)]
    with ExitStack() as stack:
        broker = stack.enter_context(platform_at(directory))
        board.plug()
        stack.callback(board.unplug)
        for port in ports:
            port.plug()
            stack.callback(port.unplug)
        document = _document(board, ports)
        terminal = stack.enter_context(started(directory, broker, document, os.environ))
        yield terminal, ports


def _document(board: VirtualRelay, ports: list[VirtualPort]) -> Mapping[str, Any]:
    devices: dict[str, Any] = {
        f"reader-{number}": {"driver": "vehicles", "port": str(port.path), "again_ms": 0}
        for number, port in enumerate(ports)
    }
    outputs = {f"gate-{number}": number for number in range(LANES)}
    devices["board"] = {"driver": "relay", "port": str(board.port.path), "baud": 115_200, "outputs": outputs}
    settings = {"admit": {"everyone": True}, "least_assurance": "uid", "double_tap_ms": 0, "open_pulse_ms": _PULSE_MS}
    lanes = {
        f"lane-{number}": {
            "profile": "gate",
            "readers": [f"reader-{number}"],
            "board": "board",
            "settings": settings | {"output": f"gate-{number}", "passage_input": None, "fire_input": None},
        }
        for number in range(LANES)
    }
    return {"devices": devices, "lanes": lanes}


def _run(terminal: TerminalProcess, ports: list[VirtualPort], taps: int) -> None:
    """So many vehicles at each lane, each as soon as the one before has passed."""
    first = len(terminal.lines)
    threads = [
        threading.Thread(target=_feed, args=(terminal, f"lane-{number}", port, taps, first))
        for number, port in enumerate(ports)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcomes = sum(line.get("event") == "outcome" for line in terminal.lines[first:])
    if outcomes < taps * LANES:
        raise click.ClickException(say("有通道停住了", f"a lane came to a halt: {outcomes} of {taps * LANES}"))
    time.sleep(1.0)  # the platform's answers to the last ones


def _feed(terminal: TerminalProcess, lane: str, port: VirtualPort, taps: int, seen: int) -> None:
    for number in range(taps):
        port.write(f"京A{number:05d}\r\n".encode())
        found = terminal.wait_for(
            lambda line: line.get("event") == "outcome" and line.get("lane") == lane, _STALLED_S, seen
        )
        if found is None:
            return
        seen = found[0] + 1


def _hear(data: bytes) -> None:
    """Readers of vehicles are told nothing."""


def _written_bytes(pid: int) -> int:
    """Whole pages, as the disk sees them (``write_bytes``, proc_pid_io(5))."""
    for line in Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "write_bytes":
            return int(value)
    raise click.ClickException(say("读不到写入量", "the kernel does not count what is written"))
