"""What the platform thinks of a record's evidence, as its database has it."""

from __future__ import annotations

import sqlalchemy as sa

from tools.platform.evidence import Verdict, evidence_table
from tools.platform.store import Transaction


def verdict_of(transaction: Transaction, record_id: bytes) -> Verdict | None:
    """The verdict on a record; ``None`` if it was not one to judge."""
    query = sa.select(evidence_table.c.verdict).where(evidence_table.c.id == record_id)
    found = transaction.connection.execute(query).scalar_one_or_none()
    return None if found is None else Verdict(found)
