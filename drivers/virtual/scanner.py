"""A serial scanner in software: what is shown to it arrives on a pseudo-terminal, framed as it was set up."""

from __future__ import annotations

import threading
from pathlib import Path

from drivers.scanner import Trigger
from drivers.virtual.pty import VirtualPort


class VirtualScanner:
    """The scanner under ``path``. It scans by itself, or, with a ``trigger``, one code each time it is told to."""

    def __init__(
        self,
        path: Path,
        *,
        encoding: str = "utf-8",
        head: bytes = b"",
        tail: bytes = b"\r\n",
        trigger: Trigger | None = None,
    ) -> None:
        self.port = VirtualPort(path, self._told)
        self._encoding = encoding
        self._head = head
        self._tail = tail
        self._trigger = trigger
        self._lock = threading.Lock()
        self._heard = b""
        self._scanning = trigger is None
        self._in_view: bytes | None = None
        self.triggered = 0
        """How often it was told to scan."""

    def scan(self, text: str) -> None:
        """Show one code. Raises ``UnicodeEncodeError`` if the scanner's encoding has no such character.

        A scanner that was not told to scan sees it when it is.
        """
        framed = self._head + text.encode(self._encoding) + self._tail
        with self._lock:
            self._in_view = framed
            self._look()

    def _told(self, data: bytes) -> None:
        if self._trigger is None:
            return
        with self._lock:
            self._heard = (self._heard + data)[-len(self._trigger.command) :]
            if self._heard == self._trigger.command:
                self._heard = b""
                self.triggered += 1
                self.port.write(self._trigger.acknowledgement)
                self._scanning = True
                self._look()

    def _look(self) -> None:
        if self._scanning and self._in_view is not None:
            self.port.write(self._in_view)
            self._in_view = None
            self._scanning = self._trigger is None
