"""Unix sockets and who is at their other end, by the kernel's word (unix(7))."""

from __future__ import annotations

import errno
import os
import socket
import struct

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
