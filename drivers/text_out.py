"""What printers and screens share: lines of text go to a serial port, or to a file in its place."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

from drivers.api import ReaderError, ReaderFault
from drivers.serial_port import open_fault


def is_device(path: Path) -> bool:
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
