"""What a forbidden terminal's journal gives back: nothing moves before a person decides, as with what it sold.

A stolen terminal could otherwise hand back whatever it ever sold to whom it likes among those who paid. So a `refund`
or `reversal` of a captured payment, or under an open claim on another terminal's sale, is put aside while the terminal
is forbidden. A claim stays open meanwhile, so nobody else gives the same back. What was decided once stays decided,
whichever way the record comes again, and whatever the terminal is allowed later.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from offline_store.record import Record
from profiles.api import Kind
from tools.platform.intents import Intent, State
from tools.platform.registrations import is_forbidden
from tools.platform.returns import Claim, Claimed
from tools.platform.store import Transaction, metadata

CONTESTED_RETURN = "return-contested"
_BACK = frozenset({Kind.REFUND.value, Kind.REVERSAL.value})

held_back_table = sa.Table(
    "return_held_back",
    metadata,
    sa.Column("terminal", sa.String(32), primary_key=True),
    sa.Column("record_id", sa.LargeBinary, primary_key=True),
    sa.Column("namespace", sa.String(64), nullable=False, comment="whose payment goes back, as the record names them"),
    sa.Column("subject", sa.LargeBinary, nullable=False),
    sa.Column("amount_fen", sa.BigInteger, nullable=False, comment="what the record says goes back"),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="the record's exact bytes"),
    sa.Column("stage", sa.String(16), nullable=False, index=True),
    sa.Column("since_ms", sa.BigInteger, nullable=False),
)


class Stage(StrEnum):
    """How far a person has come with it."""

    WAITING = "waiting"
    GIVEN = "given"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class HeldBack:
    """One row."""

    terminal: str
    record_id: bytes
    amount_fen: int
    record: Record
    since_ms: int


def holds_back(
    transaction: Transaction, terminal: str, record: Record, what: Intent | Claim | None, now_ms: int
) -> bool:
    """Whether this record moves nothing now: it waits for a person, or one has decided on it already."""
    entry = record.entry
    moves = what is not None and what.state in (State.CAPTURED, Claimed.OPEN)
    if not moves or entry.kind not in _BACK or entry.money is None:
        return False
    if _stage(transaction, terminal, entry.id) is not None:
        return True
    if not is_forbidden(transaction, terminal):
        return False
    namespace, subject = entry.subject or ("", b"")
    row = {
        "terminal": terminal,
        "record_id": entry.id,
        "namespace": namespace,
        "subject": subject,
        "amount_fen": abs(entry.money.amount_fen),
        "body": record.to_bytes(),
        "stage": Stage.WAITING.value,
        "since_ms": now_ms,
    }
    transaction.connection.execute(sa.insert(held_back_table).values(row))
    return True


def waiting(transaction: Transaction) -> list[HeldBack]:
    """What nobody has decided on, the oldest first."""
    columns = held_back_table.c
    query = sa.select(held_back_table).where(columns.stage == Stage.WAITING.value)
    rows = transaction.connection.execute(query.order_by(columns.since_ms, columns.record_id))
    return [
        HeldBack(row.terminal, row.record_id, row.amount_fen, Record.from_bytes(row.body), row.since_ms) for row in rows
    ]


def decided(transaction: Transaction, found: HeldBack, stage: Stage) -> bool:
    """Note what a person decided; ``False`` if somebody has meanwhile."""
    columns = held_back_table.c
    same = sa.and_(columns.terminal == found.terminal, columns.record_id == found.record_id)
    still = sa.and_(same, columns.stage == Stage.WAITING.value)
    change = sa.update(held_back_table).where(still).values(stage=stage.value)
    return transaction.connection.execute(change).rowcount == 1


def _stage(transaction: Transaction, terminal: str, record_id: bytes) -> str | None:
    columns = held_back_table.c
    query = sa.select(columns.stage).where(columns.terminal == terminal, columns.record_id == record_id)
    return transaction.connection.execute(query).scalar_one_or_none()
