"""What printers, screens and voices share: lines of text go to a serial port, or to a file in its place."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from drivers.api import ReaderError, ReaderFault
from drivers.serial_port import SerialPort, open_fault

FILE_MAX_BYTES = 64 * 1024


class TextOut:
    """A serial port that takes text, or the file in its place; what each driver does with it is its own."""

    def __init__(self, name: str, port: str, baud: int) -> None:
        self.name = name
        self._path = Path(port)
        self._baud = baud
        self._port: SerialPort | None = None
        self._file: Path | None = None

    def open(self) -> None:
        """Open the port, or take the file. Raises :class:`ReaderError`."""
        self.close()
        if _is_device(self._path):
            port = SerialPort(str(self._path), self._baud)
            port.open()
            self._port = port
        else:
            self._file = self._path

    def close(self) -> None:
        """Release the port."""
        port, self._port, self._file = self._port, None, None
        if port is not None:
            port.close()

    def cancel(self) -> None:
        """Nothing waits here for longer than a write takes."""

    def _append(self, text: str) -> None:
        """Onto the end of the file, which begins anew when it is full. Raises :class:`ReaderError`."""
        try:
            with self._path.open("a", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o600)
                if file.tell() + len(text.encode()) > FILE_MAX_BYTES:
                    file.truncate(0)
                file.write(text)
        except OSError as error:
            raise open_fault(str(self._path), error) from error

    def _not_open(self) -> ReaderError:
        return ReaderError(ReaderFault.UNPLUGGED, f"{self._path} is not open")


def _is_device(path: Path) -> bool:
    """Whether a character device stands there. Raises :class:`ReaderError` for a port that is not there."""
    try:
        return stat.S_ISCHR(path.stat().st_mode)
    except FileNotFoundError as error:
        if path.is_relative_to("/dev"):
            raise ReaderError(ReaderFault.NOT_FOUND, f"{path} ({errno.errorcode[errno.ENOENT]})") from error
        return False
    except OSError as error:
        raise open_fault(str(path), error) from error


def printable(line: str) -> str:
    """A line as text alone: no byte of it may be taken for a command."""
    return "".join(character if character.isprintable() else "?" for character in line)
