"""The local API of a counter: its own software takes verified identities, over a Unix socket, one line of JSON each.

====================================  ===========================================================================
the software says                     the terminal says
====================================  ===========================================================================
``{"take": 30}`` (seconds to wait)    ``{"identity": {…}, "id": "…"}``, or ``{"none": true}`` when the time is over
``{"received": "…"}`` (that id)       nothing; the next ``take`` may follow
====================================  ===========================================================================

An error is ``{"error": code, "zh": …, "en": …}``, and ends the connection. Who may speak is decided by the
kernel's word on the peer's user (``SO_PEERCRED``, unix(7)), before a byte is read. What is promised stands in
:mod:`profiles.handover`; why it is a socket, in docs/decisions.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import pwd
import socket
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

from agent.backoff import Backoff
from agent.counter_settings import CounterConfig
from agent.devices import DeviceState
from agent.handover import CounterBusy, Delivery, IdentityBox
from agent.logs import log
from agent.unix_peers import SomebodyListens, bound, peer_uid
from agent.words import why_en
from drivers.api import ReaderFault
from profiles.handover import Identity, Undelivered

MAX_LINE_BYTES = 256
MAX_WAIT_S = 300
SPEAK_S = 10.0
"""Whoever connects says what it wants within this time; and that it has what it got.
For the next request it has ``MAX_WAIT_S``."""
MAX_CONNECTIONS = 4
TOLD_EVERY_S = 60.0
"""Any user of the machine may connect: so often the log says how many of them were refused."""


class CounterError(Enum):
    """Why a peer gets nothing: code, Chinese and English sentence for the technician."""

    NOT_ALLOWED = ("not-allowed", "此用户无权领取身份", "this user may not take identities")
    BUSY = ("busy", "已有程序在领取", "another program is taking from this counter already")
    MALFORMED = ("malformed", "无法识别的请求", "this is no request")

    @property
    def line(self) -> bytes:
        """As it is said."""
        code, zh, en = self.value
        return _line({"error": code, "zh": zh, "en": en})


class _Ends(Exception):
    """The connection is over; with an error, the peer is told."""

    def __init__(self, error: CounterError | None = None) -> None:
        super().__init__(error)
        self.error = error


class CounterSocket:
    """Serves one counter's software from one box."""

    def __init__(
        self,
        name: str,
        settings: CounterConfig,
        box: IdentityBox,
        report: Callable[[DeviceState], None],
        backoff: Backoff,
        now_ms: Callable[[], int],
    ) -> None:
        self.name = name
        self._settings = settings
        self._box = box
        self._report = report
        self._backoff = backoff
        self._now_ms = now_ms
        self._open = 0
        self._told = ("", "")
        self._refused = 0
        self._silent_until_s = 0.0
        self._log = log(device=name)

    async def run(self) -> None:
        """Serve until cancelled; a place where no socket can stand is tried again, with a growing pause."""
        path = self._settings.socket
        mode = 0o666 if self._settings.users else 0o600  # other users may connect, and are let in by their credentials
        while True:
            try:
                server = await asyncio.start_unix_server(self._serve, sock=bound(path, mode), limit=MAX_LINE_BYTES)
                own = path.lstat().st_ino
            except OSError as error:
                fault = ReaderFault.BUSY if isinstance(error, SomebodyListens) else ReaderFault.DENIED
                retry_ms = self._backoff.next_ms()
                self._tell("failed", fault.code, why_en(error), retry_ms)
                await asyncio.sleep(retry_ms / 1000)
                continue
            self._tell("ready")
            try:
                await server.serve_forever()
            finally:
                _remove(path, own)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            self._admit(writer.get_extra_info("socket"))
            within_s = SPEAK_S
            while True:
                await self._take(reader, writer, within_s)
                within_s = MAX_WAIT_S
        except _Ends as ends:
            if ends.error is not None:
                writer.write(ends.error.line)
        except OSError:
            pass  # the peer is gone
        finally:
            self._open -= 1
            writer.close()

    def _admit(self, peer: socket.socket) -> None:
        """Raises :class:`_Ends`."""
        if not self._may(peer):
            self._count_refused()
            raise _Ends(CounterError.NOT_ALLOWED)
        if self._open > MAX_CONNECTIONS:
            raise _Ends(CounterError.BUSY)

    def _count_refused(self) -> None:
        """A line at once, and the next one for all that come within a minute."""
        self._refused += 1
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._silent_until_s:
            self._silent_until_s = now_s + TOLD_EVERY_S
            self._log.warning("counter", problem=CounterError.NOT_ALLOWED.value[0], count=self._refused)
            self._refused = 0

    def _may(self, peer: socket.socket) -> bool:
        uid = peer_uid(peer)
        if not self._settings.users:
            return uid == os.geteuid()
        try:
            return pwd.getpwuid(uid).pw_name in self._settings.users
        except KeyError:
            return False

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, within_s: float) -> None:
        """One request. Raises :class:`_Ends` and ``OSError``."""
        wait_s = (await _heard(reader, within_s)).get("take")
        if not isinstance(wait_s, int) or isinstance(wait_s, bool) or not 0 <= wait_s <= MAX_WAIT_S:
            raise _Ends(CounterError.MALFORMED)
        delivery = await self._next(reader, wait_s)
        if delivery is None:
            writer.write(_line({"none": True}))
            await writer.drain()
            return
        ended = Undelivered.UNCONFIRMED
        try:
            writer.write(_line({"identity": _told(delivery.identity), "id": delivery.about.hex()}))
            async with asyncio.timeout(SPEAK_S):
                await writer.drain()
            if (await _heard(reader, SPEAK_S)).get("received") != delivery.about.hex():
                raise _Ends(CounterError.MALFORMED)
            ended = Undelivered.NONE
        except TimeoutError:
            raise _Ends from None
        finally:
            delivery.ended(ended)

    async def _next(self, reader: asyncio.StreamReader, wait_s: int) -> Delivery | None:
        """An identity, unless the peer goes away meanwhile: then nothing is asked for that nobody would get."""
        taking = asyncio.ensure_future(self._box.take(wait_s))
        leaving = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({taking, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if leaving.done() and not taking.done():
                raise _Ends(CounterError.MALFORMED if not leaving.exception() and leaving.result() else None)
            return taking.result()
        except CounterBusy:
            raise _Ends(CounterError.BUSY) from None
        finally:
            for task in (taking, leaving):
                task.cancel()
            await asyncio.gather(taking, leaving, return_exceptions=True)

    def _tell(self, state: str, reason: str = "", detail: str = "", retry_ms: int = 0) -> None:
        if (state, detail) != self._told:
            self._told = (state, detail)
            tell = self._log.info if state == "ready" else self._log.warning
            tell("device", state=state, reason=reason, detail=detail, retry_ms=retry_ms)
        self._report(DeviceState(self.name, state, reason, detail, self._now_ms(), retry_ms))


def _remove(path: Path, inode: int) -> None:
    """Take the socket away, unless another one stands there by now."""
    with contextlib.suppress(FileNotFoundError):
        if path.lstat().st_ino == inode:
            path.unlink()


async def _heard(reader: asyncio.StreamReader, within_s: float) -> dict[str, Any]:
    """The next line. Raises :class:`_Ends` for one that is none, that does not come, and at the end."""
    try:
        async with asyncio.timeout(within_s):
            line = await reader.readline()
    except (TimeoutError, ValueError):  # ValueError: longer than the bound
        raise _Ends(CounterError.MALFORMED) from None
    if not line:
        raise _Ends
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        raise _Ends(CounterError.MALFORMED) from None
    if not isinstance(said, dict):
        raise _Ends(CounterError.MALFORMED)
    return said


def _told(identity: Identity) -> dict[str, str | bool | None]:
    """What the counter's software reads; ``number`` is sealed for it, in base64."""
    return {
        "namespace": identity.namespace,
        "subject": identity.subject.hex(),
        "provisional": identity.provisional,
        "source": identity.source,
        "assurance": identity.assurance,
        "matter": identity.matter,
        "ticket": identity.ticket,
        "number": None if identity.number is None else base64.b64encode(identity.number).decode(),
    }


def _line(said: dict[str, Any]) -> bytes:
    return json.dumps(said, ensure_ascii=False).encode() + b"\n"
