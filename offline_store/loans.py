"""What waits for the library's own system, written in the transaction of the record that says what happened.

Rows leave in the order in which they came. A try is counted, durably, before it is sent: after a crash it is known that
the library may have it. Settled rows remain for the reconciliation list, the newest ``MAX_KEPT`` of all; whose loan it
was is forgotten with the settling, unless a person must look at it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from offline_store.database import DATABASE_NAME, Doing, open_reading, store_error
from offline_store.errors import RecordInvalid
from offline_store.record import MAX_TEXT_CHARS

MAX_KEPT = 20_000

_COLUMNS = "id, lane, profile, act, mode, item, patron, at_ms, due_ms, tries, result, settled_ms"
READ = f"SELECT {_COLUMNS} FROM loan"  # noqa: S608 -- no value in it
_INSERT = f"INSERT INTO loan ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"  # noqa: S608
_TRY = "UPDATE loan SET tries = tries + 1 WHERE id = ? AND result IS NULL"
_SETTLE = (
    "UPDATE loan SET result = ?, settled_ms = ?, patron = CASE WHEN ? THEN patron END WHERE id = ? AND result IS NULL"
)
_FORGET = "DELETE FROM loan WHERE result IS NOT NULL AND place <= (SELECT max(place) FROM loan) - ?"


@dataclass(frozen=True, slots=True)
class Loan:
    """One row; texts are opaque here."""

    id: bytes
    lane: str
    profile: str
    act: str
    mode: str
    item: str = field(repr=False)
    patron: str | None = field(repr=False)
    at_ms: int
    due_ms: int | None = None
    tries: int = 0
    result: str | None = None
    settled_ms: int | None = None

    def __post_init__(self) -> None:
        texts = (self.lane, self.profile, self.act, self.mode, self.item, self.patron or "-")
        if len(self.id) != 16 or not all(0 < len(text) <= MAX_TEXT_CHARS for text in texts):
            said = f"1 至 {MAX_TEXT_CHARS} 个字符的文字", f"texts of 1 to {MAX_TEXT_CHARS} characters"
            raise RecordInvalid.at("loan", *said)


@dataclass(frozen=True, slots=True)
class LoanTried:
    """From now on the library may have it."""

    id: bytes


@dataclass(frozen=True, slots=True)
class LoanSettled:
    """What became of it. ``open_to_people``: somebody must look at it, and so must know whose it is."""

    id: bytes
    result: str
    settled_ms: int
    open_to_people: bool = False


LoanChange: TypeAlias = Loan | LoanTried | LoanSettled


def write(execute: Callable[..., Any], change: LoanChange) -> None:
    """Within the transaction of an append."""
    match change:
        case Loan():
            execute(_INSERT, _values(change))
        case LoanTried(loan_id):
            execute(_TRY, (loan_id,))
        case LoanSettled(loan_id, result, settled_ms, open_to_people):
            execute(_SETTLE, (result, settled_ms, open_to_people, loan_id))
            execute(_FORGET, (MAX_KEPT,))


def waiting(directory: Path, most: int) -> list[Loan]:
    """What waits, the oldest first; beside the running writer. Raises :class:`~offline_store.errors.StoreError`."""
    return _read(directory, f"{READ} WHERE result IS NULL ORDER BY place LIMIT ?", most)


def latest(directory: Path, most: int) -> list[Loan]:
    """The newest rows, oldest of them first. Raises :class:`~offline_store.errors.StoreError`."""
    return _read(directory, f"{READ} ORDER BY place DESC LIMIT ?", most)[::-1]


def _values(loan: Loan) -> tuple[Any, ...]:
    return tuple(getattr(loan, column) for column in _COLUMNS.split(", "))


def _read(directory: Path, query: str, most: int) -> list[Loan]:
    path = directory / DATABASE_NAME
    if not path.is_file():
        return []
    try:
        connection = open_reading(path)
        try:
            return [Loan(*row) for row in connection.execute(query, (most,)).fetchall()]
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise store_error(error, Doing.READING_SAVED, path) from error
