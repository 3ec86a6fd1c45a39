"""Arrears: what was sold offline and an account did not cover, until money comes in that does.

A payment is in arrears as long as anything of it is not covered (:func:`tools.platform.debts.uncovered`), whichever of
the person's accounts paid it. What is on credit is owed and no arrears: the debts list it.
"""

from __future__ import annotations

import sqlalchemy as sa

from profiles.rules.funds import ACCOUNT, AccountKind
from tools.platform import row_locks
from tools.platform.accounts import CREDIT, account_of
from tools.platform.debts import uncovered
from tools.platform.intents import State, intent_of, intent_row, intent_table
from tools.platform.ledger import Owner, enter, lock_accounts
from tools.platform.store import Transaction

ARREARS, RECOVERED = "arrears", "recovered"
_KINDS = tuple(kind.value for kind in AccountKind if kind.value != CREDIT)


def pay_in(transaction: Transaction, owner: Owner, amount_fen: int, now_ms: int, kind: str = ACCOUNT) -> int:
    """Enter money, and mark what it covers; the balance of that account of the person's after it.

    The accounts are locked before the intents, as ever.
    """
    columns = intent_table.c
    query = sa.select(intent_table).where(
        columns.namespace == owner[0], columns.subject == owner[1], columns.state == State.CAPTURED.value
    )
    owed = query.where(columns.flags.contains(ARREARS))
    accounts = lock_accounts(transaction, {account_of(owner, each) for each in (kind, *_KINDS)})
    found = transaction.connection.execute(owed).all()
    row_locks.lock(transaction.connection, {intent_row(row.terminal, row.intent_id) for row in found})
    balance_fen = enter(transaction, account_of(owner, kind), amount_fen, now_ms)
    balances = {person: int(row.balance_fen) for person, row in accounts.items()}
    balances[account_of(owner, kind)] = balance_fen
    flagged = [intent_of(row) for row in transaction.connection.execute(owed)]
    waiting = [intent for intent in flagged if RECOVERED not in intent.flags.split(",")]
    short = {each: max(0, -balances.get(account_of(owner, each), 0)) for each in _KINDS}
    still = {debt.intent for each, fen in short.items() for debt in uncovered(transaction, waiting, each, fen)}
    for intent in waiting:
        if intent not in still:
            same = sa.and_(columns.terminal == intent.terminal, columns.intent_id == intent.intent_id)
            changed = sa.update(intent_table).where(same)
            transaction.connection.execute(changed.values(flags=intent.flagged(RECOVERED)))
    return balance_fen
