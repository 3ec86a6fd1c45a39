"""A serial scale in software, on a pseudo-terminal: it sends what lies on it ten times a second."""

from __future__ import annotations

import threading
from pathlib import Path

from drivers.virtual.api import Use
from drivers.virtual.pty import VirtualPort

INTERVAL_S = 0.1
MOVES = 3
"""So many lines say that the pan still moves, once something was put on it or taken off."""


class VirtualScale:
    """The scale under ``path``."""

    def __init__(self, path: Path) -> None:
        self.port = VirtualPort(path, _ignore)
        self._lock = threading.Lock()
        self._grams = 0
        self._moves = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def use(self) -> Use:
        """Whether a host holds the port."""
        return self.port.use

    def plug(self) -> None:
        """Appear, and begin to send; harmless when plugged."""
        if self._thread is None:
            self.port.plug()
            self._stop.clear()
            self._thread = threading.Thread(target=self._send, name="virtual scale", daemon=True)
            self._thread.start()

    def unplug(self) -> None:
        """Fall silent, and vanish; harmless when unplugged."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.port.unplug()

    def put(self, grams: int) -> None:
        """Put so much onto the empty pan, or with 0 take everything off."""
        with self._lock:
            self._grams, self._moves = grams, MOVES

    def _send(self) -> None:
        while not self._stop.wait(INTERVAL_S):
            with self._lock:
                moves, self._moves = self._moves > 0, max(0, self._moves - 1)
                line = f"{'US' if moves else 'ST'},GS,+{self._grams / 1000:8.3f}kg\r\n"
            self.port.write(line.encode("ascii"))


def _ignore(_data: bytes) -> None:
    pass
