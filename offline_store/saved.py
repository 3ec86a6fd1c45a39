"""What parts of the agent saved with a commit, read beside a running agent."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from offline_store.database import DATABASE_NAME, Doing, open_reading, store_error


def saved_value(directory: Path, key: str) -> bytes | None:
    """The last value that was saved under a key; ``None`` if there is none, or no store yet.

    Raises :class:`~offline_store.errors.StoreError`.
    """
    path = directory / DATABASE_NAME
    if not path.is_file():
        return None
    try:
        connection = open_reading(path)
        try:
            row = connection.execute("SELECT value FROM saved WHERE key = ?", (key,)).fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise store_error(error, Doing.READING_SAVED, path) from error
    value: bytes | None = row[0] if row else None
    return value
