"""Records in bulk, past SQLAlchemy's work on every value: half of what a record cost was spent on preparing its row.

The statements are plain SQL that both databases take, and go through SQLAlchemy's connection all the same: the
transaction, and what faults are called, stay its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa


def insert(connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows that hold every column in the table's order."""
    columns = [column.name for column in table.columns]
    places = ", ".join([_mark(connection)] * len(columns))
    statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 - our own names
    connection.exec_driver_sql(statement, list(rows))


def holds_any(connection: sa.Connection, table: sa.Table, ids: Sequence[bytes]) -> bool:
    """Whether one of `ids` stands in the column `id`."""
    places = ", ".join([_mark(connection)] * len(ids))
    statement = f"SELECT 1 FROM {table.name} WHERE id IN ({places}) LIMIT 1"  # noqa: S608 - our own names
    return connection.exec_driver_sql(statement, tuple(ids)).first() is not None


def _mark(connection: sa.Connection) -> str:
    """How the driver writes a parameter's place: sqlite3 and psycopg differ."""
    return "?" if connection.dialect.name == "sqlite" else "%s"
