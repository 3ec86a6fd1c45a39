"""The one caller of the journal: a thread that commits whatever waits as one group, or the same without a thread.

After a fault memory may hold what the disk does not. So from the first append that fails until :meth:`reload`, every
append fails with the same fault, also those that were handed over meanwhile: the caller takes its memory from
:meth:`reload` and goes on from there. But for what a full disk does not take and may be counted instead
(:mod:`offline_store.unrecorded`): that does not fail, and :meth:`reload` gives it back as if the disk had it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from offline_store.aside import MAX_ASIDE
from offline_store.checkpoint import Signatory
from offline_store.errors import CannotSeal, Closed, Damaged, DiskFull, IoFailed, QueueFull, StoreError
from offline_store.few import FewAnHour
from offline_store.journal import Append, Appended, Journal, Restored
from offline_store.rescue import Rescued, heal
from offline_store.reserve import Reserve, is_full, keep_opening_room
from offline_store.sealing import Sealer
from offline_store.unrecorded import Unrecorded
from offline_store.upkeep import QUIET_S, KeptSince, Upkeep, keep_everything
from offline_store.wal import Health, LogState

DEFAULT_QUEUE_LIMIT = 1_024
GROUP_LIMIT = 128
_RECHECK_S = 2.0
"""How often a log that is held up is tried again while nothing is appended."""
COMPANY_WITHIN_S = 0.02
"""So long what is patient waits for more to be committed with; the first that is not ends it."""
SETTLED_WITHIN_S = 5.0
"""So long an acknowledgement waits for an append to go along with: most who tap have passed by then."""

Tell = Callable[[Health], None]


TellRescued = Callable[[Rescued], None]

TellSettled = Callable[[int, int], None]
"""How many openings that were counted a record tells of now, and the journal's last seq."""

TellSigned = Callable[[int], None]
"""The seq of a checkpoint. It may be all that an append left, and then nobody else knows that there is a record."""


def _nobody(*_told: object) -> None:
    """Nobody wants to be told."""


class JournalWriter(Protocol):
    """What a lane and the uplink hand their changes to. Futures cannot be cancelled: what was handed over is tried."""

    def submit(self, append: Append) -> Future[Appended]:
        """Hand over one append; the future is done when it is on the disk, or holds the ``StoreError``.

        Raises :class:`~offline_store.errors.CannotSeal` at once for a secret that cannot be sealed.
        """

    def acknowledge(self, chain_id: bytes, seq: int, record_hash: bytes) -> Future[int]:
        """See :meth:`offline_store.journal.Journal.acknowledge`."""

    def acknowledge_soon(self, chain_id: bytes, seq: int, record_hash: bytes) -> Future[int]:
        """The same; the future is done when it was checked, and the disk has it with the next append, or soon."""

    def reload(self, now_ms: int) -> Future[Restored]:
        """State and marks from the disk. After a fault this, once it succeeds, opens the writer again."""

    def rescue(self) -> Future[None]:
        """Go on in a new file and a new chain, with all that the platform has not acknowledged."""

    def close(self, timeout_s: float) -> bool:
        """Commit what waits, then close the journal; ``False`` if that took longer."""


@dataclass(frozen=True, slots=True)
class _Tellers:
    """Who hears of the log's state, of a rescued file, of counts that are recorded, and of a chain that was signed."""

    health: Tell
    rescued: TellRescued
    settled: TellSettled
    signed: TellSigned


class _Desk:
    """What both writers do with the journal: all appends fail from a fault until the reload."""

    def __init__(self, journal: Journal, tell: _Tellers, reserve_bytes: int) -> None:
        self.journal = journal
        self._reserve = Reserve(journal.directory, reserve_bytes)
        self.unrecorded = Unrecorded(journal)
        self._tell = tell
        self._told = LogState.FREE
        self._signed = journal.signed
        self._fault: BaseException | None = None
        self._mended = FewAnHour(MAX_ASIDE)
        self.keep_reserve()

    def commit(self, group: list[tuple[Append, Future[Appended]]]) -> None:
        """One transaction for the group, then one answer each."""
        batch = [append for append, _ in group]
        results: Sequence[Appended | BaseException] = []
        fault = self._fault
        if fault is None:
            try:
                results = self._append(batch)
            except BaseException as error:  # noqa: BLE001 - each caller raises it from its future
                fault = error
        if isinstance(fault, DiskFull):
            results = self._count(batch, fault)
        elif fault is not None:
            self._fault, results = fault, [fault] * len(batch)
        for (_, future), result in zip(group, results, strict=True):
            if isinstance(result, Appended):
                future.set_result(result)
            else:
                future.set_exception(result)
        self.tell_changes()

    def admit(self, append: Append) -> None:
        """Refuse here, where it concerns nobody else, what would fail a whole group.

        Raises :class:`CannotSeal`, and :class:`DiskFull` for what must leave the last room to doors.
        """
        if any(entry.secret is not None for entry in append.entries) and not self.journal.can_seal():
            raise CannotSeal
        if (self._reserve.holds_back or self.unrecorded.waits) and not append.vital:
            raise DiskFull(
                "磁盘已满，余下的空间留给通行记录；请清理磁盘，或让平台接收记录",
                "the disk is full, and what is left is kept for passages; make room, or bring the network back",
            )

    def keep_reserve(self) -> None:
        """Hold the reserve again as soon as there is room for it, on the disk and below the journal's limit.

        Before it, the file for counts and the room for a start; and what was counted is recorded, if that can be now.
        """
        self.unrecorded.make()
        keep_opening_room(self.journal.directory)
        if self.unrecorded.waits and self._fault is None:
            with suppress(StoreError):  # what is counted stays so
                self._append([])
        if self._reserve.size_bytes and not self._reserve.held and self.journal.has_room(2 * self._reserve.size_bytes):
            below_bytes = self._reserve.size_bytes if self._reserve.make() else 0
            with suppress(StoreError):  # a fault of the disk is met, and said, by the next append
                self.journal.limit(below_bytes)

    def close(self) -> None:
        """Close the journal; of the room that its log gives back, what the next start may need is kept at once."""
        self.journal.close()
        keep_opening_room(self.journal.directory)

    def _append(self, batch: list[Append]) -> list[Appended]:
        """Behind what was counted, if anything was, in the same transaction."""
        self.unrecorded.load()
        first = self.unrecorded.settlement()
        whole = [*first, *map(self.unrecorded.referring, batch)]
        try:
            appended = self._store(whole)
        except DiskFull:
            if not self._reserve.release():
                raise
            self.journal.limit(0)
            appended = self._store(whole)
        if first:
            self._tell.settled(self.unrecorded.settled(), self.journal.head.seq)
        return appended[len(first) :]

    def _store(self, batch: list[Append]) -> list[Appended]:
        try:
            return self.journal.append(batch)
        except IoFailed as error:
            if not is_full(self.journal.directory):
                raise
            raise DiskFull(error.zh, error.en) from error

    def _count(self, batch: list[Append], full: DiskFull) -> list[Appended | BaseException]:
        """Count what may be counted; all the rest meets the full disk as a fault."""
        countable = [append for append in batch if append.instead is not None]
        if len(countable) < len(batch):
            self._fault = full
        if not countable:
            return [full] * len(batch)
        try:
            self.unrecorded.load()
            self.unrecorded.count(countable)
        except BaseException as error:  # noqa: BLE001 - each caller raises it from its future
            self._fault = error
            return [error] * len(batch)
        return [full if append.instead is None else Appended((), counted=True) for append in batch]

    def checkpoint(self) -> None:
        """Move the log into the database as far as that can be done now."""
        self.journal.log.checkpoint()
        self.tell_changes()

    def rescue(self) -> None:
        """Go on in a new file with what is intact of this one."""
        self._tell.rescued(heal(self.journal))
        if self._reserve.held:  # the new file's own limit knows nothing of it
            self.journal.limit(self._reserve.size_bytes)

    def tell_changes(self) -> None:
        """Of the log's state, and of a checkpoint: each once."""
        if self.journal.signed != self._signed:
            self._signed = self.journal.signed
            self._tell.signed(self._signed[1])
        health = self.journal.log.health
        if health.state is not self._told:
            self._told = health.state
            self._tell.health(health)

    def reload(self, now_ms: int) -> Restored:
        """Open the desk again with what the disk says; a damaged file is rescued first.

        Also one that can be read here and took no append: the page that is spoilt is then one that only appends need.
        """
        if isinstance(self._fault, Damaged) and self._mended.allows(self.journal.clock.monotonic_ms()):
            self.rescue()
        try:
            restored = self.journal.restore(now_ms)
        except Damaged:
            self.rescue()
            restored = self.journal.restore(now_ms)
        self.unrecorded.load()
        self._fault = None
        return self.unrecorded.over(restored)


@dataclass(frozen=True, slots=True)
class _Call:
    """Anything but an append that is done between two groups."""

    work: Callable[[], Any]
    future: Future[Any]

    def run(self) -> None:
        try:
            result = self.work()
        except BaseException as error:  # noqa: BLE001 - the caller raises it from its future
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class Writer:
    """A thread around a journal. Any thread may call; order is kept.

    At most ``queue_limit`` things wait; one more raises :class:`QueueFull` at once, so that the lane refuses instead
    of letting a citizen wait for a slow disk. ``tell`` is called, in the writer's thread, whenever the write-ahead
    log's state has changed, and not again before it changes back; ``kept_since`` says, there too, what is old;
    ``rescued`` is told, there too, of a file that was found damaged and exchanged, and ``settled`` of openings that
    were counted and are recorded now, and ``signed`` of each checkpoint.
    ``reserve_bytes`` are kept for what is vital (:mod:`offline_store.reserve`).
    """

    def __init__(
        self,
        journal: Journal,
        *,
        queue_limit: int = DEFAULT_QUEUE_LIMIT,
        tell: Tell = _nobody,
        kept_since: KeptSince = keep_everything,
        rescued: TellRescued = _nobody,
        settled: TellSettled = _nobody,
        signed: TellSigned = _nobody,
        reserve_bytes: int = 0,
    ) -> None:
        self._desk = _Desk(journal, _Tellers(tell, rescued, settled, signed), reserve_bytes)
        self._upkeep = Upkeep(journal, kept_since, self._desk.keep_reserve)
        self._queue: queue.SimpleQueue[tuple[Append, Future[Appended]] | _Call | None] = queue.SimpleQueue()
        self._queue_limit = queue_limit
        self._gate = threading.Lock()
        self._closed = False
        self._handed_over = self._stored = 0
        self._delivered = -1
        self._settle_by_s: float | None = None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def submit(self, append: Append) -> Future[Appended]:
        """Hand over one append. Raises :class:`QueueFull`, :class:`CannotSeal`, :class:`DiskFull`, :class:`Closed`."""
        self._desk.admit(append)
        future: Future[Appended] = _running_future()
        self._put((append, future))
        return future

    def acknowledge(self, chain_id: bytes, seq: int, record_hash: bytes) -> Future[int]:
        """Move the outbox forward. Raises :class:`QueueFull` and :class:`Closed`."""
        return self._call(
            lambda: self._delivered_to(self._desk.journal.acknowledge(chain_id, seq, record_hash), chain_id)
        )

    def acknowledge_soon(self, chain_id: bytes, seq: int, record_hash: bytes) -> Future[int]:
        """The same, without a commit of its own where appends follow. Raises :class:`QueueFull`, :class:`Closed`."""
        soon = self._desk.journal.acknowledge_soon
        return self._call(lambda: self._delivered_to(soon(chain_id, seq, record_hash), chain_id))

    def is_delivered(self) -> bool:
        """Whether the platform has acknowledged every record that was handed over; from any thread.

        What brings none, as a state that is saved alone, is nothing that it could ever acknowledge.
        """
        with self._gate:
            return self._delivered == self._handed_over

    def reload(self, now_ms: int) -> Future[Restored]:
        """State and marks from the disk, and after a fault the way back. Raises :class:`QueueFull`, :class:`Closed`."""
        return self._call(lambda: self._desk.reload(now_ms))

    def sign_with(self, signatory: Signatory) -> Future[None]:
        """Let the terminal's key sign the chain from now on. Raises :class:`QueueFull` and :class:`Closed`."""
        journal = self._desk.journal
        return self._call(lambda: journal.sign_with(signatory))

    def seal_with(self, sealer: Sealer) -> Future[None]:
        """Let secrets be sealed for the platform from now on. Raises :class:`QueueFull` and :class:`Closed`."""
        journal = self._desk.journal
        return self._call(lambda: journal.seal_with(sealer))

    def rescue(self) -> Future[None]:
        """Exchange a file that is damaged, or whose chain forked. Raises :class:`QueueFull` and :class:`Closed`."""
        return self._call(self._desk.rescue)

    @property
    def unrecorded(self) -> int:
        """How many openings were counted and are not recorded yet; from any thread."""
        return self._desk.unrecorded.openings

    @property
    def health(self) -> Health:
        """How the write-ahead log stands; for a status, from any thread."""
        return self._desk.journal.log.health

    def close(self, timeout_s: float) -> bool:
        """Commit what waits and close the journal; ``False`` if the disk did not answer in time."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _call(self, work: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = _running_future()
        self._put(_Call(work, future))
        return future

    def _put(self, item: tuple[Append, Future[Appended]] | _Call) -> None:
        with self._gate:
            if self._closed:
                raise Closed("日志已关闭，没有存入任何内容", "the journal is closed; nothing was stored")
            if self._queue.qsize() >= self._queue_limit:
                raise QueueFull(
                    f"已有 {self._queue_limit} 次写入在等待磁盘，没有存入任何内容；请稍后再试",
                    f"{self._queue_limit} appends wait for the disk; nothing was stored, try again later",
                )
            self._handed_over += isinstance(item, tuple) and bool(item[0].entries)
            self._queue.put(item)

    def _run(self) -> None:
        open_ = True
        while open_:
            group: list[tuple[Append, Future[Appended]]] = []
            item = self._next()
            company_s = time.monotonic() + COMPANY_WITHIN_S
            while isinstance(item, tuple):
                group.append(item)
                if len(group) == GROUP_LIMIT:
                    break
                patient = all(append.patient for append, _ in group)
                try:
                    item = self._queue.get(timeout=max(0.0, company_s - time.monotonic()) if patient else 0)
                except queue.Empty:
                    break
            if group:
                self._desk.commit(group)
                self._stored += sum(bool(append.entries) for append, _ in group)
            if isinstance(item, _Call):
                item.run()
            open_ = item is not None
        self._desk.close()

    def _delivered_to(self, acked_seq: int, chain_id: bytes) -> int:
        journal = self._desk.journal
        if (chain_id, acked_seq) == (journal.head.chain_id, journal.head.seq):
            self._delivered = self._stored
        return acked_seq

    def _next(self) -> tuple[Append, Future[Appended]] | _Call | None:
        """The next item; moving the log and the upkeep wait for a quiet moment, so that they cost no tap."""
        log = self._desk.journal.log
        if self._settles_in_s() <= 0:  # calls may come without end, and none of them is an append
            self._settle()
        if log.due:
            try:
                if not log.overdue:
                    return self._queue.get(timeout=QUIET_S)
            except queue.Empty:
                pass
            self._desk.checkpoint()
        while True:
            held_up = log.health.state is not LogState.FREE
            patience_s = _RECHECK_S if held_up else self._upkeep.due_in_s()
            try:
                return self._queue.get(timeout=min(patience_s, self._settles_in_s()))
            except queue.Empty:
                if held_up:
                    self._desk.checkpoint()
                self._settle()
                self._upkeep.do()
                self._desk.tell_changes()

    def _settles_in_s(self) -> float:
        """How long an acknowledgement that waits for an append still does, from when it was first seen to wait."""
        if self._desk.journal.settled:
            self._settle_by_s = None
            return float("inf")
        if self._settle_by_s is None:
            self._settle_by_s = time.monotonic() + SETTLED_WITHIN_S
        return max(0.0, self._settle_by_s - time.monotonic())

    def _settle(self) -> None:
        self._settle_by_s = None
        with suppress(StoreError):  # the next append tries again, and says so
            self._desk.journal.settle()


class InlineWriter:
    """The same in the calling thread, for simulated time: every future is done when it is returned."""

    def __init__(
        self, journal: Journal, *, tell: Tell = _nobody, settled: TellSettled = _nobody, reserve_bytes: int = 0
    ) -> None:
        self._desk = _Desk(journal, _Tellers(tell, _nobody, settled, _nobody), reserve_bytes)
        self._closed = False

    def submit(self, append: Append) -> Future[Appended]:
        """Commit one append. Raises :class:`CannotSeal` and :class:`Closed`."""
        self._desk.admit(append)
        future: Future[Appended] = self._future()
        self._desk.commit([(append, future)])
        if self._desk.journal.log.due:
            self._desk.checkpoint()
        return future

    def acknowledge(self, chain_id: bytes, seq: int, record_hash: bytes) -> Future[int]:
        """Move the outbox forward. Raises :class:`Closed`."""
        return self._call(lambda: self._desk.journal.acknowledge(chain_id, seq, record_hash))

    def acknowledge_soon(self, chain_id: bytes, seq: int, record_hash: bytes) -> Future[int]:
        """The same as :meth:`acknowledge`: here no quiet moment follows. Raises :class:`Closed`."""
        return self.acknowledge(chain_id, seq, record_hash)

    def reload(self, now_ms: int) -> Future[Restored]:
        """State and marks from the disk, and after a fault the way back. Raises :class:`Closed`."""
        return self._call(lambda: self._desk.reload(now_ms))

    def rescue(self) -> Future[None]:
        """Exchange the file. Raises :class:`Closed`."""
        return self._call(self._desk.rescue)

    def keep_reserve(self) -> None:
        """What the writer's thread does in quiet moments."""
        self._desk.keep_reserve()

    def close(self, timeout_s: float) -> bool:  # noqa: ARG002 - nothing waits here; the interface is JournalWriter's
        """Close the journal."""
        self._closed = True
        self._desk.close()
        return True

    def _call(self, work: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = self._future()
        _Call(work, future).run()
        return future

    def _future(self) -> Future[Any]:
        if self._closed:
            raise Closed("日志已关闭，没有存入任何内容", "the journal is closed; nothing was stored")
        return _running_future()


def _running_future() -> Future[Any]:
    """A future that cannot be cancelled: later appends build on what this one changes."""
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    return future
