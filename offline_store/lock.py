"""One agent a store: an advisory lock that the kernel drops with its holder, however that dies."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from offline_store.errors import Locked

LOCK_NAME = "journal.lock"
_PID_CHARS = 15


def take_lock(directory: Path) -> int:
    """Take the directory's lock and return its descriptor; closing it releases the lock.

    Raises :class:`Locked` with the holder's process id, and ``OSError``.
    """
    descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # In place, and for people only: a full disk has no block for what was cut off, and must not keep a door shut.
        with suppress(OSError):
            os.pwrite(descriptor, f"{os.getpid():<{_PID_CHARS}}\n".encode(), 0)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).strip()
        os.close(descriptor)
        raise Locked(str(directory), int(holder) if holder.isdigit() else None) from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
