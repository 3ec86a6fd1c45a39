"""Lines from a serial device, whatever it ends them with and however the bytes are split."""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod

from drivers.api import Reading
from drivers.serial_port import Cancelled, SerialPort

_END = re.compile(rb"[\r\n]")


class LineSource(ABC):
    """A source whose device sends lines that end with CR, LF or CRLF; empty lines mean nothing.

    A line that is too long, or that :meth:`parse` makes nothing of, is dropped and counted; the device stays open.
    """

    def __init__(self, name: str, port: SerialPort, line_max_bytes: int) -> None:
        self.name = name
        self.dropped = 0
        """Lines that made no reading."""
        self._port = port
        self._line_max_bytes = line_max_bytes
        self._received = b""
        self._received_ns = 0
        self._overlong = False

    @abstractmethod
    def parse(self, line: bytes, at_ns: int) -> Reading | None:
        """The reading in one line, not empty and without its end; ``None`` if it makes no sense."""

    def open(self) -> None:
        """Open the port and forget what was begun before."""
        self._port.open()
        self._received = b""
        self._overlong = False

    def close(self) -> None:
        """Release the port."""
        self._port.close()

    def cancel(self) -> None:
        """Make the ``read`` that waits, else the next one, return ``None``."""
        self._port.cancel()

    def read(self, timeout_s: float) -> Reading | None:
        """The next line that makes a reading."""
        deadline_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        while True:
            while (line := self._take_line()) is not None:
                reading = self.parse(line, self._received_ns)
                if reading is not None:
                    return reading
                self.dropped += 1
            try:
                received = self._port.read(deadline_ns)
            except Cancelled:
                return None
            if not received:
                return None
            self._received += received
            self._received_ns = time.monotonic_ns()

    def _take_line(self) -> bytes | None:
        while (end := _END.search(self._received)) is not None:
            line = self._received[: end.start()]
            self._received = self._received[end.end() :]
            overlong = self._overlong or len(line) > self._line_max_bytes
            self._overlong = False
            if overlong:
                self.dropped += 1
            elif line:
                return line
        if len(self._received) > self._line_max_bytes:
            self._received = b""
            self._overlong = True
        return None
