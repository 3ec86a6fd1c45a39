"""Opening the database file, and SQLite's faults in the store's words.

The standard library's ``sqlite3`` only (DESIGN §6): two SQLite libraries in one process lose each other's locks.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from offline_store.errors import Busy, Damaged, DiskFull, IoFailed, StoreError

DATABASE_NAME = "journal.db"
BUSY_TIMEOUT_S = 1.0
PAGE_BYTES = 4096

_PRIMARY_CODE = 0xFF  # https://www.sqlite.org/rescode.html#primary_result_codes_versus_extended_result_codes
_FAULTS: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_FULL: (DiskFull, "the disk or the journal's size limit is full; make room, or raise the limit"),
    sqlite3.SQLITE_BUSY: (Busy, "another program holds the database; open it with `sqlite3 -readonly`"),
    sqlite3.SQLITE_LOCKED: (Busy, "another program holds the database; open it with `sqlite3 -readonly`"),
    sqlite3.SQLITE_CORRUPT: (Damaged, "the database file is damaged; keep it and start a new one"),
    sqlite3.SQLITE_NOTADB: (Damaged, "this file is not an SQLite database; keep it and start a new one"),
    sqlite3.SQLITE_CONSTRAINT: (Damaged, "the database holds what the journal never wrote; verify it"),
    sqlite3.SQLITE_READONLY: (IoFailed, "the database cannot be written; check the file's owner and the mount"),
    sqlite3.SQLITE_CANTOPEN: (IoFailed, "the database cannot be opened; check the directory and its owner"),
}


def store_error(error: sqlite3.Error, doing: str) -> StoreError:
    """The store's fault for one of SQLite's. ``doing`` completes "while …"."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    fault, sentence = _FAULTS.get(code & _PRIMARY_CODE, (IoFailed, "SQLite could not do it; check the disk"))
    return fault(f"while {doing}: {sentence} ({name})")


def open_writing(path: Path, size_limit_bytes: int) -> sqlite3.Connection:
    """The one connection that writes: WAL, every commit synced, checkpoints only when the journal asks for them.

    Transactions are explicit (``isolation_level=None``). Raises ``sqlite3.Error`` and ``OSError``.
    """
    fresh = not path.exists() or path.stat().st_size == 0
    if fresh:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        sync_directory(path.parent)
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        if fresh:
            # Pruning gives pages back only if this stands before the first table.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA max_page_count = {max(1, size_limit_bytes // PAGE_BYTES)}")
    except BaseException:
        connection.close()
        raise
    return connection


def open_reading(path: Path) -> sqlite3.Connection:
    """A connection that can only read, beside a running agent. Raises ``sqlite3.Error``."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)


def sync_directory(directory: Path) -> None:
    """Make a new file's name survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
