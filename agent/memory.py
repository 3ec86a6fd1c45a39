"""What the lanes remember, and how it becomes what the disk says again after a failed append."""

from __future__ import annotations

import asyncio

from agent.backoff import Backoff
from agent.clock import Clock
from agent.disk_waits import DiskHangs, durable_at_last
from agent.facts import Marks
from agent.logs import log
from agent.words import tell
from offline_store.errors import StoreError
from offline_store.writer import JournalWriter
from profiles.api import Mark


class Memory:
    """Saved lane states and marks. While it is read again no lane decides, so that nothing is decided on a guess."""

    def __init__(self, writer: JournalWriter, marks: Marks, clock: Clock, backoff: Backoff) -> None:
        self._writer = writer
        self._marks = marks
        self._clock = clock
        self._backoff = backoff
        self._saved: dict[str, bytes] = {}
        self._reload: asyncio.Task[None] | None = None
        self._log = log()

    async def settled(self) -> None:
        """Wait until memory is what the disk says; returns at once when it is."""
        while self._reload is not None:
            await asyncio.shield(self._reload)

    async def reload(self) -> None:
        """Read everything again; lanes that fail together share one reading. Tries until the disk answers."""
        if self._reload is None:
            self._reload = asyncio.create_task(self._read())
        await asyncio.shield(self._reload)

    def saved(self, key: str) -> bytes | None:
        """The state under a key, as of the last :meth:`reload`."""
        return self._saved.get(key)

    async def _read(self) -> None:
        try:
            while True:
                try:
                    restored = await durable_at_last(self._writer.reload(self._clock.now_ms()), self._hangs)
                except StoreError as error:
                    retry_ms = self._backoff.next_ms()
                    self._log.error("journal cannot be read", detail=tell(error), retry_ms=retry_ms)
                    await asyncio.sleep(retry_ms / 1000)
                else:
                    break
            self._backoff.reset()
            self._saved = restored.saved
            self._marks.load(
                Mark(mark.scope, mark.key, mark.value, mark.expires_ms)
                for mark in restored.marks
                if isinstance(mark.value, int)
            )
        finally:
            self._reload = None

    def _hangs(self, error: DiskHangs) -> None:
        self._log.error("journal cannot be read", detail=tell(error))
