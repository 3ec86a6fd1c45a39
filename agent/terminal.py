"""The composition root: a configuration in, a running terminal out."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta, timezone
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from agent import systemd
from agent.backoff import Backoff
from agent.clock import Clock, Random, RecordIds, SystemClock, SystemRandom
from agent.config import LaneConfig, Resolved, profile_type
from agent.credentials.lists import CurrentLists
from agent.credentials.register import SITE, Holder, SiteRegister
from agent.credentials.verify import Verifier
from agent.devices import DeviceState, LaneOutputs, NoOutputs, SourceThread
from agent.facts import Marks, TerminalFacts
from agent.keys import FileKeyStore
from agent.lane import MAX_SIGNALS, Lane, LanePorts
from agent.logs import log
from agent.memory import Memory
from agent.supervisor import supervise
from agent.upward import Upward
from drivers.api import Actuator, CardFault, CardReader, Device, Reading, Source
from drivers.cards.source import CardSource
from drivers.registry import driver
from offline_store.errors import Locked, StoreError
from offline_store.journal import Append, Journal
from offline_store.record import Entry
from offline_store.writer import Writer
from profiles.api import Subject
from profiles.reasons import ReasonEnum

MEDIUM_KEY = "medium-1"
LANES_END_S = 0.4
SYNC_ENDS_S = 0.4
THREADS_END_S = 0.4
JOURNAL_DRAIN_S = 0.6
"""From SIGTERM to the end are at most two seconds: what lanes, devices and the journal may take of them."""
FIRST_REPORT_S = 1.0
CONTEXT = "context"


class Terminal:
    """All the parts of one terminal, built and wired, not yet running."""

    def __init__(
        self,
        resolved: Resolved,
        clock: Clock | None = None,
        random: Random | None = None,
        lists: CurrentLists | None = None,
    ) -> None:
        self.config = resolved.config
        self._resolved = resolved
        self._clock = clock or SystemClock()
        self._random = random or SystemRandom()
        self._lists = lists or CurrentLists()
        self._ids = RecordIds(self._clock, self._random)
        self._marks = Marks()
        self._zone = timezone(timedelta(minutes=self.config.terminal.utc_offset_minutes))
        self.devices: dict[str, DeviceState] = {}
        self.lanes: dict[str, Lane] = {}
        self._threads: list[SourceThread] = []
        self._used = {name for lane in self.config.lanes.values() for name in (*lane.readers, lane.board) if name}
        self._all_reported = asyncio.Event()
        self._configuration = hashlib.sha256(self.config.model_dump_json().encode()).digest()[:8]
        self._upward: Upward | None = None
        self._stop = asyncio.Event()
        self._log = log(terminal=self.config.terminal.id)

    def stop(self) -> None:
        """End soon: what is being decided is finished and kept."""
        self._stop.set()

    async def run(self) -> None:
        """Serve until :meth:`stop`. Raises :class:`~offline_store.errors.Locked` if another agent holds the store."""
        started_s = time.monotonic()
        devices = {name: self._device(name) for name in self._used}
        writer: Writer | None = None
        try:
            # Boards first: their fire line works whatever becomes of the disk (DESIGN §4).
            hearers = self._start_boards(devices)
            journal = await self._open_journal()
            if journal is None:
                return
            writer = Writer(journal)
            # The journal's lock is held: no other agent makes keys in this directory at the same time.
            keys = open_keys(self.config.terminal.state_dir, self._random)
            await asyncio.wrap_future(writer.submit(self._context()))
            memory = Memory(writer, self._marks, self._clock, Backoff(self._random))
            readers = self._build_lanes(devices, hearers, keys, writer, memory)
            self._upward = self._build_upward(keys, writer)
            for thread in readers:
                thread.start()
            await self._serve(started_s)
        finally:
            await self._end_threads()
            if writer is not None and not await asyncio.to_thread(writer.close, JOURNAL_DRAIN_S):
                self._log.error("journal did not close in time")
            self._log.info("stopped")

    async def _open_journal(self) -> Journal | None:
        """Open the journal, however long it takes; ``None`` if the terminal is stopped first. Raises ``Locked``."""
        open_ = partial(Journal.open, self.config.terminal.state_dir, boot_id(), clock=self._clock, random=self._random)
        backoff = Backoff(self._random)
        while not self._stop.is_set():
            try:
                return await asyncio.to_thread(open_)
            except Locked:
                raise
            except StoreError as error:
                retry_ms = backoff.next_ms()
                self._log.error("journal cannot be opened", detail=str(error), retry_ms=retry_ms)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), retry_ms / 1000)
        return None

    async def _serve(self, started_s: float) -> None:
        async with asyncio.TaskGroup() as group:
            lanes = [group.create_task(self._supervised(f"lane {name}", lane.run)) for name, lane in self.lanes.items()]
            watchdog = group.create_task(self._watchdog())
            sync = group.create_task(self._sync())
            await self._devices_reported()
            # What lives as long as the terminal need not be searched for garbage between two taps.
            gc.freeze()
            systemd.notify("READY=1")
            self._log.info("ready", ready_ms=round((time.monotonic() - started_s) * 1000))
            await self._stop.wait()
            systemd.notify("STOPPING=1")
            watchdog.cancel()
            for lane in self.lanes.values():
                lane.stop()
            _, hanging = await asyncio.wait(lanes, timeout=LANES_END_S)
            for task in hanging:
                task.cancel()
            if self._upward is not None:
                self._upward.stop()
            await asyncio.wait([sync], timeout=SYNC_ENDS_S)
            sync.cancel()

    async def _sync(self) -> None:
        if self._upward is not None:
            await self._supervised("sync", self._upward.run)

    async def _end_threads(self) -> None:
        for thread in self._threads:
            thread.stop()
        deadline_s = time.monotonic() + THREADS_END_S
        for thread in self._threads:
            await asyncio.to_thread(thread.join, max(0.0, deadline_s - time.monotonic()))

    # Building -------------------------------------------------------------------------------------------------------

    def _device(self, name: str) -> Device:
        kind = cast("Any", driver(self.config.devices[name].driver))
        device: Device = kind(name, self._resolved.devices[name])
        return device

    def _start_boards(self, devices: dict[str, Device]) -> dict[str, Hearers]:
        hearers = {lane.board: Hearers() for lane in self.config.lanes.values() if lane.board is not None}
        for board, heard_by in hearers.items():
            thread = self._source(cast("Source", devices[board]), heard_by.offer)
            self._threads.append(thread)
            thread.start()
        return hearers

    def _build_lanes(
        self,
        devices: dict[str, Device],
        hearers: dict[str, Hearers],
        keys: FileKeyStore,
        writer: Writer,
        memory: Memory,
    ) -> list[SourceThread]:
        """Build every lane; the threads of its readers, which are yet to be started."""
        verifier = Verifier(partial(keys.mac, MEDIUM_KEY), self._register(), self._lists.current)
        readers: list[SourceThread] = []
        loop = asyncio.get_running_loop()
        for name, lane_config in self.config.lanes.items():
            board = lane_config.board
            ports = LanePorts(
                clock=self._clock,
                facts=self._facts,
                marks=self._marks,
                verifier=verifier,
                writer=writer,
                memory=memory,
                outputs=LaneOutputs(cast("Actuator", devices[board]), loop) if board is not None else NoOutputs(loop),
                recorded=self._recorded,
                alarm=self._alarm,
            )
            lane = self._lane(name, lane_config, ports)
            self.lanes[name] = lane
            readers += [self._reader(devices[reader], lane_config, lane) for reader in lane_config.readers]
        for board, heard_by in hearers.items():
            heard_by.listen([lane for name, lane in self.lanes.items() if self.config.lanes[name].board == board])
        self._threads += readers
        return readers

    def _lane(self, name: str, lane_config: LaneConfig, ports: LanePorts) -> Lane:
        profile = cast("Any", profile_type(lane_config.profile))(self._resolved.profiles[name])
        return Lane(name, profile, ports, lane_config.append_deadline_ms)

    def _reader(self, device: Device, lane_config: LaneConfig, lane: Lane) -> SourceThread:
        if not isinstance(device, CardReader):
            return self._source(cast("Source", device), lane.offer)
        loop = asyncio.get_running_loop()

        def seen() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(lane.card_seen)

        return self._source(CardSource(device, lane_config.cards, seen), lane.offer)

    def _source(self, source: Source, deliver: Callable[[Reading | CardFault], None]) -> SourceThread:
        loop = asyncio.get_running_loop()
        return SourceThread(source, loop, deliver, self._report, Backoff(self._random), self._clock.now_ms)

    def _build_upward(self, keys: FileKeyStore, writer: Writer) -> Upward | None:
        if self.config.platform is None:
            return None
        return Upward(
            terminal=self.config.terminal.id,
            settings=self.config.platform,
            state_dir=self.config.terminal.state_dir,
            writer=writer,
            keys=keys,
            devices=self.devices.values,
            configuration=self._configuration.hex(),
            clock=self._clock,
            random=self._random,
        )

    def _register(self) -> SiteRegister:
        def rows() -> Any:
            for holder in self.config.holders:
                medium = bytes.fromhex(holder.medium)
                subject = Subject(SITE, bytes.fromhex(holder.subject) if holder.subject else medium)
                yield medium, Holder(subject, holder.entitlements, holder.lost)

        return SiteRegister(rows())

    # Ports ----------------------------------------------------------------------------------------------------------

    def _facts(self) -> TerminalFacts:
        return TerminalFacts(self._clock, self._ids, self._marks, self._zone)

    def _context(self) -> Append:
        """The record that pins what is in force from this start on (DESIGN §6)."""
        entry = Entry(
            id=self._ids.new(),
            kind=CONTEXT,
            time_ms=self._clock.now_ms(),
            time_quality=self._clock.state().value,
            monotonic_ms=self._clock.monotonic_ms(),
            public={"software": version("onecard-terminal"), "configuration": self._configuration},
        )
        return Append((entry,))

    def _report(self, state: DeviceState) -> None:
        self.devices[state.name] = state
        if len(self.devices) == len(self._used):
            self._all_reported.set()

    async def _devices_reported(self) -> None:
        """Wait until every device has said once how it is; a device that hangs does not hold the others back."""
        try:
            await asyncio.wait_for(self._all_reported.wait(), FIRST_REPORT_S)
        except TimeoutError:
            self._log.warning("not every device has answered", count=len(self._used) - len(self.devices))

    def _alarm(self, lane: str, reason: ReasonEnum, about: bytes) -> None:
        self._log.warning("alarm", lane=lane, reason=reason.code, record=about.hex())
        if self._upward is not None:
            self._upward.alarm(lane, reason)

    def _recorded(self, seq: int) -> None:
        if self._upward is not None:
            self._upward.recorded(seq)

    # Helpers --------------------------------------------------------------------------------------------------------

    async def _supervised(self, name: str, part: Callable[[], Any]) -> None:
        await supervise(name, part, Backoff(self._random))

    async def _watchdog(self) -> None:
        """Tell systemd that the event loop turns, twice in each of its intervals."""
        interval_s = systemd.watchdog_interval_s()
        while interval_s is not None:
            systemd.notify("WATCHDOG=1")
            await asyncio.sleep(interval_s)


def open_keys(state_dir: Path, random: Random) -> FileKeyStore:
    """The terminal's keys; a terminal that nobody enrolled makes itself a medium key. Raises :class:`KeyStoreError`."""
    directory = state_dir / "keys"
    if (directory / f"{MEDIUM_KEY}.key").exists():
        return FileKeyStore(directory)
    keys = FileKeyStore.create(directory)
    keys.install(f"{MEDIUM_KEY}.key", random.token(32))
    return keys


def boot_id() -> bytes:
    """16 bytes, one a start of the machine (random(4))."""
    return bytes.fromhex(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip().replace("-", ""))


class Hearers:
    """The lanes that hear one board. What it says before they are there is kept for them, up to a bound."""

    def __init__(self) -> None:
        self._lanes: list[Lane] = []
        self._early: deque[Reading | CardFault] = deque(maxlen=MAX_SIGNALS)

    def listen(self, lanes: list[Lane]) -> None:
        """From now on these lanes hear everything, beginning with what was said before."""
        self._lanes = lanes
        while self._early:
            self.offer(self._early.popleft())

    def offer(self, reading: Reading | CardFault) -> None:
        """An input changed."""
        if not self._lanes:
            self._early.append(reading)
        for lane in self._lanes:
            lane.offer(reading)
