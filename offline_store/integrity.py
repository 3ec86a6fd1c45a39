"""Whether SQLite finds the database file sound; looked at beside a running writer, within a bound of time."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from offline_store.database import DATABASE_NAME, Doing, open_reading, store_error
from offline_store.errors import IoFailed

_MOST = 5
_LOOK_EVERY = 20_000
"""Instructions of SQLite's machine between two looks at the time."""


@dataclass(frozen=True, slots=True)
class Soundness:
    """``faults`` in SQLite's words, a line each; ``finished`` whether there was time for all of the file."""

    faults: tuple[str, ...]
    finished: bool
    schema: int
    newest_schema: int
    """That this software knows."""


def look(directory: Path, budget_s: float) -> Soundness:
    """Check every page (``PRAGMA quick_check``). No read transaction outlives ``budget_s``.

    Raises :class:`~offline_store.errors.StoreError`.
    """
    path = directory / DATABASE_NAME
    if not path.is_file():
        raise IoFailed(f"{directory} 中没有日志", f"there is no journal in {directory}")
    try:
        connection = open_reading(path)
        try:
            schema: int = connection.execute("PRAGMA user_version").fetchone()[0]
            until_s = time.monotonic() + budget_s
            connection.set_progress_handler(lambda: time.monotonic() >= until_s, _LOOK_EVERY)
            try:
                rows = connection.execute(f"PRAGMA quick_check({_MOST})").fetchall()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                    raise
                rows = None
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise store_error(error, Doing.VERIFYING, path) from error
    said = [line for (text,) in rows or () for line in text.splitlines() if line != "ok"]
    # SQLite heads what it found in the file's structure with the database's name, in the same row.
    faults = [line for line in said if not line.startswith("*** in database")] or said
    return Soundness(tuple(faults[:_MOST]), rows is not None, schema, _newest_schema())


def _newest_schema() -> int:
    return sum(file.name.endswith(".sql") for file in (files("offline_store") / "schema").iterdir())
