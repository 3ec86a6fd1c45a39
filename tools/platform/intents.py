"""The intents: one row for each payment that a terminal has named, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from profiles.return_numbers import NUMBER_BYTES
from tools.platform.ledger import Owner
from tools.platform.row_locks import Need
from tools.platform.store import Transaction, metadata

MAX_FLAGS_CHARS = 120
intent_table = sa.Table(
    "intent",
    metadata,
    sa.Column("terminal", sa.String(32), primary_key=True),
    sa.Column("intent_id", sa.LargeBinary, primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("amount_fen", sa.BigInteger, nullable=False),
    sa.Column("merchant", sa.String(64), nullable=False),
    sa.Column("business_date", sa.String(8), nullable=False),
    sa.Column("namespace", sa.String(64), nullable=False),
    sa.Column("subject", sa.LargeBinary, nullable=False),
    sa.Column("until_ms", sa.BigInteger, nullable=False, comment="the end of its hold; 0 if it never had one"),
    sa.Column("remaining_fen", sa.BigInteger, nullable=False, comment="what the authorisation said remains"),
    sa.Column("code", sa.String(40), nullable=False, comment="why it was declined"),
    sa.Column("flags", sa.String(MAX_FLAGS_CHARS), nullable=False, comment="what the operator should know, by commas"),
    sa.Column("record_id", sa.LargeBinary, comment="of the payment"),
    sa.Column("changed_ms", sa.BigInteger, nullable=False),
    sa.Index("intent_by_owner", "namespace", "subject", "state"),
)
intent_tail = sa.func.substr(
    intent_table.c.intent_id, sa.literal_column(str(17 - NUMBER_BYTES)), sa.literal_column(str(NUMBER_BYTES))
)
"""What a receipt's number is made of. Written out, not bound: an index on an expression serves just that expression."""
sa.Index("intent_by_number", intent_table.c.merchant, intent_tail)


class State(StrEnum):
    """What became of an intent so far."""

    ASKED = "asked"
    HELD = "held"
    DECLINED = "declined"
    EXPIRED = "expired"
    CAPTURED = "captured"
    CONTESTED = "contested"
    RELEASED = "released"
    REVERSED = "reversed"


SPLIT, REFUNDED, SETTLES = "split", "refunded", "settles"
"""Flags that say something of who pays."""
_COUNTS = frozenset({SPLIT, REFUNDED, SETTLES, "decided", "unproven"})
"""By which money is counted: they stay, whatever else is said of an intent."""
OPEN = frozenset({State.ASKED, State.HELD})
"""Of which the journal has not told the end."""


@dataclass(frozen=True, slots=True)
class Intent:
    """One row of the intents."""

    terminal: str
    intent_id: bytes
    state: State
    amount_fen: int
    merchant: str
    business_date: str
    namespace: str
    subject: bytes
    until_ms: int = 0
    remaining_fen: int = 0
    code: str = ""
    flags: str = ""
    record_id: bytes | None = None
    changed_ms: int = 0

    @property
    def owner(self) -> Owner:
        """Whose account it is about."""
        return self.namespace, self.subject

    def holds(self, now_ms: int) -> bool:
        """Whether its hold is alive."""
        return self.state is State.HELD and self.until_ms > now_ms

    def flagged(self, *flags: str) -> str:
        """Its flags and these, each once, as far as the column holds them: no terminal's doings wedge its chain."""
        each = list(dict.fromkeys((*filter(None, self.flags.split(",")), *flags)))
        if len(",".join(each)) <= MAX_FLAGS_CHARS:
            return ",".join(each)
        return ",".join(sorted(each, key=lambda flag: flag not in _COUNTS))[:MAX_FLAGS_CHARS].rpartition(",")[0]

    @property
    def settles(self) -> bool:
        """Whether it pays off what the holder owes."""
        return SETTLES in self.flags.split(",")

    @property
    def has_shares(self) -> bool:
        """Whether there are rows of who pays what of it."""
        return not {SPLIT, REFUNDED}.isdisjoint(self.flags.split(","))


def intent_row(terminal: str, intent_id: bytes) -> Need:
    """Its row, to be locked."""
    return intent_table, (terminal, intent_id)


def intents(transaction: Transaction, now_ms: int, *, only_open: bool = False) -> list[Intent]:
    """The intents, the latest change first; a hold that is over shows as expired."""
    query = sa.select(intent_table).order_by(intent_table.c.changed_ms.desc(), intent_table.c.intent_id)
    found = [intent_of(row) for row in transaction.connection.execute(query)]
    shown = [
        replace(intent, state=State.EXPIRED) if intent.state is State.HELD and not intent.holds(now_ms) else intent
        for intent in found
    ]
    return [intent for intent in shown if not only_open or intent.state in OPEN]


def intent_of(row: sa.Row[Any]) -> Intent:
    """As a row has it."""
    return Intent(**{**row._mapping, "state": State(row.state)})
