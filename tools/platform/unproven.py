"""How much of one person's money moves by what nothing proves: a card that was merely read, a printed code.

A terminal that was stolen has seen such cards, and can write any number of payments in their names. So much of one
person's is captured, whichever terminals say so; what goes beyond is contested until a person decides. The business
date is the terminal's word, hence the second bound: a till that was without a network for weeks brings them all at
once, and so does one that invents them.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from tools.platform.evidence import evidence_table
from tools.platform.intents import State, intent_table
from tools.platform.ledger import NOBODY, Owner
from tools.platform.store import Transaction

UNPROVEN = "unproven"
BEYOND_BOUND = "unproven-bound"
DECIDED = "decided"
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Bound:
    """So many payments, of so much in all."""

    payments: int
    sum_fen: int


OF_ONE_DATE = Bound(payments=20, sum_fen=100_000)
"""Of one business date."""
OF_ANY_DATES = Bound(payments=200, sum_fen=500_000)
"""That reach the platform within 24 hours, of whatever dates."""


def is_beyond(transaction: Transaction, owner: Owner, business_date: str, amount_fen: int, now_ms: int) -> bool:
    """Whether a payment that nothing proves is one too many of its person's. What names nobody has no such bound."""
    if owner == NOBODY:
        return False
    columns = intent_table.c
    windows = (
        (OF_ONE_DATE, columns.business_date == business_date),
        (OF_ANY_DATES, _came_after(now_ms - _DAY_MS)),
    )
    return any(_exceeds(transaction, owner, bound, within, amount_fen) for bound, within in windows)


def _came_after(at_ms: int) -> sa.ColumnElement[bool]:
    """When a payment reached the platform its evidence tells; the payment itself, when it last changed."""
    columns = evidence_table.c
    return sa.exists().where(columns.id == intent_table.c.record_id, columns.judged_ms > at_ms)


def _exceeds(
    transaction: Transaction, owner: Owner, bound: Bound, within: sa.ColumnElement[bool], amount_fen: int
) -> bool:
    columns = intent_table.c
    captured = sa.and_(
        columns.namespace == owner[0], columns.subject == owner[1], columns.state == State.CAPTURED.value
    )
    counts = sa.and_(columns.flags.contains(UNPROVEN), sa.not_(columns.flags.contains(DECIDED)))
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(columns.amount_fen), 0))
    count, sum_fen = transaction.connection.execute(query.where(captured, counts, within)).one()
    return int(count) >= bound.payments or int(sum_fen) + amount_fen > bound.sum_fen
