"""The reference loans: who has what until when, and how often that may still be put off.

A library that has a system of its own is asked there (SIP2, `agent/sip2`); this table is for terminals whose library
keeps its loans at the platform, for tests and for demonstrations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tools.platform.ledger import Owner
from tools.platform.row_locks import Need
from tools.platform.store import Transaction, metadata

DAY_MS = 86_400_000
MAX_ITEM_CHARS = 64
ONCE_MS = 600_000
"""Renewed again within this time, a loan is renewed once: the terminal that asks anew has not heard the first reply."""

loan_table = sa.Table(
    "loan",
    metadata,
    sa.Column("item", sa.String(MAX_ITEM_CHARS), primary_key=True),
    sa.Column("namespace", sa.String(64), nullable=False),
    sa.Column("subject", sa.LargeBinary, nullable=False),
    sa.Column("due_ms", sa.BigInteger, nullable=False),
    sa.Column("days", sa.Integer, nullable=False, comment="what each renewal adds"),
    sa.Column("renewals_left", sa.Integer, nullable=False),
    sa.Column("renewed_ms", sa.BigInteger, comment="when it was renewed last"),
    sa.Column("renewed_at", sa.String(32), comment="the terminal that asked for that"),
)


def row_of(item: str) -> Need:
    """Its loan, to be locked."""
    return loan_table, (item,)


def add(transaction: Transaction, item: str, owner: Owner, due_ms: int, days: int, renewals: int) -> bool:
    """Lend an item; whether it was here to be lent."""
    if _loan(transaction, item) is not None:
        return False
    row = {"item": item, "namespace": owner[0], "subject": owner[1], "due_ms": due_ms}
    transaction.connection.execute(sa.insert(loan_table).values(**row, days=days, renewals_left=renewals))
    return True


def bring_back(transaction: Transaction, item: str) -> bool:
    """End a loan; whether there was one."""
    return transaction.connection.execute(sa.delete(loan_table).where(loan_table.c.item == item)).rowcount > 0


def loans(transaction: Transaction) -> Sequence[sa.Row[Any]]:
    """Every loan, the one that is due first before the others."""
    return transaction.connection.execute(sa.select(loan_table).order_by(loan_table.c.due_ms, loan_table.c.item)).all()


def renew(transaction: Transaction, terminal: str, item: str, owner: Owner, now_ms: int) -> int | str:
    """Until when it may be kept now, or the code of the contract that says why not longer than before.

    Whose an item is that somebody else has, nobody is told: it is as unknown as one that is on its shelf.
    """
    loan = _loan(transaction, item)
    if loan is None or (loan.namespace, loan.subject) != owner:
        return "loan-unknown"
    if loan.renewed_at == terminal and now_ms - loan.renewed_ms < ONCE_MS:
        return int(loan.due_ms)
    if loan.due_ms < now_ms:
        return "loan-overdue"
    if loan.renewals_left < 1:
        return "renewals-used-up"
    due_ms = int(loan.due_ms) + int(loan.days) * DAY_MS
    changed = {"due_ms": due_ms, "renewals_left": loan.renewals_left - 1}
    same = sa.update(loan_table).where(loan_table.c.item == item)
    transaction.connection.execute(same.values(**changed, renewed_ms=now_ms, renewed_at=terminal))
    return due_ms


def _loan(transaction: Transaction, item: str) -> sa.Row[Any] | None:
    query = sa.select(loan_table).where(loan_table.c.item == item).with_for_update()
    return transaction.connection.execute(query).one_or_none()
