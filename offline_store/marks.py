"""Marks: many, small, each with an end, and found by their key alone.

A tap writes one page for its mark: there is no index by end. What has ended leaves by a sweep that walks along the key,
some rows for each mark that comes in, so that the table stays bounded and no append pays for many.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from offline_store.errors import RecordInvalid
from offline_store.record import MAX_INTEGER, MAX_TEXT_CHARS

MAX_MARK_BYTES = 1_024
MARK_GRACE_MS = 48 * 3_600_000
"""How long a mark outlives its end: a clock that was a day ahead and is wound back finds its replay marks again."""
SWEEP_AFTER = 32
SWEPT_FOR_EACH = 8
"""So many rows are looked at for each mark that came in: of a table, an eighth at most is over and still there."""
PORTION = 500

_PUT = (
    "INSERT INTO mark (scope, key, value, expires_ms) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value, expires_ms = excluded.expires_ms"
)
_REMOVE = "DELETE FROM mark WHERE scope = ? AND key = ?"
_ALL = "SELECT scope, key, value, expires_ms FROM mark"
_LAST_OF_PORTION = "SELECT scope, key FROM mark WHERE (scope, key) > (?, ?) ORDER BY scope, key LIMIT 1 OFFSET ?"
_SWEEP = "DELETE FROM mark WHERE (scope, key) > (?, ?) AND (scope, key) <= (?, ?) AND expires_ms <= ?"
_SWEEP_REST = "DELETE FROM mark WHERE (scope, key) > (?, ?) AND expires_ms <= ?"
_BEFORE_ALL = ("", b"")


@dataclass(frozen=True, slots=True)
class Mark:
    """A small fact with an end: a replay mark, a double tap, a counter. ``value=None`` removes it."""

    scope: str
    key: bytes = field(repr=False)
    value: int | bytes | None = field(repr=False)
    expires_ms: int

    def __post_init__(self) -> None:
        if not 0 < len(self.scope) <= MAX_TEXT_CHARS or not 0 < len(self.key) <= MAX_MARK_BYTES:
            raise RecordInvalid.at(
                "mark",
                f"至多 {MAX_TEXT_CHARS} 个字符的范围和至多 {MAX_MARK_BYTES} 字节的键",
                f"a scope of 1 to {MAX_TEXT_CHARS} and a key of 1 to {MAX_MARK_BYTES}",
            )
        if isinstance(self.value, bytes):
            fits = len(self.value) <= MAX_MARK_BYTES
        else:
            fits = self.value is None or abs(self.value) <= MAX_INTEGER
        if not fits or not 0 <= self.expires_ms <= MAX_INTEGER:
            raise RecordInvalid.at(f"mark {self.scope}", "界限之内的值和期限", "a value and an end within bounds")


class Marks:
    """The table of one connection; every change is within the caller's transaction. Raises ``sqlite3.Error``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._swept_to: tuple[str, bytes] = _BEFORE_ALL
        self._since_sweep = 0

    def put(self, marks: tuple[Mark, ...], now_ms: Callable[[], int]) -> None:
        """Put or remove them; now and then, and only then the time is asked for, what ended long before leaves."""
        for mark in marks:
            if mark.value is None:
                self._connection.execute(_REMOVE, (mark.scope, mark.key))
            else:
                self._connection.execute(_PUT, (mark.scope, mark.key, mark.value, mark.expires_ms))
        self._since_sweep += len(marks)
        if self._since_sweep >= SWEEP_AFTER:
            self.sweep(now_ms(), SWEPT_FOR_EACH * self._since_sweep)
            self._since_sweep = 0

    def sweep(self, now_ms: int, rows: int) -> bool:
        """Look at so many more rows, and begin anew behind the last; whether more of them follow."""
        ended_ms = now_ms - MARK_GRACE_MS
        last = self._connection.execute(_LAST_OF_PORTION, (*self._swept_to, rows - 1)).fetchone()
        if last is None:
            self._connection.execute(_SWEEP_REST, (*self._swept_to, ended_ms))
            self._swept_to = _BEFORE_ALL
            return False
        self._connection.execute(_SWEEP, (*self._swept_to, *last, ended_ms))
        self._swept_to = last
        return True

    def rewind(self) -> None:
        """Let the next sweep begin at the first row."""
        self._swept_to = _BEFORE_ALL

    def all(self) -> list[Mark]:
        """Every mark on the disk."""
        return [Mark(*row) for row in self._connection.execute(_ALL)]
