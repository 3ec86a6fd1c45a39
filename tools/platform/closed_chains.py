"""Chains that ended with their box: what still comes of one over the wire is refused, by stick it is taken."""

from __future__ import annotations

import sqlalchemy as sa

from tools.platform.store import Transaction, metadata, terminal_table

closed_chain_table = sa.Table(
    "closed_chain",
    metadata,
    sa.Column("chain_id", sa.LargeBinary, primary_key=True),
    sa.Column("terminal", sa.String(32), nullable=False),
    sa.Column("closed_ms", sa.BigInteger, nullable=False),
)


def close_all(transaction: Transaction, terminal: str, now_ms: int) -> int:
    """Close every chain of a terminal; how many were open. What its latest hello began is over too."""
    ended = open_chains(transaction, terminal)
    for chain_id in ended:
        row = {"chain_id": chain_id, "terminal": terminal, "closed_ms": now_ms}
        transaction.connection.execute(sa.insert(closed_chain_table), row)
    columns = terminal_table.c
    silence = sa.update(terminal_table).where(columns.terminal == terminal).values(chain_id=None, nonce=None)
    transaction.connection.execute(silence)
    return len(ended)


def open_chains(transaction: Transaction, terminal: str) -> list[bytes]:
    """The chains of a terminal that no end of a box has closed."""
    return [head.chain_id for head in transaction.chains(terminal) if not is_closed(transaction, head.chain_id)]


def is_closed(transaction: Transaction, chain_id: bytes) -> bool:
    """Whether a chain ended with its box."""
    columns = closed_chain_table.c
    query = sa.select(columns.chain_id).where(columns.chain_id == chain_id)
    return transaction.connection.execute(query).first() is not None
