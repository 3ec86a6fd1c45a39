"""Keeps what the trusted clock learns on the disk, and says when nobody vouches for the time any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

from agent.clock import Moment
from agent.disk_waits import DiskHangs, durable
from agent.logs import log
from agent.trusted_clock import TrustedClock
from agent.words import tell
from offline_store.errors import StoreError
from offline_store.figures import Instead
from offline_store.journal import Append, Appended
from offline_store.writer import JournalWriter
from profiles.api import ClockState

SAVED_KEY = "terminal/clock"
PACE_S = 10.0
SAVE_EVERY_MS = 600_000
"""After a power cut the floor is at most so much older than the last moment that was trusted."""
ALARM_AFTER_S = 120.0
"""A machine that starts has so long to find the time, before anybody is called."""


class Timekeeper:
    """One task on the event loop. ``alarm`` is told once each time that the clock stays untrusted."""

    def __init__(
        self,
        clock: TrustedClock,
        boot_id: bytes,
        writer: JournalWriter,
        recover: Callable[[], Awaitable[None]],
        alarm: Callable[[], None],
    ) -> None:
        """``recover`` brings the writer back after a fault: :meth:`agent.memory.Memory.reload`."""
        self._clock = clock
        self._boot_id = boot_id
        self._writer = writer
        self._recover = recover
        self._alarm = alarm
        self._state: ClockState | None = None
        self._untrusted_since_s: float | None = None
        self._saved_floor_ms = clock.least_ms
        self._pending: Future[Appended] | None = None
        self._log = log()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            moment = self._clock.keep()
            self._watch(moment, asyncio.get_running_loop().time())
            # Lower only after the platform cured it; a little higher is not worth a write.
            if not 0 <= self._clock.least_ms - self._saved_floor_ms < SAVE_EVERY_MS:
                await self._save()
            await asyncio.sleep(PACE_S)

    def _watch(self, moment: Moment, now_s: float) -> None:
        if moment.state is not self._state:
            self._state = moment.state
            self._log.info("clock", state=moment.state.value, uncertainty_ms=moment.uncertainty_ms)
            self._untrusted_since_s = now_s if moment.state is ClockState.UNTRUSTED else None
        since_s = self._untrusted_since_s
        if since_s is not None and now_s - since_s >= ALARM_AFTER_S:
            self._untrusted_since_s = None
            self._alarm()

    async def _save(self) -> None:
        if self._pending is not None and not self._pending.done():
            return  # the disk still hangs over the last one
        floor_ms = self._clock.least_ms
        saves = {SAVED_KEY: self._clock.saved(self._boot_id)}
        try:
            self._pending = self._writer.submit(Append(saves=saves, vital=True, instead=Instead()))
            await durable(self._pending)
        except DiskHangs as error:
            self._log.error("clock could not be kept", detail=tell(error))
        except StoreError as error:
            self._log.error("clock could not be kept", detail=tell(error))
            await self._recover()
        else:
            self._saved_floor_ms = floor_ms
