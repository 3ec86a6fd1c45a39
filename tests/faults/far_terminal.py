"""A terminal in a process of its own, so that it can stand in another network.

``python -m tests.faults.far_terminal DIRECTORY PLATFORM_KEYS HOST PORT``. A number on its standard input is so many
passages to decide; to each line, also an empty one, it says how it is in one line of JSON. It ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.tools.platform.terminals import Running, running_terminal
from tools.platform.broker import Endpoint
from tools.platform.ca import Authority

KEEPALIVE_S = 5
END_S = 30.0


@dataclass(frozen=True)
class Condition:
    """How the terminal is: its link's phase, how often it connected, how many answers were overdue."""

    phase: str
    connections: int
    overdue: int


@dataclass
class FarTerminal:
    """The process, seen from here."""

    process: subprocess.Popen[str]

    def decide(self, count: int) -> Condition:
        """So many passages more, on its disk when this returns."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return Condition(**json.loads(self.process.stdout.readline()))

    def condition(self) -> Condition:
        """How it is."""
        return self.decide(0)


@contextmanager
def far_terminal(inside: list[str], log: IO[str]) -> Iterator[FarTerminal]:
    """The process that the command starts; it must end by itself when it is told to."""
    process = subprocess.Popen(
        inside, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, encoding="utf-8"
    )
    with process:
        try:
            yield FarTerminal(process)
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(END_S) == 0, "the terminal hung, or fell"
        finally:
            process.kill()


def command(directory: Path, keys: Path, host: str, port: int) -> list[str]:
    """What starts it."""
    here = [sys.executable, "-m", "tests.faults.far_terminal"]
    return [*here, str(directory), str(keys), host, str(port)]


def _condition(terminal: Running) -> str:
    status = terminal.sync.status
    counters = status.counters
    return json.dumps(
        {
            "phase": status.link.phase,
            "connections": counters.get("connections", 0),
            "overdue": counters.get("overdue", 0),
        }
    )


async def _main(directory: Path, keys: Path, host: str, port: int) -> None:
    out, sys.stdout = sys.stdout, sys.stderr  # the log is not an answer
    authority = Authority.at(keys)
    async with running_terminal(directory, authority, Endpoint(host, port), 0, keepalive_s=KEEPALIVE_S) as terminal:
        while line := await asyncio.to_thread(sys.stdin.readline):
            if count := int(line):
                terminal.decide(count)
            print(_condition(terminal), file=out, flush=True)


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
