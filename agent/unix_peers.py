"""Unix sockets and who is at their other end, by the kernel's word (unix(7))."""

from __future__ import annotations

import errno
import os
import socket
import struct
from pathlib import Path

_CREDENTIALS = struct.Struct("3i")
"""``struct ucred``: pid, uid, gid."""


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


def bound(path: Path, mode: int, address: str = "") -> socket.socket:
    """A socket at its place, with its mode before anybody can connect; ``address`` reaches a path that is too long.

    What another process left there goes; what is no socket stays. Raises ``OSError``, and :class:`SomebodyListens`.
    """
    address = address or str(path)
    if path.is_socket():
        free_of_listeners(address)
        path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        made.bind(address)
        path.chmod(mode)
    except OSError:
        made.close()
        raise
    return made
