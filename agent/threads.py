"""Threads beside the event loop: blocking work that never keeps the process from ending, and how they speak to it.

The interpreter waits at its end for every thread of an executor, also for one that hangs in a disk; these it leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T], name: str) -> T:
    """What ``work`` returns or raises, in a thread of its own. Who is cancelled here leaves the thread to itself."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 -- the waiter raises it
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await asyncio.wrap_future(future)


def post(loop: asyncio.AbstractEventLoop, callback: Callable[..., Any], *values: Any) -> None:
    """Call back on the event loop, from any thread; nothing happens once it is closed."""
    with contextlib.suppress(RuntimeError):  # closed; asking first would leave a moment in which it closes
        loop.call_soon_threadsafe(callback, *values)
