"""Log lines on their way to standard error, through a thread: a reader that stalls or a full disk holds nobody up.

A pipe whose reader stopped, or a terminal that was halted with Ctrl-S, blocks whoever writes to it. Here that is one
thread, which nobody waits for; what does not fit into the queue meanwhile is lost, and counted in the next line.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import MutableMapping
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from structlog import DropEvent

MAX_LINES = 1_024
EXIT_S = 0.2
"""At its end the process waits so long for lines that somebody may still read."""


class LogLines:
    """A bounded queue before a descriptor. Every method may be called from any thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: SimpleQueue[bytes | threading.Event] = SimpleQueue()
        self._counting = threading.Lock()
        self._lost = 0
        # Not by sys.stderr: the interpreter could not end while a thread that blocks holds the lock of its buffer.
        threading.Thread(target=self._run, name="log", daemon=True).start()
        atexit.register(self.drain, EXIT_S)

    def admit(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A structlog processor: drops the event while the queue is full, and says afterwards how many were lost."""
        with self._counting:
            if self._lines.qsize() >= MAX_LINES:
                self._lost += 1
                raise DropEvent
            if self._lost:
                event["lost"], self._lost = self._lost, 0
        return event

    def write(self, text: str) -> None:
        """Queue text, as a stream would take it."""
        self._lines.put(text.encode(errors="backslashreplace"))

    def flush(self) -> None:
        """Nobody waits for the reader of a log."""

    def drain(self, timeout_s: float) -> bool:
        """Wait until what is queued now has been written; whether it was in time."""
        written = threading.Event()
        self._lines.put(written)
        return written.wait(timeout_s)

    def _run(self) -> None:
        while True:
            line = self._lines.get()
            if isinstance(line, threading.Event):
                line.set()
            else:
                self._write(line)

    def _write(self, line: bytes) -> None:
        with suppress(OSError):  # the disk is full or the reader is gone: the line is lost, and nobody's work with it
            while line:
                line = line[os.write(self._descriptor, line) :]
