"""Says again each day what is in force, so that whatever is still on the disk can be explained.

A ``context`` record is written at each start and for each bundle. What the platform has leaves the disk in time, and a
terminal may run for months: without this, its decisions would outlive the record of what they went by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from agent.disk_waits import DiskHangs, durable
from agent.logs import log
from agent.words import tell
from offline_store.errors import StoreError
from offline_store.journal import Append
from offline_store.writer import JournalWriter

EVERY_S = 86_400.0


class Pinning:
    """One task on the event loop. ``context`` makes the record, ``recorded`` hears how far the journal has grown."""

    def __init__(
        self,
        context: Callable[[], Append],
        writer: JournalWriter,
        recover: Callable[[], Awaitable[None]],
        recorded: Callable[[int], None],
    ) -> None:
        self._context = context
        self._writer = writer
        self._recover = recover
        self._recorded = recorded
        self._log = log()

    async def run(self) -> None:
        """Once a day, until cancelled. What the disk does not take is left for the next day."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                appended = await durable(self._writer.submit(self._context()))
            except DiskHangs as error:  # it is recorded when the disk answers
                self._log.error("what is in force could not be recorded", detail=tell(error))
            except StoreError as error:
                self._log.error("what is in force could not be recorded", detail=tell(error))
                await self._recover()
            else:
                self._recorded(appended.records[-1].seq)
