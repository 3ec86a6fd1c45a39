"""What a database of an earlier version lacks, made when it is opened: tables, indexes, columns that may be empty.

Nothing that is there is changed, and nothing goes. A column that may not be empty has no value for the rows that are
there: that is said, and the database left as it was. What exists is looked up first: to make an index once more would
wait, on PostgreSQL, until nobody writes to its table.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex

from tools.cli.words import say
from tools.platform.errors import PlatformError

_COLUMNS = {
    "sqlite": "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table'",
    "postgresql": "SELECT table_name, column_name FROM information_schema.columns"
    " WHERE table_schema = current_schema()",
}
_INDEXES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index'",
    "postgresql": "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()",
}


def complete(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Make what is missing, within the transaction. Raises :class:`PlatformError` where that cannot be."""
    metadata.create_all(connection)
    for column in missing_columns(connection, metadata):
        _add(connection, column)
    there = set(connection.exec_driver_sql(_INDEXES[connection.dialect.name]).scalars())
    indexes = {str(index.name): index for table in metadata.sorted_tables for index in table.indexes}
    for name in sorted(indexes.keys() - there):
        connection.execute(CreateIndex(indexes[name], if_not_exists=True))


def missing_columns(connection: sa.Connection, metadata: sa.MetaData) -> list[sa.Column[Any]]:
    """The columns that are not there, whether their tables are or not."""
    there = {(table, column) for table, column in connection.exec_driver_sql(_COLUMNS[connection.dialect.name])}
    return [
        column for table in metadata.sorted_tables for column in table.columns if (table.name, column.name) not in there
    ]


def _add(connection: sa.Connection, column: sa.Column[Any]) -> None:
    if not column.nullable:
        raise PlatformError(
            say(
                f"数据库属于较早的版本：表 {column.table.name} 没有 {column.name} 一列，本版本无法补上；"
                "请用原来的版本，或另用一个数据库（--database）。",
                f"The database is of an earlier version: its table {column.table.name} has no column {column.name}, and"
                " this version cannot fill it in. Use the version before, or another database (--database).",
            )
        )
    names = connection.dialect.identifier_preparer
    kind = column.type.compile(connection.dialect)
    table = names.format_table(column.table)
    connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {names.format_column(column)} {kind}")
