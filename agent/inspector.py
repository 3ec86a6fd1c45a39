"""Looks through what the platform does not have yet, for damage that nobody would meet before it is sent.

A bad sector or a flipped bit within a record is invisible to SQLite; the platform refuses such a batch, and everything
behind it waits for ever. So the part that waits is walked soon after the start and once a day, gently.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path

from agent.logs import log
from agent.threads import in_thread
from offline_store.errors import Damaged
from offline_store.outbox import Outbox
from offline_store.verify import Break
from offline_store.writer import Writer

SOON_S = 30.0
EVERY_S = 86_400.0
PAUSE_S = 0.05
"""After each portion: a tap that comes meanwhile goes before."""


class Inspector:
    """One task on the event loop."""

    def __init__(self, state_dir: Path, writer: Writer, soon_s: float = SOON_S) -> None:
        self._state_dir = state_dir
        self._writer = writer
        self._wait_s = soon_s
        self._log = log()

    async def run(self) -> None:
        """Look until cancelled. A ``StoreError`` other than damage ends it; its supervisor begins it again."""
        while True:
            await asyncio.sleep(self._wait_s)
            self._wait_s = EVERY_S
            try:
                broken = await in_thread(partial(_inspect, self._state_dir), "inspect")
            except Damaged as error:
                self._log.error("journal is damaged", detail=str(error))
            else:
                if broken is None:
                    continue
                self._log.error("journal is damaged", seq=broken.seq, fault=broken.fault.value)
            await asyncio.wrap_future(self._writer.rescue())


def _inspect(state_dir: Path) -> Break | None:
    outbox = Outbox.open(state_dir)
    try:
        return outbox.inspect(lambda: time.sleep(PAUSE_S))
    finally:
        outbox.close()
