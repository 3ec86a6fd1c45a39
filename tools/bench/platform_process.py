"""Programs of the reference platform as processes of their own, beside a broker that the bench starts and stops."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import click

from agent.words import say
from drivers.virtual.child import bound_to_parent

_STOP_S = 15.0


class PlatformProcess:
    """``onecard platform`` with ``arguments``, ready when the constructor returns."""

    def __init__(self, *arguments: str) -> None:
        command = bound_to_parent(sys.executable, "-P", "-m", "agent", "platform", *arguments)
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        if not self._process.stdout or not self._process.stdout.readline():
            self._process.wait()
            raise click.ClickException(say("平台没有启动", "the platform did not start"))

    @classmethod
    def run(cls, directory: Path, database: str, broker: str, shards: str = "00-ff") -> Self:
        """The platform itself."""
        return cls("run", "--dir", str(directory), "--database", database, "--broker", broker, "--shards", shards)

    @classmethod
    def worker(cls, directory: Path, database: str, broker: str, number: int, shards: str) -> Self:
        """A further ingest worker."""
        place = ("--dir", str(directory), "--database", database, "--broker", broker)
        return cls("worker", *place, "--number", str(number), "--shards", shards)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.communicate(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
