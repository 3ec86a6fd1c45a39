"""Forward migrations: numbered SQL files, each applied in one transaction with its ``PRAGMA user_version``."""

from __future__ import annotations

import re
import sqlite3
from importlib.resources import files
from importlib.resources.abc import Traversable

from offline_store.errors import MigrationFailed, NewerSchema

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


def migrate(connection: sqlite3.Connection, schema: Traversable | None = None) -> int:
    """Bring the database to the newest version of ``schema``, a directory of ``NNNN_name.sql``; return that version.

    Raises :class:`NewerSchema` before anything is touched and :class:`MigrationFailed` with the database as the last
    good file left it; ``sqlite3.Error`` when the database cannot be read at all.
    """
    steps = _steps(schema or files("offline_store") / "schema")
    standing: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if standing > len(steps):
        raise NewerSchema(
            f"数据库结构是第 {standing} 版，本软件只认识到第 {len(steps)} 版；请装回较新的软件，数据未被改动",
            f"the database has schema {standing}, this software knows up to {len(steps)}; "
            "install the newer software again, the data is untouched",
        )
    if standing < len(steps):
        _apply(connection, steps, standing)
    return len(steps)


def _apply(connection: sqlite3.Connection, steps: list[Traversable], standing: int) -> None:
    # Loaded only by the one start that needs it: it brings numpy along where that is installed, 15 MB.
    import sqlite_utils.utils
    from sqlite_utils import Database

    if vars(sqlite_utils.utils)["sqlite3"] is not sqlite3:
        raise MigrationFailed(
            "sqlite-utils 用上了另一个 SQLite（pysqlite3）；请卸载它：一个进程只能有一个 SQLite 库",
            "sqlite-utils found another SQLite (pysqlite3); uninstall it: one SQLite library a process",
        )
    database = Database(connection, execute_plugins=False)
    for version, step in enumerate(steps[standing:], start=standing + 1):
        try:
            with database.atomic():
                database.executescript(step.read_text(encoding="utf-8"))
                database.execute(f"PRAGMA user_version = {version}")
        except sqlite3.Error as error:
            raise MigrationFailed(
                f"结构文件 {step.name} 无法应用（{error}）；数据库仍是第 {version - 1} 版，原来的软件仍可使用",
                f"schema file {step.name} could not be applied ({error}); the database stands as before, at schema "
                f"{version - 1}; the software that wrote it still works",
            ) from error


def _steps(schema: Traversable) -> list[Traversable]:
    """The files in order; a gap or a double number is a fault of the package, not of the data."""
    steps = sorted((file for file in schema.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    for number, file in enumerate(steps, start=1):
        match = _NAME.fullmatch(file.name)
        if match is None or int(match[1]) != number:
            raise MigrationFailed(
                f"结构文件 {file.name}：此处应为 {number:04d}_name.sql",
                f"schema file {file.name}: {number:04d}_name.sql belongs here",
            )
    return steps
