"""A small file that is replaced where it lies, so that a full disk takes it: its blocks were written beforehand.

Two halves are written in turn, each with a number and a checksum. A power cut amid a write spoils the half that was
being written, and the other one, which is older by one write, counts. A file system that never writes in place (btrfs)
may refuse on a full disk; then :meth:`InPlace.write` raises, and what was there stays.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
from contextlib import suppress
from pathlib import Path

from offline_store.durable import sync_directory

_HEADER = struct.Struct(">8sQI32s")
_MAGIC = b"in-place"


class InPlace:
    """One file of two halves. Not for several threads at once; whoever only reads makes its own."""

    def __init__(self, path: Path, half_bytes: int) -> None:
        self._path = path
        self._half_bytes = half_bytes
        self.room_bytes = half_bytes - _HEADER.size
        """The largest payload."""
        self._number: int | None = None

    def make(self) -> bool:
        """Write every block once, unless that was done before; whether the file is there."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            if os.fstat(descriptor).st_size >= 2 * self._half_bytes:
                return True
            # Zeros, not fallocate(2): a block that was never written costs the file system a new one when it is.
            _write_whole(descriptor, bytes(2 * self._half_bytes - 1), 0)
            os.fsync(descriptor)
            _write_whole(descriptor, b"\0", 2 * self._half_bytes - 1)  # the whole length: all the rest is there
            os.fsync(descriptor)
            sync_directory(self._path.parent)
        except OSError:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            return False
        finally:
            os.close(descriptor)
        return True

    def read(self) -> bytes:
        """The last payload whose writing was finished; empty if there is none, or no file. Raises ``OSError``."""
        try:
            with self._path.open("rb") as file:
                data = file.read(2 * self._half_bytes)
        except FileNotFoundError:
            return b""
        halves = (self._half(data[: self._half_bytes]), self._half(data[self._half_bytes :]))
        self._number, payload = max((half for half in halves if half is not None), default=(0, b""))
        return payload

    def write(self, payload: bytes) -> None:
        """Replace the payload, durably. Raises ``OSError``; where no blocks were made, ``FileNotFoundError``."""
        if self._number is None:
            self.read()
        number = (self._number or 0) + 1
        checksum = hashlib.sha256(number.to_bytes(8, "big") + payload).digest()
        data = _HEADER.pack(_MAGIC, number, len(payload), checksum) + payload
        if len(data) > self._half_bytes:
            raise ValueError(f"at most {self.room_bytes} bytes, not {len(payload)}")
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            # Whatever becomes of this write, the next one goes into the same half: the other is whole.
            _write_whole(descriptor, data, number % 2 * self._half_bytes)
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        self._number = number

    def _half(self, data: bytes) -> tuple[int, bytes] | None:
        if len(data) < _HEADER.size:
            return None
        magic, number, length, checksum = _HEADER.unpack_from(data)
        payload = data[_HEADER.size : _HEADER.size + length]
        whole = magic == _MAGIC and len(payload) == length
        if not whole or hashlib.sha256(number.to_bytes(8, "big") + payload).digest() != checksum:
            return None
        return number, payload


def _write_whole(descriptor: int, data: bytes, place: int) -> None:
    """All of it, or ``OSError``: a disk that is nearly full takes what it can and says how much that was."""
    if os.pwrite(descriptor, data, place) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
