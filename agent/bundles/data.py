"""The content of an installed bundle as lookups read it: in memory where it is small, by position in its file else.

Not by a memory map: a sector that cannot be read, or a file that somebody cut short, would then end the whole process
with SIGBUS, and its fire line with it. Here it is an exception, and the credential is refused.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import SupportsIndex, overload

from agent.credentials.lists import ListLost

IN_MEMORY_BYTES = 4 * 1024**2
"""A status list of ten million citizens is 1.25 MB; a register of as many cards, 370 MB, stays on the disk."""


class FileData:
    """Bytes in an open file. The file may lose its name meanwhile; its bytes stay readable."""

    __slots__ = ("_descriptor", "_size_bytes")

    def __init__(self, path: Path) -> None:
        """Open. Raises ``OSError``."""
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._size_bytes = os.fstat(self._descriptor).st_size

    def __len__(self) -> int:
        return self._size_bytes

    @overload
    def __getitem__(self, where: SupportsIndex) -> int: ...

    @overload
    def __getitem__(self, where: slice) -> bytes: ...

    def __getitem__(self, where: SupportsIndex | slice) -> int | bytes:
        """One byte, or those of a slice without steps. Raises :class:`ListLost`."""
        if isinstance(where, slice):
            start, stop, _ = where.indices(self._size_bytes)
            return self._read(start, max(0, stop - start))
        return self._read(where.__index__(), 1)[0]

    def _read(self, start: int, count: int) -> bytes:
        try:
            found = os.pread(self._descriptor, count, start)
        except OSError as error:
            raise ListLost from error
        if len(found) < count:
            raise ListLost
        return found

    def __del__(self) -> None:
        os.close(self._descriptor)


Data = bytes | FileData


def read_data(path: Path) -> Data:
    """The content of a file, ready for lookups. Raises ``OSError``."""
    data = FileData(path)
    if len(data) > IN_MEMORY_BYTES:
        return data
    return path.read_bytes()
