"""A terminal of lanes in simulated time, on a real journal whose disk fails or hangs when a test says so."""

from __future__ import annotations

import asyncio
import hmac
import itertools
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta, timezone
from pathlib import Path

from agent.backoff import Backoff
from agent.clock import RecordIds
from agent.credentials.lists import CurrentLists, Lists
from agent.credentials.register import Holder, SiteRegister
from agent.credentials.verify import Verifier
from agent.devices import Conditions
from agent.facts import Marks, TerminalFacts
from agent.lane import Lane
from agent.lane_ports import LanePorts
from agent.memory import Memory
from agent.store_health import JOURNAL, JournalCondition
from drivers.api import CardReading, InputReading, Interface, Pulse
from offline_store.database import DATABASE_NAME
from offline_store.errors import DiskFull, StoreError
from offline_store.journal import DEFAULT_SIZE_LIMIT_BYTES, Append, Appended, Journal, Restored
from offline_store.outbox import Outbox
from offline_store.record import Record
from offline_store.writer import InlineWriter, JournalWriter
from profiles.gate import Gate, GateSettings
from profiles.reasons import ReasonEnum
from tests.agent.seeded import SeededRandom
from tests.agent.simulated import SimulatedClock
from tests.offline_store.parts import entry

DISK_FULL = DiskFull("磁盘已满", "the disk is full")
FILLER = "filler"
"""Records that are there to fill the journal."""
CHINA = timezone(timedelta(hours=8))


def mac(data: bytes) -> bytes:
    return hmac.digest(bytes(32), data, "sha256")


def card(number: int) -> CardReading:
    return CardReading(
        reader="slot",
        at_ns=0,
        application="social-security",
        interface=Interface.CONTACT,
        issuer=b"\x11",
        identifier=number.to_bytes(16, "big"),
    )


def passage(active: bool = True) -> InputReading:
    return InputReading(reader="board", at_ns=0, input="passage", active=active)


def fire(active: bool) -> InputReading:
    return InputReading(reader="board", at_ns=0, input="fire", active=active)


class HeldWriter:
    """A writer whose disk answers when the test says so; the journal behind it is real."""

    def __init__(self, behind: InlineWriter) -> None:
        self._behind = behind
        self.waiting: list[tuple[Append, Future[Appended]]] = []
        self.holds = False
        self.fails_with: StoreError | None = None

    def submit(self, append: Append) -> Future[Appended]:
        if not self.holds and self.fails_with is None:
            return self._behind.submit(append)
        future: Future[Appended] = Future()
        future.set_running_or_notify_cancel()
        if self.fails_with is not None:
            future.set_exception(self.fails_with)
        else:
            self.waiting.append((append, future))
        return future

    def let_go(self) -> None:
        self.holds = False
        for append, future in self.waiting:
            future.set_result(self._behind.submit(append).result())

    def acknowledge(self, chain_id: bytes, seq: int, record_hash: bytes) -> Future[int]:
        return self._behind.acknowledge(chain_id, seq, record_hash)

    def acknowledge_soon(self, chain_id: bytes, seq: int, record_hash: bytes) -> Future[int]:
        return self._behind.acknowledge_soon(chain_id, seq, record_hash)

    def reload(self, now_ms: int) -> Future[Restored]:
        return self._behind.reload(now_ms)

    def rescue(self) -> Future[None]:
        return self._behind.rescue()

    def close(self, timeout_s: float) -> bool:
        return self._behind.close(timeout_s)


class Outputs:
    """Confirms every pulse at once, and remembers what was on the disk when it was asked."""

    def __init__(self, on_disk: Callable[[], list[str]]) -> None:
        self._on_disk = on_disk
        self.pulses: list[tuple[str, list[str]]] = []
        self.before_confirming: Callable[[], None] = lambda: None
        self.answers = True

    def actuate(self, output: str, pulse_ms: int, done: Callable[[Pulse | None, str], None]) -> None:
        self.pulses.append((output, self._on_disk()))
        self.before_confirming()
        if self.answers:
            asyncio.get_running_loop().call_soon(done, Pulse(0, 0), "")


class Site:
    """A terminal of lanes on one journal, in simulated time."""

    def __init__(
        self,
        directory: Path,
        *,
        holders: dict[bytes, Holder] | None = None,
        deadline_ms: int = 2_000,
        lists: Lists | None = None,
        clock: SimulatedClock | None = None,
    ) -> None:
        self.directory = directory
        self.clock = clock or SimulatedClock()
        random = SeededRandom()
        self.journal = Journal.open(directory, bytes(16), clock=self.clock, random=random)
        self.writer = HeldWriter(InlineWriter(self.journal))
        self.outputs = Outputs(self.reasons)
        self.alarms: list[str] = []
        self.conditions = Conditions(())
        self.marks = Marks()
        ids = RecordIds(self.clock, random)
        writer: JournalWriter = self.writer
        self.ports = LanePorts(
            facts=lambda: TerminalFacts(self.clock, ids, self.marks, CHINA),
            marks=self.marks,
            writer=writer,
            memory=Memory(writer, self.marks, self.clock, Backoff(random)),
            outputs=self.outputs,
            journal=JournalCondition(self.conditions, self._journal_failed, self.clock.now_ms),
            recorded=lambda seq: None,
            alarm=self._alarm,
        )
        self.verifier = Verifier(mac, SiteRegister((holders or {}).items()), CurrentLists(lists).current)
        self.deadline_ms = deadline_ms

    def _alarm(self, lane: str, reason: ReasonEnum, about: bytes) -> None:
        self.alarms.append(reason.code)

    def _journal_failed(self, reason: ReasonEnum) -> None:
        self._alarm(JOURNAL, reason, b"")

    def lane(self, name: str = "north", **changes: object) -> Lane:
        lane = self.lane_without_service(name, **changes)
        lane.begin_service(self.verifier)
        return lane

    def lane_without_service(self, name: str = "north", **changes: object) -> Lane:
        settings = GateSettings.model_validate({"admit": {"everyone": True}} | changes)
        return Lane(name, Gate(settings), self.ports, self.deadline_ms, settings.on_full_disk())

    def fill(self) -> None:
        """From now on the journal takes no record more: its limit is where it is."""
        used_bytes = (self.directory / DATABASE_NAME).stat().st_size
        self.journal.limit(DEFAULT_SIZE_LIMIT_BYTES - used_bytes)
        with suppress(DiskFull):
            for number in itertools.count(self.journal.head.seq):
                self.journal.append([Append((entry(number, FILLER, lane=None, profile=None, public={}),))])

    def make_room(self) -> None:
        """There is room again."""
        self.journal.limit(0)

    def records(self) -> list[Record]:
        outbox = Outbox.open(self.directory)
        try:
            records = [Record.from_bytes(body) for body in outbox.batch(1, 1000, 1_000_000)]
            return [record for record in records if record.entry.kind != FILLER]
        finally:
            outbox.close()

    def reasons(self) -> list[str]:
        return [record.entry.reason or "" for record in self.records()]

    def close(self) -> None:
        self.writer.close(1.0)


async def serve(lane: Lane, script: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(lane.run())
        await asyncio.sleep(0.01)
        await script()
        await asyncio.sleep(0.01)
        lane.stop()
