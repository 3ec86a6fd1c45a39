"""The append-only, hash-chained record of all that the terminal decided.

One journal holds the directory's lock and the one connection that writes and checkpoints. It is not for several
threads at once: a :class:`~offline_store.writer.Writer` is its one caller in a running terminal.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Protocol, Self

from offline_store.acknowledged import Acknowledged
from offline_store.aside import settle
from offline_store.bundles import PUT as _PUT_BUNDLE
from offline_store.bundles import InstalledBundle
from offline_store.checkpoint import Proof, Signatory
from offline_store.database import DATABASE_NAME, Doing, limit_size, open_writing, os_error, store_error
from offline_store.draft import Draft, Head
from offline_store.errors import Damaged, DiskFull, RecordInvalid, StoreError, UnknownSuite
from offline_store.figures import Instead
from offline_store.genesis import GENESIS, Genesis, Predecessor
from offline_store.loans import LoanChange
from offline_store.loans import write as _write_loan
from offline_store.lock import take_lock
from offline_store.marks import PORTION, Mark, Marks
from offline_store.migrate import migrate
from offline_store.pruning import give_back, prune
from offline_store.record import MAX_TEXT_CHARS, NO_HASH, Entry, Record, Value, hash_of, new_id
from offline_store.sealing import Sealer
from offline_store.verify import Verdict, verify
from offline_store.wal import DEFAULT_LOG_LIMIT_BYTES, WriteAheadLog

DEFAULT_SIZE_LIMIT_BYTES = 4 * 1024**3
MAX_SAVED_BYTES = 65_536

_INSERT_CHAIN = "INSERT INTO chain (number, chain_id, base, anchor_hash, acked_hash) VALUES (?, ?, ?, ?, ?)"
_SAVE = "INSERT INTO saved (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


class Clock(Protocol):
    """Where the store takes time from."""

    def now_ms(self) -> int:
        """Unix milliseconds, UTC."""

    def monotonic_ms(self) -> int:
        """Milliseconds that never go back within one boot."""

    def state(self) -> str:
        """How far :meth:`now_ms` can be trusted: a record's ``time_quality``."""


class Random(Protocol):
    """Where the store takes randomness from."""

    def token(self, size_bytes: int) -> bytes:
        """Unpredictable bytes."""


@dataclass(frozen=True, slots=True)
class Append:
    """What one decision changes, in one transaction: records, lane state (``None`` removes a key), marks …

    What is ``vital`` may use the room that is kept for it on a full disk (:mod:`offline_store.reserve`), and beyond it
    may be counted ``instead`` (:mod:`offline_store.unrecorded`): never money, nor what holds a secret. What is
    ``patient`` may wait some milliseconds for others to be committed with.
    """

    entries: tuple[Entry, ...] = ()
    saves: Mapping[str, bytes | None] = field(default_factory=dict, repr=False)
    marks: tuple[Mark, ...] = ()
    bundles: tuple[InstalledBundle, ...] = ()
    loans: tuple[LoanChange, ...] = ()
    vital: bool = False
    instead: Instead | None = None
    patient: bool = False

    def __post_init__(self) -> None:
        if self.instead is not None and any(entry.money or entry.secret for entry in self.entries):
            raise RecordInvalid.at("instead", "空：资金和密封的内容不能只计数", "nothing, beside money or a secret,")
        for key, value in self.saves.items():
            if not 0 < len(key) <= MAX_TEXT_CHARS or (value is not None and len(value) > MAX_SAVED_BYTES):
                raise RecordInvalid.at(
                    "saved",
                    f"至多 {MAX_TEXT_CHARS} 个字符的键和至多 {MAX_SAVED_BYTES} 字节的值",
                    f"a key of 1 to {MAX_TEXT_CHARS} characters and at most {MAX_SAVED_BYTES} bytes",
                )


@dataclass(frozen=True, slots=True)
class Appended:
    """The records of one :class:`Append`, in its order, as they stand on the disk; none if it was ``counted``."""

    records: tuple[Record, ...]
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Restored:
    """What a lane finds again: saved state by key, and marks."""

    saved: dict[str, bytes]
    marks: list[Mark]


@dataclass(frozen=True, slots=True)
class Limits:
    """How large the database may become, with its log once that is beyond its own limit."""

    size_bytes: int
    log_bytes: int


class Journal:
    """The journal of one directory. Every method raises a :class:`~offline_store.errors.StoreError`."""

    def __init__(
        self, directory: Path, lock: int, boot_id: bytes, clock: Clock, random: Random, limits: Limits
    ) -> None:
        self.directory = directory
        self._lock = lock
        self.boot_id = boot_id
        self.clock = clock
        self.random = random
        self._limits = limits
        self._connect()
        self._head: Head | None = None
        self._signatory: Signatory | None = None
        self._sealer: Sealer | None = None
        self._handed_over: bytes | None = None
        self._unsigned = 0
        self._signed_ms = 0
        self.signed: tuple[int, int] = (0, 0)
        """How often the terminal's key has signed since the journal was opened, and the seq of the last checkpoint."""

    @classmethod
    def open(
        cls,
        directory: Path,
        boot_id: bytes,
        *,
        clock: Clock,
        random: Random,
        size_limit_bytes: int = DEFAULT_SIZE_LIMIT_BYTES,
        log_limit_bytes: int = DEFAULT_LOG_LIMIT_BYTES,
        schema: Traversable | None = None,
        predecessor: Predecessor | None = None,
    ) -> Self:
        """Take the lock, bring the schema up to date, find the head, begin a chain if there is none.

        ``boot_id`` is 16 bytes, one a start of the machine; ``size_limit_bytes`` bounds the database file, and with
        it the write-ahead log where that has grown beyond ``log_limit_bytes``; a new chain names its ``predecessor``.
        """
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = take_lock(directory)
        except OSError as error:
            raise os_error(error, directory, "日志目录无法使用", "the journal's directory cannot be used") from error
        try:
            journal = cls(directory, lock, boot_id, clock, random, Limits(size_limit_bytes, log_limit_bytes))
        except BaseException:
            os.close(lock)
            raise
        try:
            journal._begin(schema, predecessor)
        except BaseException:
            journal.close()
            raise
        return journal

    def lay_down(self) -> None:
        """Close the file and keep the lock, so that the file can be exchanged; :meth:`take_up` goes on."""
        self._settle_if_possible()
        self._connection.close()
        self._head = None

    def take_up(self) -> None:
        """Open what lies there now."""
        self._connect()
        self._begin(None, None)
        self._unsigned = self._signatory.every_records if self._signatory else 0
        self._handed_over = None  # the record that did may be among what was lost

    def _connect(self) -> None:
        path = self.directory / DATABASE_NAME
        try:
            settle(self.directory)
            connection = open_writing(path, self._limits.size_bytes)
            self.log = WriteAheadLog(connection, path, self._limits.size_bytes, self._limits.log_bytes)
        except sqlite3.Error as error:
            raise store_error(error, Doing.OPENING, path) from error
        except OSError as error:
            raise os_error(error, path, "无法建立", "it cannot be made") from error
        self._connection, self._marks, self._acknowledged = connection, Marks(connection), Acknowledged(connection)

    def _begin(self, schema: Traversable | None, predecessor: Predecessor | None) -> None:
        with self._faults(Doing.MIGRATING):
            migrate(self._connection, schema)
        self._head = self._find_head() or self._begin_chain(predecessor)

    @property
    def head(self) -> Head:
        """The last record, as the disk has it."""
        if self._head is None:
            self._head = self._find_head()
            if self._head is None:
                raise Damaged(
                    f"{self.directory} 中的日志失去了记录链；请保留文件，另建新的",
                    f"the journal in {self.directory} has lost its chain; keep the file, start a new one",
                )
        return self._head

    def append(self, batch: Sequence[Append]) -> list[Appended]:
        """Store the whole batch in one synced transaction, or nothing of it; one :class:`Appended` for each.

        An entry whose id is already stored is not stored again: its record is returned. Where nothing of an
        :class:`Append` is new, its state and marks were stored with it, and are left as they are now.
        """
        draft = self._draft()
        self.log.make_room()
        results: list[Appended] = []
        with self._transaction(Doing.APPENDING):
            for item in batch:
                before = draft.head
                records = tuple(draft.add(entry, self._sealer) for entry in item.entries)
                if draft.head is not before or not item.entries:
                    self._save(item)
                results.append(Appended(records))
            unsigned = self._unsigned + draft.head.seq - self.head.seq
            signatory, signs = self._signatory, False
            if signatory is not None and unsigned >= signatory.every_records:
                self._signed_ms, unsigned, signs = draft.sign(signatory).monotonic_ms, 0, True
        self._take(draft, unsigned, signs)
        return results

    def sign_with(self, signatory: Signatory) -> None:
        """From now on the terminal's key signs the chain: with the next append, what was there before."""
        self._signatory = signatory
        self._unsigned = signatory.every_records

    def limit(self, below_bytes: int) -> None:
        """From now on the database stays so far below its size limit, if it is not larger already."""
        self.log.limit(self._limits.size_bytes - below_bytes)
        with self._faults(Doing.OPENING):
            limit_size(self._connection, self._limits.size_bytes - below_bytes)

    def has_room(self, size_bytes: int) -> bool:
        """Whether the database could grow so much before its size limit."""
        used = (self.directory / DATABASE_NAME).stat().st_size
        return used + size_bytes <= self._limits.size_bytes

    def seal_with(self, sealer: Sealer) -> None:
        """From now on secrets can be appended: they are sealed for the platform."""
        self._sealer = sealer

    def can_seal(self) -> bool:
        """Whether an append that holds a secret would be taken; from any thread."""
        return self._sealer is not None and self._sealer.ready()

    def sign_what_waits(self) -> bool:
        """Sign what is unsigned for longer than it may be; whether anything was."""
        signatory = self._signatory
        if signatory is None or not self._unsigned:
            return False
        if self.clock.monotonic_ms() - self._signed_ms < signatory.every_ms:
            return False
        draft = self._draft()
        with self._transaction(Doing.APPENDING):
            self._signed_ms = draft.sign(signatory).monotonic_ms
        self._take(draft, 0, True)
        return True

    def prune(self, kept_since_ms: int) -> int:
        """Let a portion of what the platform has, and is from before that moment, leave the disk; how many went."""
        with self._transaction(Doing.PRUNING):
            pruned = prune(self._connection, kept_since_ms)
        if pruned:
            with self._faults(Doing.PRUNING):
                give_back(self._connection)
        return pruned

    def acknowledge(self, chain_id: bytes, seq: int, record_hash: bytes) -> int:
        """The platform has committed ``seq`` and all before it. Returns the acknowledged seq, which never goes back.

        Raises :class:`AcknowledgementRefused` for a chain, record or hash that this journal does not hold.
        """
        with self._transaction(Doing.ACKNOWLEDGING):
            acked_seq = self._acknowledged.note(chain_id, seq, record_hash)
            self._acknowledged.write()
        return acked_seq

    def acknowledge_soon(self, chain_id: bytes, seq: int, record_hash: bytes) -> int:
        """The same, written with the next transaction or by :meth:`settle`; at once where another chain leaves then."""
        with self._faults(Doing.ACKNOWLEDGING):
            acked_seq = self._acknowledged.note(chain_id, seq, record_hash)
        if chain_id != self.head.chain_id:
            self.settle()
        return acked_seq

    @property
    def settled(self) -> bool:
        """Whether the disk has every acknowledgement."""
        return not self._acknowledged.waits

    def settle(self) -> None:
        """Write the acknowledgement that waits for an append, if one does."""
        if self._acknowledged.waits:
            with self._transaction(Doing.ACKNOWLEDGING):
                pass

    def load_saved(self) -> dict[str, bytes]:
        """Lane state by key."""
        with self._faults(Doing.READING_SAVED):
            return dict(self._connection.execute("SELECT key, value FROM saved").fetchall())

    def load_marks(self, now_ms: int) -> list[Mark]:
        """The marks that have not ended, or ended less than ``MARK_GRACE_MS`` ago; older ones leave the disk."""
        self._marks.rewind()
        more = True
        while more:
            try:
                with self._transaction(Doing.PRUNING_MARKS):
                    more = self._marks.sweep(now_ms, PORTION)
            except DiskFull:
                break  # no lane waits for that room
        with self._faults(Doing.READING_MARKS):
            return self._marks.all()

    def restore(self, now_ms: int) -> Restored:
        """Take head, saved state and marks from the disk afresh: after a fault memory is what the disk says."""
        self._head = None
        _ = self.head
        return Restored(self.load_saved(), self.load_marks(now_ms))

    def verify(self, proof: Proof | None = None) -> Verdict:
        """Walk every record; see :func:`offline_store.verify.verify`."""
        with self._faults(Doing.VERIFYING):
            return verify(self._connection, proof)

    def close(self) -> None:
        """Close the file and release the lock; harmless when closed."""
        if self._lock >= 0:
            self._settle_if_possible()
            self._connection.close()
            os.close(self._lock)
            self._lock = -1

    def _draft(self) -> Draft:
        return Draft(self._connection, self.boot_id, self._own_entry, self.head, self._handed_over)

    def _take(self, draft: Draft, unsigned: int, signs: bool) -> None:
        """What was committed counts from now on."""
        self._head, self._handed_over, self._unsigned = draft.head, draft.handed_over, unsigned
        if signs:
            self.signed = self.signed[0] + 1, draft.head.seq

    def _own_entry(self, kind: str, public: Mapping[str, Value]) -> Entry:
        now_ms = self.clock.now_ms()
        return Entry(
            id=new_id(now_ms, self.random.token(10)),
            kind=kind,
            time_ms=now_ms,
            time_quality=self.clock.state(),
            monotonic_ms=self.clock.monotonic_ms(),
            public=public,
        )

    def _save(self, item: Append) -> None:
        execute = self._connection.execute
        for key, value in item.saves.items():
            if value is None:
                execute("DELETE FROM saved WHERE key = ?", (key,))
            else:
                execute(_SAVE, (key, value))
        self._marks.put(item.marks, self.clock.now_ms)
        for bundle in item.bundles:
            execute(_PUT_BUNDLE, (bundle.name, bundle.version, bundle.manifest))
        for loan in item.loans:
            _write_loan(execute, loan)

    def _settle_if_possible(self) -> None:
        with suppress(StoreError):  # the platform says it again
            self.settle()

    def _begin_chain(self, predecessor: Predecessor | None) -> Head:
        """Write record 1 of a new chain, in one transaction with the chain itself."""
        chain_id = self.random.token(16)
        entry = self._own_entry(GENESIS, Genesis(chain_id, predecessor).to_public())
        with self._transaction(Doing.BEGINNING):
            self._connection.execute(_INSERT_CHAIN, (1, chain_id, 0, NO_HASH, NO_HASH))
            draft = Draft(self._connection, self.boot_id, self._own_entry, Head(1, chain_id, 0, 0, NO_HASH))
            draft.begin(entry)
        return draft.head

    def _find_head(self) -> Head | None:
        """The head as the disk has it; ``None`` in a database without a chain.

        Raises :class:`Damaged`, and :class:`UnknownSuite` for a record that a newer version wrote: nothing is lost.
        """
        with self._faults(Doing.FINDING_HEAD):
            query = "SELECT number, chain_id, base, acked_seq FROM chain ORDER BY number DESC LIMIT 1"
            chain = self._connection.execute(query).fetchone()
            last = self._connection.execute("SELECT place, body FROM record ORDER BY place DESC LIMIT 1").fetchone()
        if chain is None and last is None:
            return None
        if chain is None or last is None:
            raise Damaged(
                "日志中有记录而无链，或有链而无记录；请保留文件",
                "the journal has records without a chain, or a chain without records; keep the file",
            )
        number, chain_id, base, acked_seq = chain
        place, body = last
        try:
            record = Record.from_bytes(body)
        except UnknownSuite as error:
            raise UnknownSuite.at_the_end(place - base) from error
        except RecordInvalid as error:
            raise Damaged(
                f"日志最后一条记录（第 {place - base} 条）无法读取，请保留文件：{error.zh}",
                f"the journal's last record, {place - base}, is unreadable; keep the file: {error}",
            ) from error
        if record.seq != place - base:
            raise Damaged(
                f"日志最后一条记录在第 {place - base} 位，却自称第 {record.seq} 条；请保留文件",
                f"the journal's last record stands at {place - base} and says {record.seq}; keep the file",
            )
        if record.seq < acked_seq:
            raise Damaged(
                f"日志止于第 {record.seq} 条，而平台已有第 {acked_seq} 条：日志被截断或由旧副本恢复；请保留文件",
                f"the journal ends at record {record.seq} and the platform has record {acked_seq}: "
                "it was cut or restored from an old copy; keep the file",
            )
        return Head(number, chain_id, base, place, hash_of(body))

    @contextmanager
    def _transaction(self, doing: Doing) -> Iterator[None]:
        """One transaction; on any fault it is undone and the head is taken from the disk before its next use."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._acknowledged.write()
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            self._head = None
            with suppress(sqlite3.Error):  # a transaction that cannot be undone fails the next BEGIN
                self._connection.rollback()
            if isinstance(error, sqlite3.Error):
                raise store_error(error, doing) from error
            raise
        self._acknowledged.written()
        self.log.committed()

    @contextmanager
    def _faults(self, doing: Doing) -> Iterator[None]:
        """SQLite's faults in the store's words."""
        try:
            yield
        except sqlite3.Error as error:
            raise store_error(error, doing) from error
