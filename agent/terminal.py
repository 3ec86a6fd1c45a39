"""A terminal at work: starts the parts that :mod:`agent.composition` builds, serves, and ends them in good order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import Callable, Iterable
from typing import Any

from agent import systemd
from agent.clock import Clock, Random, SystemClock, SystemRandom
from agent.composition import Composition
from agent.config import Resolved
from agent.devices import SourceThread
from agent.lane import Lane
from agent.logs import log
from agent.supervisor import supervise
from agent.upward import Upward
from offline_store.errors import Locked, StoreError
from offline_store.journal import Journal
from offline_store.writer import Writer

LANES_END_S = 0.4
SYNC_ENDS_S = 0.4
THREADS_END_S = 0.4
JOURNAL_DRAIN_S = 0.6
"""From SIGTERM to the end are at most two seconds: what lanes, devices and the journal may take of them."""
FIRST_REPORT_S = 1.0


class Terminal:
    """One terminal, from its start to :meth:`stop`."""

    def __init__(self, resolved: Resolved, clock: Clock | None = None, random: Random | None = None) -> None:
        self._parts = Composition(resolved, clock or SystemClock(), random or SystemRandom())
        self._threads: list[SourceThread] = []
        self._stop = asyncio.Event()
        self._log = log(terminal=resolved.config.terminal.id)

    def stop(self) -> None:
        """End soon: what is being decided is finished and kept."""
        self._stop.set()

    async def run(self) -> None:
        """Serve until :meth:`stop`. Raises :class:`~offline_store.errors.Locked` if another agent holds the store."""
        started_s = time.monotonic()
        writer: Writer | None = None
        try:
            # Boards first: their fire line works whatever becomes of the disk (DESIGN §4).
            boards = self._parts.boards()
            self._start(board.thread for board in boards.values())
            journal = await self._open_journal()
            if journal is None:
                return
            writer = Writer(journal)
            # The journal's lock is held: no other agent makes keys in this directory at the same time.
            keys = self._parts.keys()
            await asyncio.wrap_future(writer.submit(self._parts.context()))
            upward = self._parts.upward(writer, keys)
            lanes = self._parts.lanes(writer, keys, upward, boards)
            self._start(self._parts.readers(lanes))
            await self._serve(lanes.values(), upward, started_s)
        finally:
            await self._end_threads()
            if writer is not None and not await asyncio.to_thread(writer.close, JOURNAL_DRAIN_S):
                self._log.error("journal did not close in time")
            self._log.info("stopped")

    async def _open_journal(self) -> Journal | None:
        """Open the journal, however long it takes; ``None`` if the terminal is stopped first. Raises ``Locked``."""
        backoff = self._parts.backoff()
        while not self._stop.is_set():
            try:
                return await asyncio.to_thread(self._parts.journal)
            except Locked:
                raise
            except StoreError as error:
                retry_ms = backoff.next_ms()
                self._log.error("journal cannot be opened", detail=str(error), retry_ms=retry_ms)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), retry_ms / 1000)
        return None

    async def _serve(self, lanes: Iterable[Lane], upward: Upward | None, started_s: float) -> None:
        async with asyncio.TaskGroup() as group:
            serving = [group.create_task(self._supervised(f"lane {lane.name}", lane.run)) for lane in lanes]
            syncing = [] if upward is None else [group.create_task(self._supervised("sync", upward.run))]
            watchdog = group.create_task(self._watchdog())
            if silent := await self._parts.conditions.all_reported(FIRST_REPORT_S):
                self._log.warning("not every device has answered", count=silent)
            # What lives as long as the terminal need not be searched for garbage between two taps.
            gc.freeze()
            systemd.notify("READY=1")
            self._log.info("ready", ready_ms=round((time.monotonic() - started_s) * 1000))
            await self._stop.wait()
            systemd.notify("STOPPING=1")
            watchdog.cancel()
            for lane in lanes:
                lane.stop()
            await _end(serving, LANES_END_S)
            if upward is not None:
                upward.stop()
            await _end(syncing, SYNC_ENDS_S)

    def _start(self, threads: Iterable[SourceThread]) -> None:
        for thread in threads:
            self._threads.append(thread)
            thread.start()

    async def _end_threads(self) -> None:
        for thread in self._threads:
            thread.stop()
        deadline_s = time.monotonic() + THREADS_END_S
        for thread in self._threads:
            await asyncio.to_thread(thread.join, max(0.0, deadline_s - time.monotonic()))

    async def _supervised(self, name: str, part: Callable[[], Any]) -> None:
        await supervise(name, part, self._parts.backoff())

    async def _watchdog(self) -> None:
        """Tell systemd that the event loop turns, twice in each of its intervals."""
        interval_s = systemd.watchdog_interval_s()
        while interval_s is not None:
            systemd.notify("WATCHDOG=1")
            await asyncio.sleep(interval_s)


async def _end(tasks: list[asyncio.Task[None]], timeout_s: float) -> None:
    """Give tasks that were asked to end this long; then they are cancelled."""
    if tasks:
        _, hanging = await asyncio.wait(tasks, timeout=timeout_s)
        for task in hanging:
            task.cancel()
