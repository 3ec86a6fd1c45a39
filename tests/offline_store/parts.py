"""What the store's tests share: repeating time and randomness, entries, and a way to spoil a file."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

from offline_store.database import DATABASE_NAME
from offline_store.journal import Append, Journal
from offline_store.record import Entry, Record, new_id

BOOT_ID = bytes(range(16))
START_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""


class SteppingClock:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.time_ms = START_MS

    def now_ms(self) -> int:
        return self.time_ms

    def monotonic_ms(self) -> int:
        return self.time_ms - START_MS

    def state(self) -> str:
        return "synchronised"


class SeededRandom:
    """Bytes that are the same in every run."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def token(self, size_bytes: int) -> bytes:
        return self._random.randbytes(size_bytes)


def entry(number: int, kind: str = "passage", **fields: object) -> Entry:
    """The entry of that number: its id, medium and time follow from it alone."""
    seed = random.Random(number)
    values: dict[str, object] = {
        "id": new_id(START_MS + number, seed.randbytes(10)),
        "kind": kind,
        "time_ms": START_MS + number,
        "time_quality": "synchronised",
        "monotonic_ms": number,
        "lane": "gate-1",
        "profile": "gate",
        "reason": "granted",
        "medium": seed.randbytes(16),
        "subject": ("city", seed.randbytes(16)),
        "public": {"direction": "in", "assurance": 2, "rule": "whitelist"},
    }
    return Entry(**(values | fields))  # type: ignore[arg-type]  # a test's shorthand


def fill(journal: Journal, count: int, first: int = 1) -> list[Record]:
    """Append ``count`` entries in one group and return their records."""
    batch = [Append((entry(number),)) for number in range(first, first + count)]
    return [record for appended in journal.append(batch) for record in appended.records]


Statement = str | tuple[str, tuple[bytes | str | int | None, ...]]


def spoil(directory: Path, *statements: Statement) -> None:
    """Alter a journal's file as somebody with a tool would; a statement may come with its parameters."""
    connection = sqlite3.connect(directory / DATABASE_NAME)
    for statement in statements:
        sql, parameters = (statement, ()) if isinstance(statement, str) else statement
        connection.execute(sql, parameters)
    connection.commit()
    connection.close()
