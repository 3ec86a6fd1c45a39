"""Waiting for the disk: never for ever without a word. A disk that hangs has a name, and what waits for it says so.

What the writer was handed cannot be taken back: it is tried as soon as the disk answers. So whoever gives up waiting
either goes on with the same future, or may hand over the same again without harm. What opens and pays meanwhile is what
decision 0016 says of a disk that hangs: nothing, but for fire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from agent.records import StoreReason
from offline_store.errors import StoreError

T = TypeVar("T")

HANGS_AFTER_S = 30.0
"""A card that moves its blocks about answers within seconds."""


class DiskHangs(StoreError):
    """The disk has not answered for :data:`HANGS_AFTER_S`; what it was handed may still be committed."""

    def __init__(self) -> None:
        technician = StoreReason.DISK_HANGS.technician
        super().__init__(technician.zh, technician.en)


async def durable(pending: Future[T]) -> T:
    """What the writer made of it. Raises its ``StoreError``, or :class:`DiskHangs` where none came in time."""
    waiting = asyncio.wrap_future(pending)
    waiting.add_done_callback(_heard)
    done, _ = await asyncio.wait({waiting}, timeout=HANGS_AFTER_S)
    if not done:
        raise DiskHangs
    return waiting.result()


async def durable_at_last(pending: Future[T], hangs: Callable[[DiskHangs], None]) -> T:
    """The same, for what must not be handed over twice: ``hangs`` is told each time, and the wait goes on."""
    while True:
        try:
            return await durable(pending)
        except DiskHangs as error:
            hangs(error)


def _heard(waited: asyncio.Future[T]) -> None:
    """An error that comes when nobody waits any more is the writer's to keep, and no news."""
    if not waited.cancelled():
        waited.exception()
