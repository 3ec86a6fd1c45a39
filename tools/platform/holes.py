"""Holes: records that left a terminal's disk, acknowledged by a platform that has since gone back to a backup; and
those that could not be read of a dead box's.

The chain goes on behind a hole from the hash that its next record names; that something is missing stays on record,
until records come, from a disk or a stick or from a terminal that has them after all, that join what is known at one of
the hole's ends.
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


def hole_at(transaction: Transaction, chain_id: bytes, seq: int) -> Hole | None:
    """The hole that this record would lie in."""
    columns = hole_table.c
    query = sa.select(columns.first, columns.last, columns.anchor_hash).where(
        columns.chain_id == chain_id, columns.first <= seq, columns.last >= seq
    )
    row = transaction.connection.execute(query).one_or_none()
    return None if row is None else Hole(*row)


def replace(transaction: Transaction, chain_id: bytes, hole: Hole, left: Hole | None, now_ms: int) -> None:
    """What is left of a hole after records came; ``None`` if it is filled."""
    columns = hole_table.c
    transaction.connection.execute(
        sa.delete(hole_table).where(columns.chain_id == chain_id, columns.first == hole.first)
    )
    if left is not None:
        note(transaction, chain_id, left.first, left.last, left.anchor_hash, now_ms)


def holes_of(transaction: Transaction, chain_id: bytes) -> Sequence[Hole]:
    """The holes of one chain, the first one first."""
    columns = hole_table.c
    query = sa.select(columns.first, columns.last, columns.anchor_hash).where(columns.chain_id == chain_id)
    return [Hole(*row) for row in transaction.connection.execute(query.order_by(columns.first))]
