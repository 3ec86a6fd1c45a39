"""The reference ledger: accounts, and every entry that changed one. The balance is the sum of the entries.

An account belongs to a person, by namespace and pseudonym. What terminals sold offline to somebody without an account
is booked on one that begins with that debt, and what names nobody on :data:`NOBODY`'s: no money is lost from sight.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from tools.platform.row_locks import Need
from tools.platform.store import Transaction, metadata

Owner = tuple[str, bytes]
"""Namespace and pseudonym of the person whose account it is."""
NOBODY: Owner = ("", b"")

account_table = sa.Table(
    "account",
    metadata,
    sa.Column("namespace", sa.String(80), primary_key=True, comment="and the kind (accounts.py)"),
    sa.Column("subject", sa.LargeBinary, primary_key=True),
    sa.Column("balance_fen", sa.BigInteger, nullable=False),
    sa.Column("blocked", sa.Boolean, nullable=False),
)

ledger_table = sa.Table(
    "ledger",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("namespace", sa.String(80), nullable=False),
    sa.Column("subject", sa.LargeBinary, nullable=False),
    sa.Column("amount_fen", sa.BigInteger, nullable=False, comment="what it adds to the balance"),
    sa.Column("terminal", sa.String(32), comment="null: paid in at the platform"),
    sa.Column("intent_id", sa.LargeBinary),
    sa.Column("record_id", sa.LargeBinary, comment="the journal's record that moved it"),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Index("ledger_by_owner", "namespace", "subject"),
)


def row_of(owner: Owner) -> Need:
    """Its account, to be locked."""
    return account_table, owner


def lock_accounts(transaction: Transaction, owners: Iterable[Owner]) -> dict[Owner, sa.Row[Any]]:
    """The accounts of these owners, in one order, locked until the transaction ends."""
    found = {}
    for owner in sorted(set(owners)):
        query = sa.select(account_table).where(_is(owner)).with_for_update()
        row = transaction.connection.execute(query).one_or_none()
        if row is not None:
            found[owner] = row
    return found


def enter(
    transaction: Transaction,
    owner: Owner,
    amount_fen: int,
    now_ms: int,
    *,
    terminal: str | None = None,
    intent_id: bytes | None = None,
    record_id: bytes | None = None,
) -> int:
    """Write an entry of the ledger; the owner's balance after it. An account that nobody opened begins with it."""
    connection, columns = transaction.connection, account_table.c
    added = sa.update(account_table).where(_is(owner)).values(balance_fen=columns.balance_fen + amount_fen)
    if connection.execute(added).rowcount == 0:
        opened = {"namespace": owner[0], "subject": owner[1], "balance_fen": amount_fen, "blocked": False}
        connection.execute(sa.insert(account_table).values(opened))
    entry = {"namespace": owner[0], "subject": owner[1], "amount_fen": amount_fen, "at_ms": now_ms}
    moved = {"terminal": terminal, "intent_id": intent_id, "record_id": record_id}
    connection.execute(sa.insert(ledger_table).values(**entry, **moved))
    return int(connection.execute(sa.select(columns.balance_fen).where(_is(owner))).scalar_one())


def is_entered(transaction: Transaction, owner: Owner, record_id: bytes) -> bool:
    """Whether a record of the journal has moved an account already."""
    columns = ledger_table.c
    query = sa.select(columns.number).where(
        columns.namespace == owner[0], columns.subject == owner[1], columns.record_id == record_id
    )
    return transaction.connection.execute(query.limit(1)).first() is not None


def accounts(transaction: Transaction) -> Sequence[sa.Row[Any]]:
    """Every account."""
    columns = account_table.c
    return transaction.connection.execute(sa.select(account_table).order_by(columns.namespace, columns.subject)).all()


def block(transaction: Transaction, owner: Owner, *, blocked: bool) -> bool:
    """Block an account, or let it pay again; whether there is one."""
    changed = transaction.connection.execute(sa.update(account_table).where(_is(owner)).values(blocked=blocked))
    return changed.rowcount > 0


def _is(owner: Owner) -> sa.ColumnElement[bool]:
    columns = account_table.c
    return sa.and_(columns.namespace == owner[0], columns.subject == owner[1])
