"""The terminal's Unix socket: who connects is told how the terminal stands, as one line of JSON, and nothing is asked.

``<state>/agent.sock``, mode 0600: the terminal's own user and root, which is asked of the kernel again for each who
connects (``SO_PEERCRED``, unix(7)). Nothing is read from them. A socket's path may hold 107 bytes only, so the
directory is reached by its descriptor.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

from agent.standing import Standing
from agent.threads import in_thread
from agent.unix_peers import address_of, bound, peer_uid

NAME = "agent.sock"
MAX_BYTES = 1 << 20
MAX_AT_ONCE = 8
AGAIN_FIRST_S, AGAIN_CAP_S = 0.1, 5.0
"""A first start makes the directory a moment later; a disk that takes nothing is not asked all the time."""
TELL_S = 2.0
_ROOT = 0


class StandingSocket:
    """One task on the event loop; ``look`` is called there for each who connects."""

    def __init__(self, state_dir: Path, look: Callable[[], Standing]) -> None:
        self._state_dir = state_dir
        self._look = look
        self._told_at_once = 0

    async def run(self) -> None:
        """Tell until cancelled. Where the socket cannot be made, or another agent has it, it is tried again."""
        again_s = AGAIN_FIRST_S
        while True:
            try:
                listening = await in_thread(partial(bound, self._state_dir / NAME, 0o600), "listen")
            except OSError:
                await asyncio.sleep(again_s)
                again_s = min(2 * again_s, AGAIN_CAP_S)
                continue
            server = await asyncio.start_unix_server(self._tell, sock=listening)
            try:
                await asyncio.Event().wait()
            finally:
                server.close()

    async def _tell(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._told_at_once += 1
        try:
            if self._told_at_once <= MAX_AT_ONCE and _may_ask(writer):
                writer.write(self._look().model_dump_json().encode() + b"\n")
                async with asyncio.timeout(TELL_S):
                    await writer.drain()
        except (OSError, TimeoutError):
            writer.transport.abort()
        finally:
            self._told_at_once -= 1
            writer.close()


def ask(state_dir: Path, timeout_s: float = TELL_S) -> Standing:
    """How the terminal of this directory stands.

    Raises ``OSError`` (nobody listens, no right, no answer in time) and ``ValueError`` for what no terminal says.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as channel:
        channel.settimeout(timeout_s)
        with address_of(state_dir / NAME) as address:
            channel.connect(address)
        received = bytearray()
        while len(received) <= MAX_BYTES and (piece := channel.recv(65_536)):
            received += piece
    if not received:
        raise PermissionError("the terminal tells this user nothing")
    return Standing.model_validate_json(bytes(received[:MAX_BYTES]))


def _may_ask(writer: asyncio.StreamWriter) -> bool:
    return peer_uid(writer.get_extra_info("socket")) in (_ROOT, os.geteuid())
