"""Where an identity lies between a lane and the software of its counter: in memory, for a while, for one taker.

:class:`IdentityBox` knows no transport; :mod:`agent.counter_socket` is the one that terminals have. What is promised
stands in :mod:`profiles.handover`. Everything is called on one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from profiles.handover import CounterAsks, Delivered, HandOver, Identity, Undelivered

RELEASE_S = 5.0
"""So long a taker waits for the record that releases what it asked for."""

TellLane = Callable[[CounterAsks | Delivered], None]


class CounterPort(Protocol):
    """The counter as its lane sees it; nothing here waits."""

    def offer(self, effect: HandOver, tell: TellLane) -> None:
        """Keep an identity; ``tell`` is called on the event loop when it is asked for, and with what became of it."""

    def release(self, about: bytes) -> None:
        """It may go."""

    def withdraw(self, about: bytes) -> None:
        """Forget it."""


class NoCounter:
    """A lane whose counter has no software."""

    def offer(self, effect: HandOver, tell: TellLane) -> None:
        """Nobody will ask."""
        tell(Delivered(effect.about, Undelivered.EXPIRED))

    def release(self, about: bytes) -> None:
        """Nothing is kept."""

    def withdraw(self, about: bytes) -> None:
        """Nothing is kept."""


class CounterBusy(Exception):
    """Somebody is taking already: a counter has one software."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An identity on its way to the software, forgotten here. End it by saying what became of it."""

    about: bytes
    identity: Identity = field(repr=False)
    tell: TellLane

    def ended(self, why_not: Undelivered = Undelivered.NONE) -> None:
        """The software has it, or why not."""
        self.tell(Delivered(self.about, why_not))


@dataclass(slots=True)
class _Held:
    effect: HandOver = field(repr=False)
    tell: TellLane
    timer: asyncio.TimerHandle
    released: asyncio.Event
    leaving: bool = False


class IdentityBox:
    """Holds one identity at most. Implements :class:`CounterPort`."""

    def __init__(self) -> None:
        self._held: _Held | None = None
        self._arrived = asyncio.Event()
        self._taking = False

    def offer(self, effect: HandOver, tell: TellLane) -> None:
        """See :class:`CounterPort`. What is still there from before is forgotten."""
        self._forget(Undelivered.WITHDRAWN)
        loop = asyncio.get_running_loop()
        timer = loop.call_later(effect.keep_ms / 1000, self._expire, effect.about)
        self._held = _Held(effect, tell, timer, asyncio.Event())
        self._arrived.set()

    def release(self, about: bytes) -> None:
        """See :class:`CounterPort`."""
        if self._held is not None and self._held.effect.about == about:
            self._held.released.set()

    def withdraw(self, about: bytes) -> None:
        """See :class:`CounterPort`."""
        if self._held is not None and self._held.effect.about == about:
            self._forget(Undelivered.WITHDRAWN)

    async def take(self, wait_s: float) -> Delivery | None:
        """Wait for an identity, ask the lane for it, and take it out; ``None`` if none came, or none was released.

        Raises :class:`CounterBusy`. Who is cancelled in here takes nothing.
        """
        if self._taking:
            raise CounterBusy
        self._taking = True
        try:
            async with asyncio.timeout(wait_s):
                while (held := self._held) is None:
                    self._arrived.clear()
                    await self._arrived.wait()
            return await self._released(held)
        except TimeoutError:
            return None
        finally:
            self._taking = False

    async def _released(self, held: _Held) -> Delivery | None:
        """From here on it is the taker's, or nobody's: it does not expire while its record is written."""
        held.timer.cancel()
        held.leaving = True
        held.tell(CounterAsks(held.effect.about))
        try:
            async with asyncio.timeout(RELEASE_S):
                await held.released.wait()
        except TimeoutError:
            if self._held is held:
                self._forget(Undelivered.NOT_RELEASED)
            return None
        except asyncio.CancelledError:
            if self._held is held:
                self._forget(Undelivered.NOT_RELEASED)
            raise
        if self._held is not held:  # taken back meanwhile
            return None
        self._held = None
        return Delivery(held.effect.about, held.effect.identity, held.tell)

    def _expire(self, about: bytes) -> None:
        if self._held is not None and self._held.effect.about == about and not self._held.leaving:
            self._forget(Undelivered.EXPIRED)

    def _forget(self, why_not: Undelivered) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.timer.cancel()
            held.released.set()
            held.tell(Delivered(held.effect.about, why_not))
