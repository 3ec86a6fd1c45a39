"""A person's accounts by kind, and who divides what among them.

A person has a plain account, and any of the kinds of :mod:`profiles.rules.funds` beside it. Each is an account of the
ledger: the plain one under the person's namespace, another under the namespace, a slash and the kind. What is owed is
the credit account below zero, down to a ceiling that somebody granted. No terminal reaches such an account, or a
fund's, by naming it as a person (:func:`is_person`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from profiles.rules.accounts import Offer, spread
from profiles.rules.funds import ACCOUNT, AccountKind, is_own
from tools.platform.ledger import Owner, lock_accounts
from tools.platform.store import Transaction, metadata

CREDIT = AccountKind.CREDIT.value
DEBT = "debt"
"""What a question about a balance names to hear what is owed."""
FUND = "fund-"
_KIND = "/"

ceiling_table = sa.Table(
    "credit_ceiling",
    metadata,
    sa.Column("namespace", sa.String(64), primary_key=True),
    sa.Column("subject", sa.LargeBinary, primary_key=True),
    sa.Column("ceiling_fen", sa.BigInteger, nullable=False),
)


def account_of(person: Owner, kind: str) -> Owner:
    """A person's account of one kind, in the ledger."""
    return person if kind == ACCOUNT else (f"{person[0]}{_KIND}{kind}", person[1])


def person_of(owner: Owner) -> tuple[Owner, str]:
    """Whose account of the ledger it is, and of which kind."""
    namespace, slash, kind = owner[0].rpartition(_KIND)
    return ((namespace, owner[1]), kind) if slash and is_own(kind) else (owner, ACCOUNT)


def is_person(owner: Owner) -> bool:
    """Whether a terminal may name it as a person: no account by kind, and no fund's."""
    return _KIND not in owner[0] and not owner[0].startswith(FUND)


def grant_credit(transaction: Transaction, person: Owner, ceiling_fen: int) -> None:
    """Let a person owe so much from now on; 0 ends it, and what is owed stays owed."""
    row = {"namespace": person[0], "subject": person[1], "ceiling_fen": ceiling_fen}
    transaction.connection.execute(sa.delete(ceiling_table).where(_is(person)))
    transaction.connection.execute(sa.insert(ceiling_table).values(row))


def ceiling_fen(transaction: Transaction, person: Owner) -> int:
    """How much a person may owe."""
    found = transaction.connection.execute(sa.select(ceiling_table.c.ceiling_fen).where(_is(person)))
    return int(found.scalar_one_or_none() or 0)


@dataclass(frozen=True, slots=True)
class Purse:
    """What is in a person's accounts now, their rows locked."""

    transaction: Transaction
    person: Owner
    held_fen: Callable[[str], int]
    """What live holds take of the account of a kind."""

    def divide(self, amount_fen: int, offers: Iterable[Offer]) -> tuple[dict[str, int], int] | str:
        """Who pays what, and what remains in these accounts without credit; or the contract's code why nobody can.

        Nothing is paid by nobody, of accounts that are there all the same.
        """
        wanted = list(offers)
        accounts = lock_accounts(self.transaction, {account_of(self.person, kind) for kind, _ in wanted})
        open_kinds = [kind for kind, _ in wanted if account_of(self.person, kind) in accounts]
        if not open_kinds:
            return "account-unknown"
        blocked = {kind for kind in open_kinds if accounts[account_of(self.person, kind)].blocked}
        if len(blocked) == len(open_kinds):
            return "account-blocked"
        room = {
            kind: self._room_fen(kind, int(accounts[account_of(self.person, kind)].balance_fen))
            for kind in open_kinds
            if kind not in blocked
        }
        most = [Offer(kind, min(most_fen, room[kind])) for kind, most_fen in wanted if kind in room]
        shares = spread(amount_fen, most) if amount_fen else {}
        if shares is None:
            return "insufficient-funds"
        left_fen = sum(fen - shares.get(kind, 0) for kind, fen in room.items() if kind != CREDIT)
        return shares, left_fen

    def balance(self, kind: str) -> int | str:
        """What may be spent of one account, or what is owed; or the contract's code why nobody can say."""
        owner = account_of(self.person, CREDIT if kind == DEBT else kind)
        account = lock_accounts(self.transaction, [owner]).get(owner)
        if account is None:
            return 0 if kind == DEBT else "account-unknown"
        if kind == DEBT:
            return max(0, -int(account.balance_fen))
        return "account-blocked" if account.blocked else self._room_fen(kind, int(account.balance_fen))

    def _room_fen(self, kind: str, balance_fen: int) -> int:
        credit_fen = ceiling_fen(self.transaction, self.person) if kind == CREDIT else 0
        return max(0, balance_fen + credit_fen - self.held_fen(kind))


def _is(person: Owner) -> sa.ColumnElement[bool]:
    return sa.and_(ceiling_table.c.namespace == person[0], ceiling_table.c.subject == person[1])
