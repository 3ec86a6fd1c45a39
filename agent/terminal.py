"""A terminal at work: starts the parts that :mod:`agent.composition` builds, serves, and ends them in good order.

Boards come first and end last: their fire line works whatever becomes of disk, keys or lanes. What a
technician must mend first, a journal that cannot be opened or keys that cannot be used, is tried again until it can.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any, TypeVar

from agent import systemd
from agent.bundles.service import Bundles, BundleStanding
from agent.clock import SystemRandom
from agent.commanding import CommandParts, commands_of, lane_orders
from agent.commands import Commands
from agent.composition import Board, BundleTellers, Composition
from agent.config import Resolved
from agent.devices import DeviceState, DeviceThread
from agent.disk_waits import durable
from agent.inspector import Inspector
from agent.keys import KeyStoreError
from agent.lane import Lane
from agent.logs import log
from agent.memory import Memory
from agent.mending import Mending
from agent.pinning import Pinning
from agent.records import StoreReason
from agent.serving import service_socket
from agent.standing import Standing, standing
from agent.standing_socket import StandingSocket
from agent.store_health import JOURNAL
from agent.supervisor import supervise
from agent.threads import in_thread, post
from agent.trusted_clock import TrustedClock
from agent.upward import Upward
from agent.words import say
from offline_store.errors import Damaged, Locked, StoreError
from offline_store.journal import Journal
from offline_store.rescue import Rescued
from offline_store.writer import Writer
from profiles.api import Reason
from profiles.code_reasons import CodeReason
from profiles.orders import OpenOnce
from profiles.reasons import ReasonEnum

JOURNAL_PATIENCE_S = 5.0
LANES_END_S = 0.4
SYNC_ENDS_S = 0.4
THREADS_END_S = 0.4
JOURNAL_DRAIN_S = 0.6
"""From SIGTERM to the end are at most two seconds: what lanes, devices and the journal may take of them."""
SERVICE_SOON_S = 1.0
"""A card that lies in a reader is read once: readers wait this long for their lanes to accept it."""
FIRST_REPORT_S = 1.0
KEYS = "keys"

T = TypeVar("T")


class Terminal:
    """One terminal, from its start to :meth:`stop`."""

    def __init__(self, resolved: Resolved, reread: Callable[[], Resolved] | None = None) -> None:
        """``reread`` reads the configuration as the next start would, for whoever is about to begin anew."""
        self._reread = reread
        self._commands: Commands | None = None
        self._orders = lane_orders(resolved.config, self._order)
        self._clock = TrustedClock()
        self._parts = Composition(resolved, self._clock, SystemRandom())
        self._threads: list[DeviceThread] = []
        self._upward: Upward | None = None
        self._bundles: Bundles | None = None
        self._mending: Mending | None = None
        self._writer: Writer | None = None
        self._lanes: tuple[Lane, ...] = ()
        self._stop = asyncio.Event()
        self.again = False
        """It ended in order to begin anew, with another configuration."""
        self._log = log(terminal=resolved.config.terminal.id)

    def stop(self) -> None:
        """End soon: what is being decided is finished and kept."""
        self._stop.set()

    def begin_again(self) -> None:
        """End as well, and let whoever runs it start it anew."""
        self.again = True
        self.stop()

    async def run(self) -> None:
        """Serve until :meth:`stop`. Raises :class:`~offline_store.errors.Locked` if another agent holds the store."""
        started_s = time.monotonic()
        self._loop = asyncio.get_running_loop()
        watchdog = asyncio.create_task(self._watchdog())
        told = StandingSocket(self._parts.config.terminal.state_dir, self._standing)
        telling = asyncio.create_task(self._supervised("standing", told.run))
        exposing = asyncio.create_task(self._supervised("metrics", self._expose))
        writer: Writer | None = None
        try:
            boards = self._parts.boards()
            self._start(board.thread for board in boards.values())
            patience = self._loop.call_later(JOURNAL_PATIENCE_S, self._disk_is_slow)
            journal = await self._unless_stopped(self._open_journal())
            patience.cancel()
            if journal is not None:
                first_start = journal.head.seq == 1
                writer = self._writer = self._parts.writer(journal, self._rescued, self._settled, self._recorded)
                await self._serve(boards, writer, first_start, started_s)
        finally:
            watchdog.cancel()
            telling.cancel()
            exposing.cancel()
            await self._end_threads()
            if writer is not None and not await in_thread(partial(writer.close, JOURNAL_DRAIN_S), "close-journal"):
                self._log.error("journal did not close in time")
            self._log.info("stopped")

    def _order(self, name: str, order: OpenOnce) -> None:
        for lane in self._lanes:
            if lane.name == name:
                lane.offer(order)

    def _standing(self) -> Standing:
        return standing(
            self._parts.config.terminal.id,
            self._parts.configuration,
            self._clock.moment(),
            self._parts.conditions.states(),
            self._parts.buffer_state,
            0 if self._writer is None else self._writer.unrecorded,
            None if self._bundles is None else self._bundles.standings(),
            None if self._upward is None else self._upward.metrics(),
            {lane.name: lane.recorded for lane in self._lanes},
            self._parts.configuring.status(),
            None if self._upward is None else self._upward.certificate_ends_ms,
        )

    async def _expose(self) -> None:
        """Answer Prometheus, if it is configured; who is not pays nothing for the server."""
        settings = self._parts.config.metrics
        if settings is not None:
            from agent.exposition_server import Exposition

            await Exposition(settings, self._standing).run()

    def _served(self) -> int:
        return sum(times for lane in self._lanes for times in lane.recorded.values())

    def _disk_is_slow(self) -> None:
        """A disk that hangs must not let systemd end the fire line that works."""
        self._log.error("journal does not open", detail=say("磁盘没有应答", "the disk does not answer"))
        systemd.notify("READY=1")

    async def _open_journal(self) -> Journal:
        """Open the journal, however long it takes. Raises ``Locked``."""
        backoff = self._parts.backoff()
        while True:
            try:
                return await in_thread(self._parts.journal, "open-journal")
            except Locked:
                raise
            except StoreError as error:
                await self._wait_for_technician("journal cannot be opened", error, backoff.next_ms())

    async def _serve(self, boards: dict[str, Board], writer: Writer, first_start: bool, started_s: float) -> None:
        memory = self._parts.memory(writer)
        self._mending = mending = Mending(writer, self._clock)
        inspector = Inspector(self._parts.config.terminal.state_dir, mending, self._clock)
        self._upward = upward = self._parts.upward(writer, self._standing)
        if upward is not None:
            upward.doubted = inspector.doubt
        library = self._parts.library(writer, memory, self._alarm, upward)
        peripherals = self._parts.peripherals()
        lanes = self._parts.lanes(writer, memory, self._alarm, upward, library, peripherals, self._orders.obeyed)
        self._lanes = tuple(lanes.values())
        if upward is not None:
            reached = CommandParts(
                config=self._parts.config,
                writer=writer,
                memory=memory,
                clock=self._clock,
                upward=upward,
                orders=self._orders,
                reread=self._reread,
                again=self.begin_again,
                standing=self._standing,
            )
            self._commands = commands_of(reached)
        self._start(peripherals.threads)
        self._parts.connect(boards, lanes)
        if self._parts.rescued is not None:
            self._rescued(self._parts.rescued)
        async with asyncio.TaskGroup() as group:
            serving = [group.create_task(self._supervised(f"lane {name}", lane.run)) for name, lane in lanes.items()]
            syncing = [] if upward is None else [group.create_task(self._supervised("sync", upward.run))]
            lending = [] if library is None else [group.create_task(self._supervised("library", library.run))]
            handing = [group.create_task(self._supervised(each.name, each.run)) for each in peripherals.counters]
            timekeeper = self._parts.timekeeper(writer, memory, self._time_untrusted)
            keeping = group.create_task(self._supervised("clock", timekeeper.run))
            inspecting = group.create_task(self._supervised("inspector", inspector.run))
            buffering = group.create_task(self._supervised("buffer", self._parts.buffer(self._alarm).run))
            watching = group.create_task(self._supervised("latches", self._parts.latches(self._alarm).run))
            ports = self._parts.configuration_ports(writer, upward, self._served, self._alarm, self.begin_again)
            configure = partial(self._parts.configuring.run, ports)
            configuring = group.create_task(self._supervised("configuration", configure))
            ready = group.create_task(self._become_ready(lanes, writer, memory, first_start, started_s))
            await self._stop.wait()
            if not self.again:  # the process goes on
                systemd.notify("STOPPING=1")
            ready.cancel()
            keeping.cancel()
            inspecting.cancel()
            buffering.cancel()
            watching.cancel()
            configuring.cancel()
            for lane in lanes.values():
                lane.stop()
            await _end(serving, LANES_END_S)
            for task in (*lending, *handing):
                task.cancel()
            if upward is not None:
                upward.stop()
            await _end(syncing, SYNC_ENDS_S)

    async def _become_ready(
        self, lanes: dict[str, Lane], writer: Writer, memory: Memory, first_start: bool, started_s: float
    ) -> None:
        enter = partial(self._enter_service, lanes.values(), writer, memory, first_start)
        entering = asyncio.ensure_future(self._supervised("service", enter))
        try:
            await asyncio.wait([entering], timeout=SERVICE_SOON_S)
            self._start(self._parts.readers(lanes))
            if silent := await self._parts.conditions.all_reported(FIRST_REPORT_S):
                self._log.warning("not every device has answered", count=silent)
            await entering
        finally:
            entering.cancel()
        # What lives as long as the terminal need not be searched for garbage between two taps.
        gc.freeze()
        systemd.notify("READY=1")
        self._log.info("ready", ready_ms=round((time.monotonic() - started_s) * 1000))
        pinning = Pinning(self._parts.context, writer, memory.reload, self._recorded)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._supervised("pinning", pinning.run))
            if self._commands is not None:
                group.create_task(self._supervised("commands", self._commands.run))
            if self._bundles is not None:
                parts, bundles = self._parts, self._bundles
                acts = service_socket(parts, self._clock, writer, memory, bundles, self._orders, self._recorded)
                group.create_task(self._supervised("service acts", acts.run))
                group.create_task(self._supervised("bundles", self._bundles.run))
                returned = self._parts.stick(writer, self._bundles, self._acknowledged)
                group.create_task(self._supervised("stick", returned.run))

    async def _enter_service(self, lanes: Iterable[Lane], writer: Writer, memory: Memory, first_start: bool) -> None:
        """Let the lanes accept citizens once the keys are there and what is in force is recorded."""
        backoff = self._parts.backoff()
        # The journal's lock is held: no other agent makes keys in this directory at the same time.
        open_keys = partial(self._parts.keys, first_start=first_start)
        alarmed = False
        while True:
            try:
                keys = await in_thread(open_keys, "open-keys")
                tell = BundleTellers(self._aged, self._damaged, self._recorded)
                load = partial(self._parts.bundles, keys, writer, memory, tell)
                bundles = await in_thread(load, "load-bundles")
                await durable(writer.sign_with(self._parts.signatory(keys)))
                await durable(writer.seal_with(self._parts.sealer()))
                appended = await durable(writer.submit(self._parts.context()))
                if appended.records:  # a full disk keeps it in memory
                    self._recorded(appended.records[-1].seq)
            except (KeyStoreError, StoreError) as error:
                if isinstance(error, Damaged) and await self._mend():
                    await memory.reload()
                    continue
                part = KEYS if isinstance(error, KeyStoreError) else JOURNAL
                retry_ms = backoff.next_ms()
                self._report(part, error, retry_ms)
                if not alarmed:
                    alarmed = True
                    for lane in lanes:
                        self._alarm(lane.name, Reason.OUT_OF_SERVICE, b"")
                await self._wait_for_technician("out of service", error, retry_ms)
                if isinstance(error, StoreError):
                    await memory.reload()
            else:
                break
        self._parts.conditions.forget(KEYS, JOURNAL)
        verifier = self._parts.verifier(keys)
        for lane in lanes:
            lane.begin_service(verifier)
        if alarmed:
            self._log.info("in service again")
        self._bundles = bundles
        if self._upward is not None:
            self._upward.downloads.begin_service()

    def _report(self, part: str, error: Exception, retry_ms: int) -> None:
        state = DeviceState(part, "failed", Reason.OUT_OF_SERVICE.code, str(error), self._clock.now_ms(), retry_ms)
        self._parts.conditions.report(state)

    async def _wait_for_technician(self, what: str, error: KeyStoreError | StoreError, retry_ms: int) -> None:
        self._log.error(what, detail=say(error.zh, error.en), retry_ms=retry_ms)
        # It has started as far as it can: systemd must not end it, and its fire line with it.
        systemd.notify("READY=1")
        await asyncio.sleep(retry_ms / 1000)

    async def _unless_stopped(self, part: Coroutine[Any, Any, T]) -> T | None:
        """What the part returns; ``None``, and it is cancelled, if the terminal is stopped first."""
        task = asyncio.ensure_future(part)
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            task.cancel()
            stopped.cancel()

    def _rescued(self, rescued: Rescued) -> None:
        self._log.error("journal rescued", path=str(rescued.aside), count=rescued.carried, lost=rescued.lost)
        self._alarm(JOURNAL, StoreReason.JOURNAL_RESCUED, b"")
        if self._upward is not None:
            self._upward.exchanged(rescued.carried)

    def _settled(self, openings: int, seq: int) -> None:
        self._log.warning("what was counted is recorded", count=openings, seq=seq)
        self._recorded(seq)

    def _damaged(self, name: str) -> None:
        """Called in the thread that loads the bundles."""
        post(self._loop, self._alarm, name, StoreReason.BUNDLE_DAMAGED, b"")

    def _recorded(self, seq: int) -> None:
        if self._upward is not None:
            self._upward.recorded(seq)

    def _acknowledged(self, seq: int) -> None:
        if self._upward is not None:
            self._upward.acknowledged(seq)

    def _aged(self, standing: BundleStanding) -> None:
        self._alarm(standing.name, Reason.BUNDLE_OLD, b"")

    def _time_untrusted(self) -> None:
        self._alarm("clock", CodeReason.CLOCK_UNTRUSTED, b"")

    def _alarm(self, lane: str, reason: ReasonEnum, about: bytes) -> None:
        self._log.warning("alarm", lane=lane, reason=reason.code, record=about.hex())
        if self._upward is not None:
            self._upward.alarm(lane, reason)

    def _start(self, threads: Iterable[DeviceThread]) -> None:
        for thread in threads:
            self._threads.append(thread)
            thread.start()

    async def _end_threads(self) -> None:
        for thread in self._threads:
            thread.stop()
        deadline_s = time.monotonic() + THREADS_END_S
        for thread in self._threads:
            await in_thread(partial(thread.join, max(0.0, deadline_s - time.monotonic())), "join")

    async def _supervised(self, name: str, part: Callable[[], Any]) -> None:
        async def mended() -> None:
            try:
                await part()
            except Damaged:
                await self._mend()
                raise

        await supervise(name, mended, self._parts.backoff())

    async def _mend(self) -> bool:
        return self._mending is not None and await self._mending.mend()

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
