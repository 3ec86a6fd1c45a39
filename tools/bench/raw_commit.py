"""The raw peer of durable work: one bare SQLite commit in WAL with ``synchronous=FULL``, nothing around it."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path


class RawCommits:
    """A database of one table in a directory; each :meth:`commit` is one insert, timed in nanoseconds."""

    def __init__(self, directory: Path, size_bytes: int) -> None:
        self._payload = os.urandom(size_bytes)
        self._connection = sqlite3.connect(directory / "raw.db", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("CREATE TABLE record (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")

    def commit(self) -> int:
        """One durable insert; how long it took, in nanoseconds."""
        started_ns = time.monotonic_ns()
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("INSERT INTO record (body) VALUES (?)", (self._payload,))
        self._connection.execute("COMMIT")
        return time.monotonic_ns() - started_ns

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
