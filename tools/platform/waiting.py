"""What terminals say in their latest state of openings that wait as a count: their disks are full."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from agent.sync.contract import ContractError, State
from tools.platform.store import Transaction, state_table


def waiting_openings(transaction: Transaction) -> Mapping[str, int]:
    """How many openings each terminal has counted and not recorded yet; those that have none are left out."""
    columns = state_table.c
    rows = transaction.connection.execute(sa.select(columns.terminal, columns.body).order_by(columns.terminal))
    counted = ((row.terminal, _unrecorded(row.body)) for row in rows)
    return {terminal: openings for terminal, openings in counted if openings}


def _unrecorded(body: bytes) -> int:
    try:
        report = State.decode(body).report
    except ContractError:  # of a later version
        return 0
    return 0 if report is None or report.buffer is None else report.buffer.unrecorded or 0
