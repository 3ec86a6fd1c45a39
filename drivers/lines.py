"""Lines from a serial device, whatever it ends them with and however the bytes are split."""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod

from drivers.api import ReaderError, ReaderFault, Reading
from drivers.serial_port import Cancelled, SerialPort

LINE_END = re.compile(rb"[\r\n]")
NOISE_NS = 10_000_000_000
"""A device that sends for so long without a pause, and mostly what makes no sense, is broken."""
PAUSE_NS = 500_000_000
_END_BYTES = 2


class LineSource(ABC):
    """A source whose device sends lines; empty ones mean nothing.

    A line ends where ``end`` matches (CR, LF or CRLF unless told otherwise); without ``end``, when nothing has come for
    ``gap_ms``. The bytes ``ignored`` are taken out wherever they come. A line that :meth:`parse`, or :meth:`too_long`,
    makes nothing of is dropped and counted; the device stays open. Noise without end is a fault: :data:`NOISE_NS`.
    """

    def __init__(
        self,
        name: str,
        port: SerialPort,
        line_max_bytes: int,
        *,
        end: re.Pattern[bytes] | None = LINE_END,
        gap_ms: int = 50,
        ignored: bytes = b"",
    ) -> None:
        self.name = name
        self.dropped = 0
        """Lines that made no reading."""
        self._port = port
        self._line_max_bytes = line_max_bytes
        self._end = end
        self._gap_ns = gap_ms * 1_000_000
        self._ignored = ignored
        self._received = b""
        self._received_ns = 0
        self._overlong = False
        self._since_ns = 0
        self._heard_bytes = 0
        self._sense_bytes = 0

    @abstractmethod
    def parse(self, line: bytes, at_ns: int) -> Reading | None:
        """The reading in one line, not empty and without its end; ``None`` if it makes no sense."""

    def makes_sense(self, line: bytes) -> bool:  # noqa: ARG002 -- for those whose device repeats itself
        """Whether a line that made no reading is one that the device sends while all is well."""
        return False

    def too_long(self, at_ns: int) -> Reading | None:  # noqa: ARG002 -- for those who override it
        """The reading that a line beyond the bound makes: none, unless the device's user is told so."""
        return None

    def open(self) -> None:
        """Open the port and forget what was begun before."""
        self._port.open()
        self._received = b""
        self._received_ns = 0
        self._overlong = False

    def close(self) -> None:
        """Release the port."""
        self._port.close()

    def cancel(self) -> None:
        """Make the ``read`` that waits, else the next one, return ``None``."""
        self._port.cancel()

    def read(self, timeout_s: float) -> Reading | None:
        """The next line that makes a reading; ``None`` at the deadline, whatever the device goes on to send."""
        deadline_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        received = b""
        while True:
            while (line := self._take_line()) is not None:
                reading = self.parse(line, self._received_ns) if line else self.too_long(self._received_ns)
                if line and (reading is not None or self.makes_sense(line)):
                    self._sense_bytes += len(line) + _END_BYTES
                if reading is not None:
                    return reading
                self.dropped += 1
            if received and time.monotonic_ns() >= deadline_ns:
                return None
            until_ns = min(deadline_ns, self._silent_ns) if self._ends_with_silence else deadline_ns
            try:
                received = self._port.read(until_ns)
            except Cancelled:
                return None
            if received:
                self._hear(received)
            elif until_ns == deadline_ns:
                return None

    def _hear(self, received: bytes) -> None:
        """Take in what came. Raises :class:`ReaderError` if it went on for long and most of it was noise."""
        now_ns = time.monotonic_ns()
        goes_on = now_ns - self._received_ns < PAUSE_NS
        if goes_on and now_ns - self._since_ns >= NOISE_NS and 2 * self._sense_bytes < self._heard_bytes:
            raise ReaderError(ReaderFault.PROTOCOL, f"{self._port.path}: noise without end")
        if not goes_on or now_ns - self._since_ns >= NOISE_NS:
            self._since_ns, self._heard_bytes, self._sense_bytes = now_ns, 0, 0
        before_bytes = len(self._received)
        self._received += received
        if self._ignored:
            self._received = self._received.replace(self._ignored, b"")
        self._heard_bytes += len(self._received) - before_bytes
        self._received_ns = now_ns

    @property
    def _ends_with_silence(self) -> bool:
        return self._end is None and bool(self._received or self._overlong)

    @property
    def _silent_ns(self) -> int:
        return self._received_ns + self._gap_ns

    def _take_line(self) -> bytes | None:
        """The next line that is not empty; an empty one stands for one that was too long."""
        while (end := self._find_end()) is not None:
            line = self._received[: end[0]]
            self._received = self._received[end[1] :]
            overlong = self._overlong or len(line) > self._line_max_bytes
            self._overlong = False
            if overlong:
                return b""
            if line:
                return line
        if len(self._received) > self._line_max_bytes:
            self._received = b""
            self._overlong = True
        return None

    def _find_end(self) -> tuple[int, int] | None:
        """Where the first line ends and the next one begins; ``None`` while the first is not over."""
        if self._end is not None:
            found = self._end.search(self._received)
            return found.span() if found is not None else None
        if self._ends_with_silence and time.monotonic_ns() >= self._silent_ns:
            return len(self._received), len(self._received)
        return None
