"""Room that is kept for doors: when the disk is full, money stops and passages still find a place to be recorded.

The reserve is a file beside the journal whose blocks are allocated beforehand, and as much below the journal's own size
limit. When an append meets a full disk the file goes, the limit rises, and the append is tried once more. From then on
only what is ``vital`` is taken, until there is room for the reserve again. A little is kept apart for opening the
journal at all: a terminal that is started on a full disk must serve its doors.
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from offline_store.database import DATABASE_NAME
from offline_store.durable import sync_directory

RESERVE_NAME = "reserve"
OPENING_NAME = "reserve-opening"
OPENING_BYTES = 256 * 1024
OPENING_PORTION_BYTES = 32 * 1024
"""What SQLite's shared memory takes: to open, it gives its blocks back and wants them anew, and on a full disk somebody
may have been faster. So many times a terminal can be killed on a disk that stays full; one that is stopped takes the
blocks back as it closes the journal."""
MARGIN_BYTES = 1024**2
"""More than the reserve must be free before it is made again: the journal goes on growing meanwhile."""

PROBE_BYTES = 64 * 1024
"""Where not even that can be had, a journal that could not be written to is full."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_full(directory: Path) -> bool:
    """Whether a disk, or its user's quota, is used up. SQLite says so itself for some of its files and causes only."""
    try:
        descriptor = os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, PROBE_BYTES)
        finally:
            os.close(descriptor)
    except OSError as error:
        return error.errno in FULL
    return False


def room_bytes(directory: Path, limit_bytes: int, reserve_bytes: int) -> int:
    """How much the journal may still grow before money stops: the reserve is not counted. Raises ``OSError``.

    Where the reserve is not held, what it takes to hold it again must be there first.
    """
    try:
        held = (directory / RESERVE_NAME).stat().st_blocks * 512 >= reserve_bytes
    except FileNotFoundError:
        held = reserve_bytes == 0
    below_limit = limit_bytes - (directory / DATABASE_NAME).stat().st_size - reserve_bytes * (1 if held else 2)
    on_disk = shutil.disk_usage(directory).free - (0 if held else reserve_bytes + MARGIN_BYTES)
    return max(0, min(below_limit, on_disk))


def keep_opening_room(directory: Path) -> None:
    """Allocate what is missing of the little that a start on a full disk may need, as far as there is room."""
    with suppress(OSError):
        descriptor = os.open(directory / OPENING_NAME, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            held_bytes = os.fstat(descriptor).st_size
            if held_bytes < OPENING_BYTES:
                try:
                    while held_bytes < OPENING_BYTES:
                        os.posix_fallocate(descriptor, held_bytes, OPENING_PORTION_BYTES)
                        held_bytes += OPENING_PORTION_BYTES
                except OSError:
                    os.ftruncate(descriptor, held_bytes)  # a part of a portion may have been allocated
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def give_opening_room(directory: Path) -> bool:
    """Give the file system back a portion of it; ``False`` if there is none left."""
    path = directory / OPENING_NAME
    try:
        held_bytes = path.stat().st_size
        os.truncate(path, max(0, held_bytes - OPENING_PORTION_BYTES))
    except OSError:
        return False
    return held_bytes > 0


class Reserve:
    """The reserve of one directory; of ``size_bytes`` 0 there is none, and nothing is ever held back."""

    def __init__(self, directory: Path, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._path = directory / RESERVE_NAME
        self.held = False
        """Whether the room is there, untouched. While it is not, only what is vital may be appended."""

    def make(self) -> bool:
        """Allocate what is missing, if the disk has room for it and some more; whether the reserve is held."""
        if self.size_bytes == 0:
            return True
        if not self.held:
            self.held = self._allocate()
        return self.held

    def release(self) -> bool:
        """Give the room to the journal; ``False`` if it was given already, or there never was any."""
        if not self.held or self.size_bytes == 0:
            return False
        self.held = False
        self._remove()
        return True

    @property
    def holds_back(self) -> bool:
        """Whether what is not vital has to wait."""
        return self.size_bytes > 0 and not self.held

    def _allocate(self) -> bool:
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if os.fstat(descriptor).st_blocks * 512 >= self.size_bytes:
                    return True  # of an earlier start
                os.posix_fallocate(descriptor, 0, self.size_bytes + MARGIN_BYTES)
                os.ftruncate(descriptor, self.size_bytes)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError:
            self._remove()
            return False
        return True

    def _remove(self) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
            sync_directory(self._path.parent)
