"""The write-ahead log beside the database: when it is moved into it, what holds that up, and how large both may grow.

A checkpoint cannot pass the oldest read transaction (https://www.sqlite.org/wal.html, "Avoiding Excessively Large WAL
Files"): while somebody keeps one open the log grows with every commit. That is said, it is bounded, and it ends by
itself when the reader lets go.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from offline_store.database import Doing, store_error
from offline_store.errors import DiskFull, StoreError

DEFAULT_LOG_LIMIT_BYTES = 64 * 1024**2
_DUE_COMMITS = 200
LOOK_EVERY = 16
_OVERDUE_COMMITS = 1_000


class LogState(Enum):
    """How the last checkpoint went: code, Chinese and English sentence for the technician."""

    FREE = ("free", "预写日志正常并入数据库", "the write-ahead log is moved into the database as it should be")
    HELD = (
        "held",
        "有程序长时间读着 journal.db，预写日志 journal.db-wal 不断变大；请关闭那个程序",
        "a program keeps a read of journal.db open, and journal.db-wal grows; end that program",
    )
    FAILED = (
        "failed",
        "预写日志 journal.db-wal 无法并入数据库；请检查磁盘空间和磁盘状况",
        "journal.db-wal cannot be moved into the database; check the disk and its free space",
    )

    def __init__(self, code: str, zh: str, en: str) -> None:
        self.code = code
        self.zh = zh
        self.en = en


@dataclass(frozen=True, slots=True)
class Health:
    """How the write-ahead log stood after the last checkpoint. ``fault`` is what SQLite said, where it failed."""

    state: LogState = LogState.FREE
    log_bytes: int = 0
    fault: StoreError | None = None


class WriteAheadLog:
    """The log of one database. ``size_limit_bytes`` is for both files together once the log is beyond its own limit."""

    def __init__(
        self, connection: sqlite3.Connection, database: Path, size_limit_bytes: int, log_limit_bytes: int
    ) -> None:
        self.health = Health()
        self._connection = connection
        self._database = os.fspath(database)
        self._log = f"{self._database}-wal"
        self._size_limit_bytes = size_limit_bytes
        self._log_limit_bytes = log_limit_bytes
        self._commits = 0
        # The first commit after a log was moved whole gives back what lies beyond.
        connection.execute(f"PRAGMA journal_size_limit = {log_limit_bytes}")

    def limit(self, size_limit_bytes: int) -> None:
        """Another bound for both files together."""
        self._size_limit_bytes = size_limit_bytes

    @property
    def due(self) -> bool:
        """Whether enough was committed to be worth moving."""
        return self._commits >= _DUE_COMMITS

    @property
    def overdue(self) -> bool:
        """Whether the log has grown so far that a quiet moment can no longer be waited for."""
        return self._commits >= _OVERDUE_COMMITS

    def committed(self) -> None:
        """One more transaction is in the log."""
        self._commits += 1

    def checkpoint(self) -> Health:
        """Move what no reader needs, without waiting for anyone. A failure loses nothing: the log stays."""
        self._commits = 0
        state, fault = LogState.FREE, None
        try:
            _, frames, moved = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            state, fault = LogState.FAILED, store_error(error, Doing.CHECKPOINTING)
        else:
            if moved < frames and _size_bytes(self._log) > self._log_limit_bytes:
                state = LogState.HELD
        self.health = Health(state, _size_bytes(self._log), fault)
        return self.health

    def make_room(self) -> None:
        """Before a transaction: refuse it rather than fill the disk. Raises :class:`DiskFull`.

        Looked at every few transactions only: none of them adds more than a megabyte, and a look costs each tap.
        """
        if self._commits % LOOK_EVERY and self.health.state is LogState.FREE:
            return
        log_bytes = _size_bytes(self._log)
        if log_bytes <= self._log_limit_bytes:
            return
        if log_bytes + _size_bytes(self._database) <= self._size_limit_bytes:
            return
        state = self.checkpoint().state
        if state is not LogState.FREE:
            raise DiskFull(
                f"日志数据库与预写日志已达 {self._size_limit_bytes} 字节：{state.zh}",
                f"the journal and its log have reached {self._size_limit_bytes} bytes: {state.en}",
            )


def _size_bytes(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - on the way of every tap: a Path costs three times as much
    except FileNotFoundError:
        return 0
