"""Work at the disk for somebody on the event loop: one piece after another, in threads, and told when it is done.

A disk may hang, and a sync of many megabytes takes seconds on flash: no lane waits for either.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from agent.threads import in_thread

T = TypeVar("T")

Elsewhere = Callable[[Callable[[], Any], str], Awaitable[Any]]
"""Carries work out where it blocks nobody, under a name: :func:`agent.threads.in_thread`."""


class AtDisk:
    """Pieces of work in their order; whoever hands them in bounds their number. Used on one event loop."""

    def __init__(self, name: str, elsewhere: Elsewhere = in_thread) -> None:
        self._name = name
        self._elsewhere = elsewhere
        self._waiting: deque[tuple[Callable[[], Any], Callable[[Any], None], Callable[[OSError], None]]] = deque()
        self._task: asyncio.Task[None] | None = None

    def put(self, work: Callable[[], T], then: Callable[[T], None], failed: Callable[[OSError], None]) -> None:
        """Do this when all before is done; ``then`` is told what it returned, or ``failed`` why the disk refused."""
        self._waiting.append((work, then, failed))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._go_through())

    async def _go_through(self) -> None:
        while self._waiting:
            work, then, failed = self._waiting.popleft()
            try:
                result = await self._elsewhere(work, self._name)
            except OSError as error:
                failed(error)
            else:
                then(result)
