"""Arrears: what was sold offline and the account did not cover, until money comes in that does.

Money that is paid in covers the oldest debt first: of the payments in arrears, the latest ones that make up what the
account is still below zero stay so, and those before them are recovered.
"""

from __future__ import annotations

from operator import attrgetter

import sqlalchemy as sa

from profiles.rules.funds import ACCOUNT
from tools.platform import row_locks
from tools.platform.accounts import account_of
from tools.platform.funds import Funds
from tools.platform.intents import State, intent_row, intent_table
from tools.platform.ledger import Owner, enter, lock_accounts
from tools.platform.store import Transaction

ARREARS, RECOVERED = "arrears", "recovered"


def pay_in(transaction: Transaction, owner: Owner, amount_fen: int, now_ms: int, kind: str = ACCOUNT) -> int:
    """Enter money, and mark what it covers; the balance of that account of the person's after it.

    The account is locked before the intents, as ever.
    """
    columns = intent_table.c
    query = sa.select(intent_table).where(
        columns.namespace == owner[0], columns.subject == owner[1], columns.state == State.CAPTURED.value
    )
    owed = query.where(columns.flags.contains(ARREARS))
    lock_accounts(transaction, [account_of(owner, kind)])
    found = transaction.connection.execute(owed).all()
    row_locks.lock(transaction.connection, {intent_row(row.terminal, row.intent_id) for row in found})
    rows = transaction.connection.execute(owed).all()
    balance_fen = enter(transaction, account_of(owner, kind), amount_fen, now_ms)
    missing_fen = max(0, -balance_fen)
    for row in sorted(rows, key=attrgetter("changed_ms"), reverse=True):
        flags = row.flags.split(",")
        share = Funds(transaction.connection, row.terminal).read(row.intent_id, row.amount_fen).get(kind)
        if RECOVERED in flags or share is None:
            continue
        if missing_fen > 0:
            missing_fen -= share.amount_fen
            continue
        same = sa.and_(columns.terminal == row.terminal, columns.intent_id == row.intent_id)
        changed = {"flags": ",".join((*flags, RECOVERED))}
        transaction.connection.execute(sa.update(intent_table).where(same).values(changed))
    return balance_fen
