"""The terminal as a process of its own, followed by the lines of its log."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from drivers.virtual.child import bound_to_parent

STOP_S = 5.0
Line = Mapping[str, Any]


class TerminalProcess:
    """``onecard run`` in the background. Every line of its log is kept, up to a bound, and can be waited for."""

    MAX_LINES = 100_000

    def __init__(
        self,
        config: Path,
        environment: Mapping[str, str],
        arguments: tuple[str, ...] = (),
        *,
        user: tuple[int, int] | None = None,
    ) -> None:
        """``user``: the uid and gid that it runs as, for good, where this process only acts as them."""
        run = ("agent", "run", "--log-format", "json", "--config", str(config))
        command = bound_to_parent(sys.executable, "-P", "-m", *run)
        self._process = subprocess.Popen(
            [*command, *arguments],
            env=dict(environment),
            user=None if user is None else user[0],
            group=None if user is None else user[1],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.lines: list[Line] = []
        self._arrived = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, name="terminal-log", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def wait_for(self, wanted: Callable[[Line], bool], timeout_s: float, after: int = 0) -> tuple[int, Line] | None:
        """The first line from position ``after`` on that is wanted, with its position; ``None`` when time is up."""
        place = after

        def found() -> bool:
            nonlocal place
            while place < len(self.lines) and not wanted(self.lines[place]):
                place += 1
            return place < len(self.lines) or self._ended

        with self._arrived:
            self._arrived.wait_for(found, timeout_s)
            return (place, self.lines[place]) if place < len(self.lines) else None

    def stop(self) -> int:
        """End it as systemd does; its exit code."""
        self._process.terminate()
        try:
            code = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join(STOP_S)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.stop()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def _read(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 -- opened as a pipe above
        for raw in self._process.stderr:
            try:
                line = json.loads(raw)
            except ValueError:
                line = {"event": raw.decode(errors="replace").rstrip()}
            with self._arrived:
                if len(self.lines) < self.MAX_LINES:
                    self.lines.append(line)
                self._arrived.notify_all()
        with self._arrived:
            self._ended = True
            self._arrived.notify_all()
