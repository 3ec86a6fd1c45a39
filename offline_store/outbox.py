"""The part of the journal that the platform has not acknowledged, read beside the running writer.

Every statement is read to its end or closed, so no read transaction stays open and the log does not grow behind it.
Chains leave in the order in which they began: all answers are about the oldest one that still has unacknowledged
records, else about the current one.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from offline_store.checkpoint import Proof
from offline_store.database import DATABASE_NAME, Doing, open_reading, store_error
from offline_store.errors import Damaged, IoFailed
from offline_store.record import hash_of
from offline_store.verify import Break, Told, Verdict, unheard, verify, verify_waiting

MAX_BATCH_RECORDS = 5_000

_POSITION = (
    "SELECT chain_id, first_retained, acked_seq, last_seq, body FROM sending JOIN record ON place = base + last_seq"
)
_RANGE = "SELECT base, base + last_seq FROM sending"
_BATCH = "SELECT body FROM record WHERE place > ? AND place <= ? ORDER BY place LIMIT ?"
_SIZES = "SELECT count(*), sum(length(body)), min(time_ms), max(time_ms) FROM record"
_LATEST = "SELECT count(*), sum(length(body)) FROM record WHERE time_ms > ? - 86400000"
_SPANS = "SELECT base + acked_seq, base + last_seq FROM chain_span WHERE last_seq > acked_seq ORDER BY number"
_PORTION = 5_000
_PART = (
    "SELECT count(*), sum(length(body)), min(time_ms), max(place) FROM"
    " (SELECT place, time_ms, body FROM record WHERE place > ? AND place <= ? ORDER BY place LIMIT ?)"
)
_BODY = "SELECT body FROM sending JOIN record ON place = base + ?1 WHERE ?1 <= last_seq"


@dataclass(frozen=True, slots=True)
class Position:
    """Where sending stands: ``chain_id`` 16 bytes; sequence numbers; ``head_hash`` 32 bytes."""

    chain_id: bytes
    first_retained: int
    acked_seq: int
    head_seq: int
    head_hash: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the disk holds: records, the bytes of their bodies, the times of the first and the last, the latest day."""

    records: int
    body_bytes: int
    first_ms: int | None
    last_ms: int | None
    day_records: int
    day_bytes: int
    kinds: dict[str, int]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the platform lacks, of all chains: records, the bytes of their bodies, when the oldest was made."""

    records: int = 0
    body_bytes: int = 0
    oldest_ms: int | None = None


class Outbox:
    """A read-only view of one journal. Every method raises a :class:`~offline_store.errors.StoreError`.

    Whoever closes it waits for a reading of another thread: Python would finalize the statement beneath it.
    """

    def __init__(self, path: Path) -> None:
        self._use = threading.RLock()
        self._path = path
        self._connection = open_reading(path)
        self._file = _identity(path)

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open the journal of ``directory``, which a :class:`~offline_store.journal.Journal` has made before."""
        path = directory / DATABASE_NAME
        if not path.is_file():
            raise IoFailed(
                f"{directory} 中没有日志；请先运行一次终端，或指定另一个目录",
                f"there is no journal in {directory}; start the terminal once, or name another directory",
            )
        try:
            return cls(path)
        except sqlite3.Error as error:
            raise store_error(error, Doing.OPENING, path) from error

    def position(self) -> Position:
        """Chain, first retained and acknowledged seq, and the chain's last record.

        A journal that was rescued is another file from then on, and is followed here.
        """
        with self._use:
            if _identity(self._path) != self._file:
                self._follow()
        chain_id, first_retained, acked_seq, head_seq, body = self._chain(_POSITION)
        return Position(chain_id, first_retained, acked_seq, head_seq, hash_of(body))

    def batch(self, after_seq: int, max_records: int, max_bytes: int) -> list[bytes]:
        """The exact bytes of the records after ``after_seq``, in order: at most ``max_records`` and ``max_bytes``.

        The first record is given even where it alone is larger than ``max_bytes``; nothing behind it could ever
        leave otherwise. At most ``MAX_BATCH_RECORDS`` whatever is asked for.
        """
        batch: list[bytes] = []
        size_bytes = 0
        base, last_place = self._chain(_RANGE)
        limit = max(0, min(max_records, MAX_BATCH_RECORDS))
        try:
            with self._use, closing(self._connection.execute(_BATCH, (base + after_seq, last_place, limit))) as cursor:
                for (body,) in cursor:
                    size_bytes += len(body)
                    if batch and size_bytes > max_bytes:
                        break
                    batch.append(body)
        except sqlite3.Error as error:
            raise store_error(error, Doing.READING_OUTBOX) from error
        return batch

    def numbers(self) -> Numbers:
        """How much there is, and how fast it grows; walks every record."""
        (count, size_bytes, first_ms, last_ms) = self._read(_SIZES, ())[0]
        day_records, day_bytes = self._read(_LATEST, (last_ms or 0,))[0]
        kinds = dict(self._read("SELECT kind, count(*) FROM record GROUP BY kind ORDER BY 2 DESC, 1", ()))
        return Numbers(count, size_bytes or 0, first_ms, last_ms, day_records, day_bytes or 0, kinds)

    def waiting(self) -> Waiting:
        """What the platform has not acknowledged; walks it in portions, so that no log grows behind it."""
        count = size_bytes = 0
        oldest_ms: int | None = None
        for first, last in self._read(_SPANS, ()):
            after = first
            while True:
                records, body_bytes, first_ms, place = self._read(_PART, (after, last, _PORTION))[0]
                if not records:
                    break
                count, size_bytes, after = count + records, size_bytes + body_bytes, place
                oldest_ms = first_ms if oldest_ms is None else min(oldest_ms, first_ms)
        return Waiting(count, size_bytes, oldest_ms)

    def hash_at(self, seq: int) -> bytes | None:
        """The hash of one record, 32 bytes; ``None`` if it is beyond the chain's end or no longer on the disk."""
        rows = self._read(_BODY, (seq,))
        return hash_of(rows[0][0]) if rows else None

    def verify(self, proof: Proof | None = None, told: Told = unheard) -> Verdict:
        """Walk every record; see :func:`offline_store.verify.verify`."""
        try:
            with self._use:
                return verify(self._connection, proof, told)
        except sqlite3.Error as error:
            raise store_error(error, Doing.VERIFYING) from error

    def inspect(self, pause: Callable[[], None]) -> Break | None:
        """Walk what waits for the platform; see :func:`offline_store.verify.verify_waiting`."""
        try:
            with self._use:
                return verify_waiting(self._connection, pause)
        except sqlite3.Error as error:
            raise store_error(error, Doing.VERIFYING) from error

    def close(self) -> None:
        """Close the file once nobody reads it; harmless when closed."""
        with self._use:
            self._connection.close()

    def _follow(self) -> None:
        try:
            connection = open_reading(self._path)
        except sqlite3.Error as error:
            raise store_error(error, Doing.OPENING, self._path) from error
        self._connection.close()
        self._connection, self._file = connection, _identity(self._path)

    def _chain(self, query: str) -> Any:
        """The one row about the chain that leaves now."""
        rows = self._read(query, ())
        if not rows:
            raise Damaged(
                "日志中没有记录链；请保留文件，另建新的",
                "the journal holds no chain; keep the file and start a new one",
            )
        return rows[0]

    def _read(self, query: str, parameters: tuple[int, ...]) -> list[Any]:
        try:
            with self._use:
                return self._connection.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            raise store_error(error, Doing.READING_OUTBOX) from error


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file lies there now: device and inode."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
