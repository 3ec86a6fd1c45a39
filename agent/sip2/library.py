"""The library's own system, kept in touch with. Implements :class:`agent.sip2.ports.LibraryPort`.

It is connected, logged in, and told what waits for it; only when nothing waits any more are lanes answered by it: an
item that came back in the outage must be back before it is lent again. Until then, and whenever the line is down, lanes
hear at once that they are alone. Between two tries are growing, capped pauses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import tzinfo

from agent.backoff import Backoff
from agent.clock import Clock
from agent.devices import DeviceState
from agent.logs import log
from agent.sip2.errors import Sip2Error, Sip2Fault
from agent.sip2.ports import TellLane
from agent.sip2.settings import LibraryConfig
from agent.sip2.system import LibrarySystem
from agent.sip2.upload import Uploader
from agent.words import say
from offline_store.errors import StoreError
from profiles.api import Reason
from profiles.loans import AskLibrary, ClosePatron, LibraryAnswered, LibrarySilent

NAME = "library"
MAX_OPEN = 64

Connect = Callable[[LibraryConfig, tzinfo], Awaitable[LibrarySystem]]


class Library:
    """One library's system, for all lanes of a terminal."""

    def __init__(
        self,
        settings: LibraryConfig,
        zone: tzinfo,
        uploader: Uploader,
        clock: Clock,
        backoff: Backoff,
        report: Callable[[DeviceState], None],
        recover: Callable[[], Awaitable[None]],
        connect: Connect = LibrarySystem.open,
    ) -> None:
        """``recover`` is awaited after a fault of the disk: memory becomes what the disk says, as lanes have it."""
        self._settings = settings
        self._zone = zone
        self._uploader = uploader
        self._clock = clock
        self._backoff = backoff
        self._report = report
        self._recover = recover
        self._connect = connect
        self._system: LibrarySystem | None = None
        self._behind = True
        """Something on the disk waits to be told."""
        self._woken = asyncio.Event()
        self._broken: list[Sip2Error] = []
        """Why questions of lanes ended the connection, the first one's first."""
        self._asking: set[asyncio.Task[None]] = set()
        self._told = ("", "")
        self._log = log(device=NAME)

    def ask(self, effect: AskLibrary, tell: TellLane) -> None:
        """See :class:`~agent.sip2.ports.LibraryPort`."""
        system = self._system
        if system is None or self._behind or len(self._asking) >= MAX_OPEN:
            if not isinstance(effect.demand, ClosePatron):
                tell(LibrarySilent(effect.about))
            return
        task = asyncio.create_task(self._ask(system, effect, tell))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    def deferred(self) -> None:
        """See :class:`~agent.sip2.ports.LibraryPort`."""
        self._behind = True
        self._woken.set()

    async def run(self) -> None:
        """Keep in touch until cancelled."""
        while True:
            try:
                await self._keep_in_touch()
            except Sip2Error as error:
                await self._wait(error.fault.code, say(error.zh, error.en))
            except StoreError as error:
                await self._wait(Reason.NOT_RECORDED.code, say(error.zh, error.en))
                await self._recover()

    async def _keep_in_touch(self) -> None:
        """Until something breaks. Raises ``Sip2Error`` and ``StoreError``."""
        self._broken.clear()
        system = await self._connect(self._settings, self._zone)
        try:
            while True:
                while self._behind:
                    self._system, self._behind = None, False
                    while await self._uploader.upload(system):
                        pass
                if self._system is None:
                    self._system = system
                    self._backoff.reset()
                    self._tell("ready")
                self._woken.clear()
                try:
                    async with asyncio.timeout(self._settings.status_s):
                        await self._woken.wait()
                except TimeoutError:
                    await system.status()
                if not system.is_open:
                    raise self._broken[0] if self._broken else Sip2Error(Sip2Fault.CLOSED)
        finally:
            self._system = None
            self._behind = True
            system.close()

    async def _ask(self, system: LibrarySystem, effect: AskLibrary, tell: TellLane) -> None:
        ends_s = asyncio.get_running_loop().time() + effect.deadline_ms / 1000
        try:
            answer = await system.answer(effect.demand, self._clock.now_ms(), ends_s)
        except Sip2Error as error:
            self._broken.append(error)
            if not isinstance(effect.demand, ClosePatron):
                tell(LibrarySilent(effect.about, perhaps=True))
        else:
            if answer is not None:
                tell(LibraryAnswered(effect.about, answer))
        finally:
            if not system.is_open:
                self._woken.set()

    async def _wait(self, reason: str, detail: str) -> None:
        retry_ms = self._backoff.next_ms()
        self._tell("failed", reason, detail, retry_ms)
        await asyncio.sleep(retry_ms / 1000)

    def _tell(self, state: str, reason: str = "", detail: str = "", retry_ms: int = 0) -> None:
        if (state, detail) != self._told:  # an outage of hours is said once
            self._told = (state, detail)
            tell = self._log.info if state == "ready" else self._log.warning
            tell("device", state=state, reason=reason, detail=detail, retry_ms=retry_ms)
        self._report(DeviceState(NAME, state, reason, detail, self._clock.now_ms(), retry_ms))
