"""What people owe: payments that were put on credit, until they are settled, the oldest first.

Nothing is kept of a debt but what the intents and the ledger say: what somebody owes is the credit account below zero,
and what came in covers the oldest payments. So no list of debts can differ from the money. By when one is due stands in
the payment's record, which the terminal's chain and its signed checkpoints prove.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
class Uncovered:
    """One payment of which an account below zero has not covered everything."""

    intent: Intent
    owed_fen: int
    """What of it that account paid and did not get back."""
    left_fen: int
    """What of that is not covered."""


@dataclass(frozen=True, slots=True)
class Debt(Uncovered):
    """A payment that was put on credit, and is not settled."""

    due: str
    """``YYYYMMDD``; empty where its record does not say."""


def uncovered(transaction: Transaction, payments: Iterable[Intent], kind: str, missing_fen: int) -> Iterator[Uncovered]:
    """Which of a person's payments make up what the account of a kind is below zero, the latest first.

    What comes in covers the oldest, by their business date, and of what went back nothing is owed.
    """
    for intent in sorted(payments, key=_age, reverse=True):
        share = Funds(transaction.connection, intent.terminal).read(intent.intent_id, intent.amount_fen).get(kind)
        left_fen = 0 if share is None else min(missing_fen, share.left_fen)
        if share is not None and left_fen > 0:
            yield Uncovered(intent, share.left_fen, left_fen)
            missing_fen -= left_fen


def debts(transaction: Transaction, person: Owner) -> list[Debt]:
    """What a person has not settled, the oldest first."""
    account = lock_accounts(transaction, [account_of(person, CREDIT)]).get(account_of(person, CREDIT))
    missing_fen = 0 if account is None else max(0, -int(account.balance_fen))
    found = uncovered(transaction, _on_credit(transaction, person), CREDIT, missing_fen)
    listed = [Debt(each.intent, each.owed_fen, each.left_fen, _due(transaction, each.intent)) for each in found]
    return listed[::-1]


def _age(intent: Intent) -> tuple[str, bytes, str]:
    """An intent's id begins with its moment (UUIDv7)."""
    return intent.business_date, intent.intent_id, intent.terminal


def _on_credit(transaction: Transaction, person: Owner) -> list[Intent]:
    columns, shares = intent_table.c, fund_table.c
    query = (
        sa.select(intent_table)
        .join(fund_table, sa.and_(columns.terminal == shares.terminal, columns.intent_id == shares.intent_id))
        .where(columns.namespace == person[0], columns.subject == person[1])
        .where(columns.state == State.CAPTURED.value, shares.fund == CREDIT)
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
