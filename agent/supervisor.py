"""Keeps the parts of a terminal running: a part that fails is named in the log and started again, with a backoff."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from agent.backoff import Backoff
from agent.devices import place_of
from agent.logs import log

HEALTHY_AFTER_S = 60.0


async def supervise(name: str, part: Callable[[], Awaitable[None]], backoff: Backoff) -> None:
    """Run a part until it returns; after an exception, wait and run it again. Cancellation passes through."""
    loop = asyncio.get_running_loop()
    while True:
        started_s = loop.time()
        try:
            await part()
        except Exception as error:  # noqa: BLE001 -- the supervisor: one part's bug must not take the others away
            if loop.time() - started_s > HEALTHY_AFTER_S:
                backoff.reset()
            retry_ms = backoff.next_ms()
            log().error("part failed", problem=name, error=place_of(error), retry_ms=retry_ms)
            await asyncio.sleep(retry_ms / 1000)
        else:
            return
