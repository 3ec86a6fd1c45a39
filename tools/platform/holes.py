"""Holes: records that left a terminal's disk, acknowledged by a platform that has since gone back to a backup.

The chain goes on behind a hole from the hash that the terminal names; that something is missing stays on record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from tools.platform.store import Transaction, metadata

hole_table = sa.Table(
    "hole",
    metadata,
    sa.Column("chain_id", sa.LargeBinary, primary_key=True),
    sa.Column("first", sa.BigInteger, primary_key=True, autoincrement=False, comment="the first seq that is missing"),
    sa.Column("last", sa.BigInteger, nullable=False),
    sa.Column("anchor_hash", sa.LargeBinary, nullable=False, comment="of the record at last, as the next one names it"),
    sa.Column("noted_ms", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Hole:
    """The records from `first` to `last` are missing; the hash of the last is known."""

    first: int
    last: int
    anchor_hash: bytes


def note(transaction: Transaction, chain_id: bytes, first: int, last: int, anchor_hash: bytes, now_ms: int) -> None:
    """Note a hole."""
    row = {"chain_id": chain_id, "first": first, "last": last, "anchor_hash": anchor_hash, "noted_ms": now_ms}
    transaction.connection.execute(sa.insert(hole_table), row)


def holes_of(transaction: Transaction, chain_id: bytes) -> Sequence[Hole]:
    """The holes of one chain, the first one first."""
    columns = hole_table.c
    query = sa.select(columns.first, columns.last, columns.anchor_hash).where(columns.chain_id == chain_id)
    return [Hole(*row) for row in transaction.connection.execute(query.order_by(columns.first))]
