"""Rows that several terminals may want at once, locked in one order, so that workers side by side wait in no circle.

PostgreSQL locks the rows of `select … order by … for update` as they come out of the sort (its manual, `SELECT`). The
order is that of the bytes, which no locale changes. SQLite has one writer at a time and needs none of this.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import islice
from typing import Any

import sqlalchemy as sa

Need = tuple[sa.Table, tuple[Any, ...]]
"""A row, by its table and its primary key."""
_KEYS_A_STATEMENT = 1_000


def lock(connection: sa.Connection, needs: Iterable[Need]) -> None:
    """Lock those of the rows that there are, until the transaction ends: tables by name, rows by key."""
    if connection.dialect.name != "postgresql":
        return
    wanted: defaultdict[sa.Table, set[tuple[Any, ...]]] = defaultdict(set)
    for table, key in needs:
        wanted[table].add(key)
    for table in sorted(wanted, key=lambda table: table.name):
        columns = list(table.primary_key.columns)
        order = [column.collate("C") if isinstance(column.type, sa.String) else column for column in columns]
        left = iter(sorted(wanted[table]))
        while keys := list(islice(left, _KEYS_A_STATEMENT)):
            query = sa.select(*columns).where(sa.tuple_(*columns).in_(keys))
            connection.execute(query.order_by(*order).with_for_update()).all()
