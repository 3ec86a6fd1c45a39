"""One agent a store: an advisory lock that the kernel drops with its holder, however that dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from offline_store.errors import Locked

LOCK_NAME = "journal.lock"


def take_lock(directory: Path) -> int:
    """Take the directory's lock and return its descriptor; closing it releases the lock.

    Raises :class:`Locked` with the holder's process id, and ``OSError``.
    """
    descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).strip()
        os.close(descriptor)
        raise Locked(str(directory), int(holder) if holder.isdigit() else None) from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
