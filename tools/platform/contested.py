"""What a person has to decide on: payments that were not captured, and what was not given back."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from tools.platform.held_back import Stage, held_back_table
from tools.platform.intents import State, intent_table
from tools.platform.store import Transaction


@dataclass(frozen=True, slots=True)
class Contested:
    """Of one terminal: how many payments, and how many returns, and their sums in fen."""

    terminal: str
    payments: int
    amount_fen: int
    returns: int
    returned_fen: int


def contested(transaction: Transaction, terminal: str | None = None) -> list[Contested]:
    """Each terminal of which anything waits, or the one that is asked for."""
    sold = _sums(transaction, intent_table, intent_table.c.state == State.CONTESTED.value)
    back = _sums(transaction, held_back_table, held_back_table.c.stage == Stage.WAITING.value)
    return [
        Contested(each, *sold.get(each, (0, 0)), *back.get(each, (0, 0)))
        for each in sorted(sold.keys() | back.keys())
        if terminal in (None, each)
    ]


def _sums(transaction: Transaction, table: sa.Table, waits: sa.ColumnElement[bool]) -> dict[str, tuple[int, int]]:
    columns = table.c
    sums = sa.select(columns.terminal, sa.func.count(), sa.func.sum(columns.amount_fen)).where(waits)
    rows = transaction.connection.execute(sums.group_by(columns.terminal))
    return {terminal: (int(count), int(fen)) for terminal, count, fen in rows}
