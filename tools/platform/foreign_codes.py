"""Codes of other systems, and whose they are: what only the platform can say.

A city's platform asks the system that issued the code; the reference one looks into a table of test codes. It holds no
text, only a digest, and the text of a question is gone with its reply.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tools.platform.ledger import Owner
from tools.platform.store import Transaction, metadata

foreign_code_table = sa.Table(
    "foreign_code",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True, comment="SHA-256 of the domain and the text"),
    sa.Column("namespace", sa.String(64), nullable=False),
    sa.Column("subject", sa.LargeBinary, nullable=False),
    sa.Column("until_ms", sa.BigInteger, nullable=False, comment="to this moment it stands for this person"),
)
_DOMAIN = b"onecard foreign code 1\0"


def add(transaction: Transaction, text: str, owner: Owner, until_ms: int) -> None:
    """Say whose a code is; what was said of it before goes."""
    digest = _digest(text)
    connection = transaction.connection
    connection.execute(sa.delete(foreign_code_table).where(foreign_code_table.c.digest == digest))
    row = {"digest": digest, "namespace": owner[0], "subject": owner[1], "until_ms": until_ms}
    connection.execute(sa.insert(foreign_code_table).values(row))


def holder(transaction: Transaction, text: str, now_ms: int) -> Owner | None:
    """Whose code it is, if anybody's now."""
    columns = foreign_code_table.c
    query = sa.select(columns.namespace, columns.subject).where(
        columns.digest == _digest(text), columns.until_ms >= now_ms
    )
    row = transaction.connection.execute(query).one_or_none()
    return None if row is None else (row.namespace, row.subject)


def codes(transaction: Transaction) -> Sequence[sa.Row[Any]]:
    """Every code that was told, by its digest."""
    return transaction.connection.execute(sa.select(foreign_code_table).order_by(foreign_code_table.c.digest)).all()


def _digest(text: str) -> bytes:
    return hashlib.sha256(_DOMAIN + text.encode()).digest()
