"""Opening the database file, and SQLite's faults in the store's words.

The standard library's ``sqlite3`` only: two SQLite libraries in one process lose each other's locks.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from enum import Enum
from pathlib import Path
from typing import Any

from offline_store.durable import sync_directory
from offline_store.errors import Busy, Damaged, DiskFull, IoFailed, StoreError

DATABASE_NAME = "journal.db"
BUSY_TIMEOUT_S = 1.0
PAGE_BYTES = 1024
"""Of a new file: a commit writes whole pages, and a tap changes some hundred bytes of each (decision 0026)."""

_PRIMARY_CODE = 0xFF  # https://www.sqlite.org/rescode.html#primary_result_codes_versus_extended_result_codes
_BUSY = (
    Busy,
    "数据库被其他程序占用；查看请用 `sqlite3 -readonly`",
    "another program holds the database; open it with `sqlite3 -readonly`",
)
_FAULTS: dict[int, tuple[type[StoreError], str, str]] = {
    sqlite3.SQLITE_FULL: (
        DiskFull,
        "磁盘已满，或日志已到大小上限；请腾出空间，或提高上限",
        "the disk or the journal's size limit is full; make room, or raise the limit",
    ),
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_CORRUPT: (
        Damaged,
        "数据库文件已损坏；请保留它，另建新的",
        "the database file is damaged; keep it and start a new one",
    ),
    sqlite3.SQLITE_NOTADB: (
        Damaged,
        "这个文件不是 SQLite 数据库；请保留它，另建新的",
        "this file is not an SQLite database; keep it and start a new one",
    ),
    sqlite3.SQLITE_CONSTRAINT: (
        Damaged,
        "数据库中有日志从未写过的内容；请校验",
        "the database holds what the journal never wrote; verify it",
    ),
    sqlite3.SQLITE_READONLY: (
        IoFailed,
        "数据库无法写入；请检查文件属主和挂载方式",
        "the database cannot be written; check the file's owner and the mount",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        IoFailed,
        "数据库无法打开；请检查目录及其属主",
        "the database cannot be opened; check the directory and its owner",
    ),
}
_SCHEMA_GONE = ("no such ", "malformed")
"""How SQLite words it when the tables that the migrations made are not there: under SQLITE_ERROR, like much else."""
_OTHER = (IoFailed, "SQLite 未能完成；请检查磁盘", "SQLite could not do it; check the disk")


class Doing(Enum):
    """What the store was about when SQLite failed: completes 「……时」 and "while …"."""

    OPENING = ("打开数据库", "opening the database")
    MIGRATING = ("升级数据库结构", "bringing the schema up to date")
    BEGINNING = ("建立记录链", "beginning the chain")
    FINDING_HEAD = ("查找最后一条记录", "finding the journal's last record")
    APPENDING = ("写入记录", "appending")
    ACKNOWLEDGING = ("登记平台回执", "acknowledging")
    READING_SAVED = ("读取通道状态", "reading the saved state")
    READING_MARKS = ("读取防重标记", "reading the marks")
    PRUNING_MARKS = ("清理到期的标记", "pruning marks")
    READING_OUTBOX = ("读取待上传的记录", "reading the outbox")
    READING_BUNDLES = ("读取已安装的数据包", "reading the installed bundles")
    PRUNING = ("清理到期的记录", "pruning records")
    VERIFYING = ("校验", "verifying")
    CHECKPOINTING = ("整理预写日志", "checkpointing")

    def __init__(self, zh: str, en: str) -> None:
        self.zh = zh
        self.en = en


class _Connection(sqlite3.Connection):
    """Python makes text of what SQLite says, and fails where a spoilt name stands in it: a fault of the file."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """As always; every fault is a ``sqlite3.Error``."""
        try:
            return super().execute(sql, parameters)
        except UnicodeDecodeError as error:
            raise _spoilt() from error

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        """As always; every fault is a ``sqlite3.Error``."""
        try:
            return super().executemany(sql, parameters)
        except UnicodeDecodeError as error:
            raise _spoilt() from error

    def executescript(self, script: str, /) -> sqlite3.Cursor:
        """As always; every fault is a ``sqlite3.Error``."""
        try:
            return super().executescript(script)
        except UnicodeDecodeError as error:
            raise _spoilt() from error


def _spoilt() -> sqlite3.DatabaseError:
    fault = sqlite3.DatabaseError("malformed name")
    fault.sqlite_errorcode, fault.sqlite_errorname = sqlite3.SQLITE_CORRUPT, "SQLITE_CORRUPT"
    return fault


def store_error(error: sqlite3.Error, doing: Doing, path: Path | None = None) -> StoreError:
    """The store's fault for one of SQLite's, met at what it was doing, with the file where that helps."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    primary = code & _PRIMARY_CODE
    if primary == sqlite3.SQLITE_ERROR and str(error).startswith(_SCHEMA_GONE):
        primary = sqlite3.SQLITE_CORRUPT
    fault, zh, en = _FAULTS.get(primary, _OTHER)
    detail = name if path is None else f"{name} {path}"
    return fault(f"{doing.zh}时：{zh}（{detail}）", f"while {doing.en}: {en} ({detail})")


def os_error(error: OSError, path: Path, zh: str, en: str) -> IoFailed:
    """The store's fault for one of the operating system's about a file or directory."""
    return IoFailed(
        f"{path}：{zh}（{errno.errorcode.get(error.errno or 0, type(error).__name__)}）",
        f"{path}: {en} ({error.strerror})",
    )


def open_writing(path: Path, size_limit_bytes: int) -> sqlite3.Connection:
    """The one connection that writes: WAL, every commit synced, checkpoints only when the journal asks for them.

    Transactions are explicit (``isolation_level=None``). Raises ``sqlite3.Error`` and ``OSError``.
    """
    fresh = not path.exists() or path.stat().st_size == 0
    if fresh:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        sync_directory(path.parent)
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, factory=_Connection
    )
    try:
        if fresh:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            # Pruning gives pages back only if this stands before the first table.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        limit_size(connection, size_limit_bytes)
    except BaseException:
        connection.close()
        raise
    return connection


def limit_size(connection: sqlite3.Connection, size_bytes: int) -> None:
    """Bound the file, which may have larger pages than a new one. Raises ``sqlite3.Error``."""
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    # At least one page: 0 would ask SQLite and set nothing.
    connection.execute(f"PRAGMA max_page_count = {max(1, size_bytes // page_bytes)}")


def open_reading(path: Path) -> sqlite3.Connection:
    """A connection that can only read, beside a running agent. Raises ``sqlite3.Error``."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(
        uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, factory=_Connection
    )
