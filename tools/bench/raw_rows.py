"""The raw peer of decisions: bare durable SQLite commits of the very rows that each of a day's decisions wrote.

WAL with ``synchronous=FULL``, the journal's own tables, indexes and page size, and nothing around it: no chain, no
sealing, no thread. The rows are the journal's: the record's body as it lies on the disk, with its evidence sealed, the
lane's saved state, marks, and what the library is to be told. One decision is one commit, in the order of the day.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from agent.entries import append_of
from agent.facts import TerminalFacts
from offline_store.database import DATABASE_NAME, PAGE_BYTES, open_reading
from offline_store.journal import Append
from offline_store.loans import write as write_loan
from offline_store.migrate import migrate
from profiles.api import Record, Step

_STANDING = "SELECT id, kind, lane, reason, time_ms, body FROM record WHERE id = ?"
_RECORD = "INSERT INTO record (id, kind, lane, reason, time_ms, body) VALUES (?, ?, ?, ?, ?, ?)"
_SAVED = "INSERT INTO saved VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_MARK = (
    "INSERT INTO mark VALUES (?, ?, ?, ?)"
    " ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value, expires_ms = excluded.expires_ms"
)
_NO_MARK = "DELETE FROM mark WHERE scope = ? AND key = ?"

RecordRow: TypeAlias = tuple[bytes, str, str | None, str | None, int, bytes]


@dataclass(frozen=True, slots=True)
class Decided:
    """What a profile answered, and when."""

    step: Step[Any]
    facts: TerminalFacts


@dataclass(frozen=True, slots=True)
class Written:
    """The rows of one decision."""

    records: tuple[RecordRow, ...]
    beside: Append


def written(directory: Path, profile: str, decisions: Sequence[Decided]) -> list[Written]:
    """What each decision left in the journal of a directory, which holds all of them."""
    with closing(open_reading(directory / DATABASE_NAME)) as connection:
        return [_written(connection, profile, decided) for decided in decisions]


def _written(connection: sqlite3.Connection, profile: str, decided: Decided) -> Written:
    records = [effect for effect in decided.step.effects if isinstance(effect, Record)]
    rows = tuple(connection.execute(_STANDING, (record.id,)).fetchone() for record in records)
    return Written(rows, append_of(rows[0][2], profile, decided.step, records, decided.facts, None))


class RawRows:
    """The peer's database, for all days."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        migrate(self._connection)

    def commits_ns(self, decisions: Sequence[Written]) -> list[int]:
        """How long each decision's commit took, in nanoseconds, from empty tables on.

        The log begins anew in the file that it has: to make a file longer costs more than to write into it, and a
        terminal's is as long as it becomes within its first minutes.
        """
        for table in ("record", "saved", "mark", "loan"):
            self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 -- constants
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        return [self._commit_ns(each) for each in decisions]

    def _commit_ns(self, decision: Written) -> int:
        execute, beside = self._connection.execute, decision.beside
        started_ns = time.perf_counter_ns()
        execute("BEGIN IMMEDIATE")
        for row in decision.records:
            execute(_RECORD, row)
        for saved in beside.saves.items():
            execute(_SAVED, saved)
        for mark in beside.marks:
            if mark.value is None:
                execute(_NO_MARK, (mark.scope, mark.key))
            else:
                execute(_MARK, (mark.scope, mark.key, mark.value, mark.expires_ms))
        for loan in beside.loans:
            write_loan(execute, loan)
        execute("COMMIT")
        return time.perf_counter_ns() - started_ns

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
