"""The way to a library's own system in simulated time: messages are the terminal's, only the wire is left out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import TypeVar

from agent.clock import Clock
from agent.sip2.errors import Sip2Error, Sip2Fault
from agent.sip2.library import Connect
from agent.sip2.messages import Message
from agent.sip2.settings import LibraryConfig
from agent.sip2.system import LibrarySystem
from drivers.virtual.library import Shelves

LATENCY_S = 0.05

M = TypeVar("M", bound=Message)


class Shelf:
    """A library that outlives the terminal's power cuts."""

    def __init__(self, clock: Clock, zone: tzinfo) -> None:
        self.shelves = Shelves(now=lambda: datetime.fromtimestamp(clock.now_ms() / 1000, zone))

    def connector(self, is_up: Callable[[], bool]) -> Connect:
        """How one life of a terminal reaches it; ``is_up`` is whether there is a network."""

        async def connect(settings: LibraryConfig, zone: tzinfo) -> LibrarySystem:
            return await LibrarySystem(_Link(self.shelves, is_up), settings, zone).begin()

        return connect


class _Link:
    """Each message and its answer as they stand on the wire."""

    def __init__(self, shelves: Shelves, is_up: Callable[[], bool]) -> None:
        self._shelves = shelves
        self._is_up = is_up
        self._closed = False

    @property
    def is_open(self) -> bool:
        return not self._closed

    def close(self) -> None:
        self._closed = True

    async def wait_closed(self) -> None:
        pass

    async def ask(self, question: Message, answer: type[M], deadline_s: float) -> M:
        await asyncio.sleep(min(LATENCY_S, deadline_s))
        if self._closed or not self._is_up():
            self.close()
            raise Sip2Error(Sip2Fault.CLOSED)
        said = self._shelves.answer(question.to_text())
        if said is None:
            raise Sip2Error(Sip2Fault.MALFORMED)
        return answer.from_text(said)
