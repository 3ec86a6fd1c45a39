"""Which bundles are installed: name, version and manifest, durable with the record that says so.

A bundle is written by :meth:`offline_store.journal.Journal.append`, in the transaction of its record: that commit is
the moment at which it counts as installed. The version is the floor, and the database never lets it go back.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from offline_store.database import DATABASE_NAME, Doing, open_reading, store_error
from offline_store.errors import RecordInvalid
from offline_store.record import MAX_INTEGER, MAX_TEXT_CHARS

MAX_MANIFEST_BYTES = 4_096

PUT = (
    "INSERT INTO bundle (name, version, manifest) VALUES (?, ?, ?)"
    " ON CONFLICT (name) DO UPDATE SET version = excluded.version, manifest = excluded.manifest"
    " WHERE excluded.version >= bundle.version"
)


@dataclass(frozen=True, slots=True)
class InstalledBundle:
    """One installed bundle; ``manifest`` is opaque here."""

    name: str
    version: int
    manifest: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= MAX_TEXT_CHARS or not 0 < self.version <= MAX_INTEGER:
            raise RecordInvalid.at(
                "bundle",
                f"1 至 {MAX_TEXT_CHARS} 个字符的名称和从 1 起的版本",
                f"a name of 1 to {MAX_TEXT_CHARS} characters and a version from 1",
            )
        if not 0 < len(self.manifest) <= MAX_MANIFEST_BYTES:
            raise RecordInvalid.at(
                f"bundle {self.name}",
                f"1 至 {MAX_MANIFEST_BYTES} 字节的说明",
                f"a manifest of 1 to {MAX_MANIFEST_BYTES} bytes",
            )


def installed(directory: Path) -> list[InstalledBundle]:
    """What is installed, by name; beside a running agent, too. Nothing where there is no store yet.

    Raises :class:`~offline_store.errors.StoreError`.
    """
    path = directory / DATABASE_NAME
    if not path.is_file():
        return []
    try:
        connection = open_reading(path)
        try:
            rows = connection.execute("SELECT name, version, manifest FROM bundle ORDER BY name").fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise store_error(error, Doing.READING_BUNDLES, path) from error
    return [InstalledBundle(*row) for row in rows]
