"""What people owe: payments that were put on credit, until they are settled, the oldest first.

Nothing is kept of a debt but what the intents and the ledger say: what somebody owes is the credit account below zero,
and what came in covers the oldest payments. So no list of debts can differ from the money. By when one is due stands in
the payment's record, which the terminal's chain and its signed checkpoints prove.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from offline_store.errors import RecordInvalid
from offline_store.record import Record
from tools.platform.accounts import CREDIT, account_of
from tools.platform.evidence import inner
from tools.platform.funds import Funds, fund_table
from tools.platform.intents import Intent, State, intent_of, intent_table
from tools.platform.ledger import Owner, lock_accounts
from tools.platform.store import Transaction, record_table


@dataclass(frozen=True, slots=True)
class Debt:
    """One payment of which something is owed still."""

    intent: Intent
    owed_fen: int
    """What of it was put on credit and has not gone back."""
    left_fen: int
    """What of that is not settled."""
    due: str
    """``YYYYMMDD``; empty where its record does not say."""


def debts(transaction: Transaction, person: Owner) -> list[Debt]:
    """What a person has not settled, the oldest first."""
    account = lock_accounts(transaction, [account_of(person, CREDIT)]).get(account_of(person, CREDIT))
    left_fen = 0 if account is None else max(0, -int(account.balance_fen))
    found: list[Debt] = []
    for intent in reversed(_on_credit(transaction, person)):  # what came in covers the oldest: the latest are left
        share = Funds(transaction.connection, intent.terminal).read(intent.intent_id, intent.amount_fen)[CREDIT]
        mine_fen = min(left_fen, share.left_fen)
        if mine_fen > 0:
            found.append(Debt(intent, share.left_fen, mine_fen, _due(transaction, intent)))
            left_fen -= mine_fen
    return found[::-1]


def _on_credit(transaction: Transaction, person: Owner) -> list[Intent]:
    columns, shares = intent_table.c, fund_table.c
    query = (
        sa.select(intent_table)
        .join(fund_table, sa.and_(columns.terminal == shares.terminal, columns.intent_id == shares.intent_id))
        .where(columns.namespace == person[0], columns.subject == person[1])
        .where(columns.state == State.CAPTURED.value, shares.fund == CREDIT)
        .order_by(columns.business_date, columns.intent_id)
    )
    return [intent_of(row) for row in transaction.connection.execute(query)]


def _due(transaction: Transaction, intent: Intent) -> str:
    query = sa.select(record_table.c.body).where(record_table.c.id == intent.record_id)
    body = transaction.connection.execute(query).scalar_one_or_none()
    try:
        due = "" if body is None else inner(Record.from_bytes(body)).entry.public.get("due", "")
    except RecordInvalid:
        return ""
    return due if isinstance(due, str) else ""
