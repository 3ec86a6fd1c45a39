"""What the platform could not take, or took without understanding: kept, shown, and tried again by hand.

Nothing is deleted because somebody rejected it. A `message` could not be taken at all; its payload is kept, once
however often the terminal sends it again. A `record` stands in its chain by its bytes, and nobody could read it yet:
the chain goes on, and after an upgrade of the platform a replay reads it. Messages are bounded for each terminal:
beyond that an alarm says that more was refused, and the terminal still holds what it was not acknowledged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from tools.platform.store import Transaction, metadata

MAX_MESSAGES = 64
"""Of each terminal; a payload has 1 MiB at most."""
MAX_UNPROVEN = 256
"""Of a dead box's disk, beside them: one for each gap in what can be read."""
FULL = "dead-letters-full"
UNPROVEN = "unproven-records"
"""Of a dead box's disk: whole by itself, and replayed once a person vouches for it."""
_ID_CHARS = 32


class Kind(StrEnum):
    """What the letter is."""

    MESSAGE = "message"
    RECORD = "record"


dead_letter_table = sa.Table(
    "dead_letter",
    metadata,
    sa.Column("id", sa.String(_ID_CHARS), primary_key=True, comment="of terminal, kind and payload"),
    sa.Column("terminal", sa.String(32), nullable=False, index=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("topic", sa.String(80), nullable=False, comment="of a message; of a record, empty"),
    sa.Column("record_id", sa.LargeBinary, comment="of a record that is committed and could not be read"),
    sa.Column("reason", sa.String(40), nullable=False),
    sa.Column("detail", sa.String(200), nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("times", sa.BigInteger, nullable=False),
    sa.Column("first_ms", sa.BigInteger, nullable=False),
    sa.Column("last_ms", sa.BigInteger, nullable=False),
)


def keep_message(
    transaction: Transaction, terminal: str, topic: str, payload: bytes, reason: str, detail: str, now_ms: int
) -> bool:
    """Keep a message that could not be taken; whether there was room."""
    letter_id = _id(terminal, Kind.MESSAGE, payload)
    columns = dead_letter_table.c
    again = sa.update(dead_letter_table).where(columns.id == letter_id)
    if transaction.connection.execute(again.values(times=columns.times + 1, last_ms=now_ms, detail=detail)).rowcount:
        return True
    is_unproven = reason == UNPROVEN
    alike = columns.reason == UNPROVEN if is_unproven else columns.reason != UNPROVEN
    query = sa.select(sa.func.count()).where(columns.terminal == terminal, columns.kind == Kind.MESSAGE.value, alike)
    if transaction.connection.execute(query).scalar_one() >= (MAX_UNPROVEN if is_unproven else MAX_MESSAGES):
        return False
    _insert(transaction, letter_id, terminal, Kind.MESSAGE, topic, None, reason, detail, payload, now_ms)
    return True


def keep_record(
    transaction: Transaction, terminal: str, record_id: bytes, body: bytes, detail: str, now_ms: int
) -> None:
    """Note that a committed record could not be read."""
    letter_id = _id(terminal, Kind.RECORD, body)
    _insert(transaction, letter_id, terminal, Kind.RECORD, "", record_id, "unread", detail, body, now_ms)


def letters(transaction: Transaction, terminal: str | None = None) -> Sequence[sa.Row[Any]]:
    """All of them, or one terminal's, the oldest first."""
    query = sa.select(dead_letter_table).order_by(dead_letter_table.c.first_ms, dead_letter_table.c.id)
    if terminal is not None:
        query = query.where(dead_letter_table.c.terminal == terminal)
    return transaction.connection.execute(query).all()


def letter(transaction: Transaction, prefix: str) -> sa.Row[Any] | None:
    """The one whose id begins like this; ``None`` if there is none, or more than one."""
    query = sa.select(dead_letter_table).where(dead_letter_table.c.id.startswith(prefix, autoescape=True)).limit(2)
    found = transaction.connection.execute(query).all()
    return found[0] if len(found) == 1 else None


def delivered(transaction: Transaction, letter_id: str) -> None:
    """A replay took it: it stands where it belongs now."""
    transaction.connection.execute(sa.delete(dead_letter_table).where(dead_letter_table.c.id == letter_id))


def _id(terminal: str, kind: Kind, payload: bytes) -> str:
    return hashlib.sha256(b"\0".join((terminal.encode(), kind.value.encode(), payload))).hexdigest()[:_ID_CHARS]


def _insert(
    transaction: Transaction,
    letter_id: str,
    terminal: str,
    kind: Kind,
    topic: str,
    record_id: bytes | None,
    reason: str,
    detail: str,
    payload: bytes,
    now_ms: int,
) -> None:
    row = {
        "id": letter_id,
        "terminal": terminal,
        "kind": kind.value,
        "topic": topic,
        "record_id": record_id,
        "reason": reason,
        "detail": detail,
        "payload": payload,
        "times": 1,
        "first_ms": now_ms,
        "last_ms": now_ms,
    }
    transaction.connection.execute(sa.insert(dead_letter_table), row)
