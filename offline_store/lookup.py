"""Single records, found by what people have of them: their id, its tail in the logs, their number. Read only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from offline_store.database import DATABASE_NAME, Doing, open_reading, store_error
from offline_store.errors import IoFailed
from offline_store.record import Record

TAIL_BYTES = 4
"""Of an id, as it stands in the logs under ``tap``."""
MAX_FOUND = 20
_FROM = (
    "SELECT place, place - base, body FROM record"
    " JOIN chain ON number = (SELECT max(number) FROM chain WHERE base < place)"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A record, ``place`` among all that the file holds, and the exact bytes."""

    place: int
    seq: int
    body: bytes = field(repr=False)

    @property
    def record(self) -> Record:
        """Read it. Raises :class:`~offline_store.errors.RecordInvalid`."""
        return Record.from_bytes(self.body)


class Lookup:
    """One journal beside its writer. Every method raises a :class:`~offline_store.errors.StoreError`."""

    def __init__(self, path: Path) -> None:
        self._connection = open_reading(path)

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open the journal of ``directory``."""
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

    def by_id(self, record_id: bytes) -> Found | None:
        """The record of this id."""
        return next(iter(self._read(f"{_FROM} WHERE id = ?", record_id)), None)

    def by_tail(self, tail: bytes) -> list[Found]:
        """The newest records whose id ends so, newest first; walks the ids."""
        return self._read(f"{_FROM} WHERE substr(id, -{TAIL_BYTES}) = ? ORDER BY place DESC LIMIT {MAX_FOUND}", tail)

    def by_seq(self, seq: int) -> Found | None:
        """The record of this number in the chain that grows now."""
        newest = f"{_FROM} WHERE number = (SELECT max(number) FROM chain) AND place = base + ?"  # noqa: S608 -- constants
        return next(iter(self._read(newest, seq)), None)

    def first(self) -> Found | None:
        """The oldest record that is still on the disk."""
        return next(iter(self._read(f"{_FROM} ORDER BY place LIMIT 1")), None)

    def before(self, kind: str, place: int) -> Iterator[Found]:
        """The records of a kind up to a place, newest first; close the iterator to stop."""
        query = f"{_FROM} WHERE kind = ? AND place <= ? ORDER BY place DESC"
        try:
            cursor = self._connection.execute(query, (kind, place))
            try:
                for row in cursor:
                    yield Found(*row)
            finally:
                cursor.close()
        except sqlite3.Error as error:
            raise store_error(error, Doing.READING_OUTBOX) from error

    def close(self) -> None:
        """Close the file; harmless when closed."""
        self._connection.close()

    def _read(self, query: str, *parameters: Any) -> list[Found]:
        try:
            return [Found(*row) for row in self._connection.execute(query, parameters).fetchall()]
        except sqlite3.Error as error:
            raise store_error(error, Doing.READING_OUTBOX) from error
