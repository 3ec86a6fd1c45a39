"""Looks through what the platform does not have yet, for damage that nobody would meet before it is sent.

A bad sector or a flipped bit within a record is invisible to SQLite; the platform refuses such a batch, and everything
behind it waits for ever. So the part that waits is walked soon after the start and once a day, gently; and at once, but
not more than once an hour, when the platform goes on taking nothing of what it is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from pathlib import Path

from agent.clock import Clock
from agent.logs import log
from agent.mending import Mending
from agent.threads import in_thread
from offline_store.few import FewAnHour
from offline_store.outbox import Outbox
from offline_store.verify import Break, Fault

SOON_S = 30.0
EVERY_S = 86_400.0
PAUSE_S = 0.05
"""After each portion: a tap that comes meanwhile goes before."""


class Inspector:
    """One task on the event loop."""

    def __init__(self, state_dir: Path, mending: Mending, clock: Clock, soon_s: float = SOON_S) -> None:
        self._state_dir = state_dir
        self._mending = mending
        self._clock = clock
        self._wait_s = soon_s
        self._doubted = asyncio.Event()
        self._on_doubt = FewAnHour(1)
        self._log = log()

    async def run(self) -> None:
        """Look until cancelled. A ``StoreError`` ends it; its supervisor has damage mended, and begins it again."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._wait_s):
                    await self._doubted.wait()
            self._doubted.clear()
            self._wait_s = EVERY_S
            broken = await in_thread(partial(_inspect, self._state_dir), "inspect")
            if broken is None:
                continue
            self._log.error("journal is damaged", seq=broken.seq, fault=broken.fault.value)
            if broken.fault is not Fault.UNKNOWN_SUITE:  # newer software reads that: leaving it behind would lose it
                await self._mending.mend()

    @property
    def looks_now(self) -> bool:
        """Whether somebody doubted, and the look has not begun."""
        return self._doubted.is_set()

    def doubt(self) -> None:
        """Look now, unless that was done within the hour. Call it on the event loop."""
        if not self.looks_now and self._on_doubt.allows(self._clock.monotonic_ms()):
            self._log.warning("the platform takes nothing: looking for damage")
            self._doubted.set()


def _inspect(state_dir: Path) -> Break | None:
    outbox = Outbox.open(state_dir)
    try:
        return outbox.inspect(lambda: time.sleep(PAUSE_S))
    finally:
        outbox.close()
