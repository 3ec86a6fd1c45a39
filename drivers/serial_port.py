"""A serial line as the drivers see it: held alone, read against a deadline, every fault a :class:`ReaderError`.

Only :meth:`SerialPort.cancel` may be called from another thread.
"""

from __future__ import annotations

import errno
import os
import select
import termios
import threading
import time

import serial

from drivers.api import ReaderError, ReaderFault

READ_SIZE_BYTES = 4096
WRITE_TIMEOUT_S = 1.0

_FAULTS = {
    errno.ENOENT: ReaderFault.NOT_FOUND,
    errno.ENODEV: ReaderFault.NOT_FOUND,
    errno.ENXIO: ReaderFault.NOT_FOUND,
    errno.EACCES: ReaderFault.DENIED,
    errno.EPERM: ReaderFault.DENIED,
    errno.EBUSY: ReaderFault.BUSY,
    errno.EAGAIN: ReaderFault.BUSY,  # what a refused exclusive lock gives: flock(2) EWOULDBLOCK
}


class Cancelled(Exception):
    """Another thread called :meth:`SerialPort.cancel`; raised once for it."""


def open_fault(path: str, error: Exception) -> ReaderError:
    """The fault that opening ``path`` met, from the operating system's or pyserial's error."""
    code = error.errno if isinstance(error, OSError) else None
    if code is None:
        return ReaderError(ReaderFault.NOT_FOUND, f"{path} is not a usable serial port")
    return ReaderError(_FAULTS.get(code, ReaderFault.UNPLUGGED), f"{path} ({errno.errorcode.get(code, code)})")


class SerialPort:
    """One serial port, 8 data bits, no parity, one stop bit unless told otherwise, without flow control."""

    def __init__(self, path: str, baud: int, parity: str = serial.PARITY_NONE) -> None:
        self.path = path
        self._baud = baud
        self._parity = parity
        self._serial: serial.Serial | None = None
        self._cancel_fd: int | None = None
        self._cancel_lock = threading.Lock()

    def open(self) -> None:
        """Open and lock the port and drop what it had received. Raises :class:`ReaderError`."""
        self.close()
        try:
            self._serial = serial.Serial(
                self.path, self._baud, parity=self._parity, timeout=0, write_timeout=WRITE_TIMEOUT_S, exclusive=True
            )
        except (OSError, ValueError, termios.error) as error:
            raise open_fault(self.path, error) from error
        with self._cancel_lock:
            self._cancel_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def close(self) -> None:
        """Release the port; harmless when it is closed, never raises."""
        with self._cancel_lock:
            if self._cancel_fd is not None:
                os.close(self._cancel_fd)
                self._cancel_fd = None
        if self._serial is not None:
            self._serial.close()
            self._serial = None

    def cancel(self) -> None:
        """Make the read that is under way, else the next one, raise :class:`Cancelled`."""
        with self._cancel_lock:
            if self._cancel_fd is not None:
                os.eventfd_write(self._cancel_fd, 1)

    def read(self, deadline_ns: int) -> bytes:
        """Whatever has arrived, at least one byte; empty when ``time.monotonic_ns()`` reaches the deadline.

        Raises :class:`Cancelled`, and ``ReaderError(UNPLUGGED)``.
        """
        port_fd, cancel_fd = self._opened()
        wait_s = max(0, deadline_ns - time.monotonic_ns()) / 1e9
        try:
            ready, _, _ = select.select((port_fd, cancel_fd), (), (), wait_s)
            if cancel_fd in ready:
                os.eventfd_read(cancel_fd)
                raise Cancelled
            # pyserial's own read and write look three times as often at the port, on the way of every poll.
            data = os.read(port_fd, READ_SIZE_BYTES) if ready else b""
        except OSError as error:
            raise self._unplugged() from error
        if ready and not data:
            raise self._unplugged()  # a port that is gone is ready to read, and holds nothing
        return data

    def write(self, data: bytes) -> None:
        """Send all of ``data``. Raises ``ReaderError``: UNPLUGGED, or SILENT when the device takes no bytes."""
        port_fd, _ = self._opened()
        left = memoryview(data)
        until_s = time.monotonic() + WRITE_TIMEOUT_S
        while left:
            try:
                left = left[os.write(port_fd, left) :]
            except BlockingIOError:
                wait_s = max(0.0, until_s - time.monotonic())
                if not select.select((), (port_fd,), (), wait_s)[1]:
                    raise ReaderError(ReaderFault.SILENT, f"{self.path} takes no bytes") from None
            except OSError as error:
                raise self._unplugged() from error

    def _opened(self) -> tuple[int, int]:
        """The descriptors of the port, which pyserial left non-blocking, and of :meth:`cancel`."""
        if self._serial is None or self._serial.fd is None or self._cancel_fd is None:
            raise ReaderError(ReaderFault.UNPLUGGED, f"{self.path} is not open")
        return self._serial.fd, self._cancel_fd

    def _unplugged(self) -> ReaderError:
        return ReaderError(ReaderFault.UNPLUGGED, self.path)
