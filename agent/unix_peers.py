"""Unix sockets and who is at their other end, by the kernel's word (unix(7))."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

_CREDENTIALS = struct.Struct("3i")
"""``struct ucred``: pid, uid, gid."""
_BACKLOG = 16


class SomebodyListens(OSError):
    """Another process serves at this address."""


def peer_uid(channel: socket.socket) -> int:
    """The user whose process connected (``SO_PEERCRED``)."""
    said = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(said)
    return int(uid)


def free_of_listeners(address: str) -> None:
    """Raises :class:`SomebodyListens`, and ``OSError`` where nobody can tell; never waits."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as other:
        try:
            other.connect(address)
        except (FileNotFoundError, ConnectionRefusedError):
            return
        except BlockingIOError:  # so many wait there that one more cannot
            pass
    raise SomebodyListens(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


@contextlib.contextmanager
def address_of(path: Path) -> Iterator[str]:
    """How a socket is reached by whoever may use its directory: a path itself may hold 107 bytes only."""
    descriptor = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)


def draft_of(path: Path) -> Path:
    """Where a socket stands for the moment in which nobody listens at it yet."""
    return path.with_name(f".{path.name}")


def bound(path: Path, mode: int) -> socket.socket:
    """A socket that listens at its place, with its mode: it gets its name when all that is done.

    What another process left there goes; what is no socket stays. Raises ``OSError``, and :class:`SomebodyListens`.
    """
    with address_of(path) as address, address_of(draft_of(path)) as draft:
        if path.is_socket():
            free_of_listeners(address)
        elif os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        draft_of(path).unlink(missing_ok=True)
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            made.bind(draft)
            draft_of(path).chmod(mode)
            made.listen(_BACKLOG)
            draft_of(path).replace(path)
        except OSError:
            made.close()
            raise
    return made
