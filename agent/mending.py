"""A journal that a reader finds damaged goes on in a new file: the writer may not meet that place for long.

Readers fetch pages that the writer has in its memory, and tables that it never reads. Each of them is started again by
its supervisor, and would fail again for ever: so it says here what it met, before.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Protocol

from agent.clock import Clock
from agent.logs import log
from offline_store.aside import MAX_ASIDE
from offline_store.few import FewAnHour

JUST_MENDED_MS = 1_000
"""Two parts meet one damage at the same moment: the second has only to read again."""
MENDED_WITHIN_S = 600.0


class Exchange(Protocol):
    """Who exchanges the file (``offline_store.writer.JournalWriter``)."""

    def rescue(self) -> Future[None]:
        """Go on in a new file with what is intact of this one."""


class Mending:
    """At most so many times an hour as damaged files are kept: beyond it the disk is dying, and copies help nobody."""

    def __init__(self, writer: Exchange, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock
        self._few = FewAnHour(MAX_ASIDE)
        self._turn = asyncio.Lock()
        self._mended_ms: int | None = None

    async def mend(self) -> bool:
        """Exchange the file, unless that was just done, or often; whether it is worth reading again at once.

        Raises ``StoreError`` and ``TimeoutError``.
        """
        async with self._turn:
            now_ms = self._clock.monotonic_ms()
            if self._mended_ms is not None and now_ms < self._mended_ms + JUST_MENDED_MS:
                return True
            if not self._few.allows(now_ms):
                log().error("journal is damaged again and again")
                return False
            async with asyncio.timeout(MENDED_WITHIN_S):
                await asyncio.wrap_future(self._writer.rescue())
            self._mended_ms = self._clock.monotonic_ms()
            return True
