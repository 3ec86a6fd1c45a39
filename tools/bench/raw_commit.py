"""The raw peer of durable work: a bare program that does one durable SQLite commit whenever it is asked.

WAL with ``synchronous=FULL``, one table, one insert, nothing around it; in a process of its own, so that it meets the
same cold caches and the same idle disk as a terminal between two taps.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

STOP_S = 5.0


class RawPeer:
    """The peer's process, seen from the bench."""

    def __init__(self, directory: Path, size_bytes: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tools.bench.raw_commit", str(directory / "raw.db"), str(size_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def commit(self) -> int:
        """One durable commit; how long it took, in nanoseconds."""
        assert self._process.stdin is not None  # noqa: S101 -- opened as pipes above
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._process.communicate(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


def main(path: str, size_bytes: int) -> None:
    """Commit once for each line on standard input, and answer with the nanoseconds it took."""
    payload = os.urandom(size_bytes)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE record (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    for _ in sys.stdin.buffer:
        started_ns = time.monotonic_ns()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO record (body) VALUES (?)", (payload,))
        connection.execute("COMMIT")
        took_ns = time.monotonic_ns() - started_ns
        sys.stdout.write(f"{took_ns}\n")
        sys.stdout.flush()
    connection.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
