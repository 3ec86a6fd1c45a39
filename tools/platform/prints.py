"""Printed codes that the platform issued: one token a person, and a status index of its own for each print.

A new print ends the ones before it: their entries of the issuer's status list are revoked, and a terminal that has seen
the new one refuses the old by itself (:mod:`agent.credentials.printed`). The token stays, so that the new one works
everywhere at once, also where no list arrives.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from tools.platform.ledger import Owner
from tools.platform.store import Transaction, metadata

MAX_PRINTS = 65_536
"""Of one issuer: so many entries its status list has."""

print_table = sa.Table(
    "printed_code",
    metadata,
    sa.Column("issuer", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("status_index", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("namespace", sa.String(64), nullable=False),
    sa.Column("subject", sa.LargeBinary, nullable=False),
    sa.Column("token", sa.LargeBinary, nullable=False),
    sa.Column("issued_ms", sa.BigInteger, nullable=False),
    sa.Column("ended_ms", sa.BigInteger, comment="when a newer one replaced it"),
    sa.Index("print_by_subject", "namespace", "subject"),
)


@dataclass(frozen=True, slots=True)
class Print:
    """What the next print of a person says."""

    token: bytes
    status_index: int
    is_first: bool


def reprint(transaction: Transaction, issuer: int, owner: Owner, new_token: bytes, now_ms: int) -> Print | None:
    """End the prints of a person, and note the next; ``None`` if the issuer has no entry left.

    ``new_token`` is the token of whoever never had one.
    """
    columns, connection = print_table.c, transaction.connection
    highest = connection.execute(sa.select(sa.func.max(columns.status_index)).where(columns.issuer == issuer))
    index = (highest.scalar_one_or_none() or 0) + 1
    if index >= MAX_PRINTS:
        return None
    whose = sa.and_(columns.issuer == issuer, columns.namespace == owner[0], columns.subject == owner[1])
    known = connection.execute(sa.select(columns.token).where(whose).limit(1)).scalar_one_or_none()
    ends = sa.update(print_table).where(whose, columns.ended_ms.is_(None))
    connection.execute(ends.values(ended_ms=now_ms))
    token = new_token if known is None else bytes(known)
    row = {"issuer": issuer, "status_index": index, "namespace": owner[0], "subject": owner[1], "token": token}
    connection.execute(sa.insert(print_table).values(**row, issued_ms=now_ms))
    return Print(token, index, known is None)


def revoked(transaction: Transaction, issuer: int) -> list[int]:
    """The entries of the status list that are revoked."""
    columns = print_table.c
    query = sa.select(columns.status_index).where(columns.issuer == issuer, columns.ended_ms.is_not(None))
    return [int(row.status_index) for row in transaction.connection.execute(query.order_by(columns.status_index))]
