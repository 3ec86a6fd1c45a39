"""Alarms that were heard, so that one which the broker delivers again is counted once.

An alarm says when it was raised, to the millisecond: the same bytes are the same alarm.
"""

from __future__ import annotations

import hashlib

import sqlalchemy as sa

from tools.platform.store import Transaction, metadata

MAX_HEARD = 256
"""Of one terminal, the latest: a broker delivers again what a worker had not acknowledged, a hundred at most."""

heard_table = sa.Table(
    "heard_alarm",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("terminal", sa.String(32), nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False, comment="SHA-256 of its bytes"),
    sa.UniqueConstraint("terminal", "digest"),
)


def is_new(transaction: Transaction, terminal: str, payload: bytes) -> bool:
    """Note an alarm; whether it was not among the latest already."""
    connection, columns = transaction.connection, heard_table.c
    digest = hashlib.sha256(payload).digest()
    same = sa.select(columns.number).where(columns.terminal == terminal, columns.digest == digest)
    if connection.execute(same).first() is not None:
        return False
    connection.execute(sa.insert(heard_table).values(terminal=terminal, digest=digest))
    mine = sa.select(columns.number).where(columns.terminal == terminal)
    oldest = mine.order_by(columns.number.desc()).offset(MAX_HEARD).limit(1).scalar_subquery()
    connection.execute(sa.delete(heard_table).where(columns.terminal == terminal, columns.number <= oldest))
    return True
