"""Who pays what of an intent: its holder's accounts, and funds beside them, such as an employer's subsidy of meals.

A fund is an account as a person's is, one for each merchant and name: what it paid is what whoever stands behind it
owes the merchant. Rows stand only for intents that somebody else pays a part of, or of which a part went back; of all
others the holder's account pays everything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from profiles.rules.funds import ACCOUNT, is_own
from tools.platform.accounts import FUND, account_of
from tools.platform.ledger import Owner
from tools.platform.store import metadata

MAX_FUNDS = 8

fund_table = sa.Table(
    "intent_fund",
    metadata,
    sa.Column("terminal", sa.String(32), primary_key=True),
    sa.Column("intent_id", sa.LargeBinary, primary_key=True),
    sa.Column("fund", sa.String(64), primary_key=True),
    sa.Column("amount_fen", sa.BigInteger, nullable=False),
    sa.Column("returned_fen", sa.BigInteger, nullable=False, comment="what of it went back"),
)


@dataclass(frozen=True, slots=True)
class Share:
    """What one fund pays of one intent, and what of that it has back."""

    amount_fen: int
    returned_fen: int = 0

    @property
    def left_fen(self) -> int:
        """What may still go back."""
        return self.amount_fen - self.returned_fen


def fund_owner(fund: str, payer: Owner, merchant: str) -> Owner:
    """Whose ledger account a fund is: the payer's of that kind, or that of whoever stands behind it."""
    if is_own(fund):
        return account_of(payer, fund)
    return f"{FUND}{fund}", hashlib.sha256(merchant.encode()).digest()[:16]


def shares_of(amount_fen: int, funds: Mapping[str, int]) -> dict[str, int]:
    """A split as a record or a question has it; the account pays everything where it has none, or one that is none."""
    if not funds or len(funds) > MAX_FUNDS or min(funds.values()) <= 0 or sum(funds.values()) != amount_fen:
        return {ACCOUNT: amount_fen}
    return dict(funds)


def is_split(shares: Mapping[str, int]) -> bool:
    """Whether anybody but the holder's account pays."""
    return list(shares) != [ACCOUNT]


class Funds:
    """The splits of one terminal's intents."""

    def __init__(self, connection: sa.Connection, terminal: str) -> None:
        self._connection = connection
        self._terminal = terminal

    def write(self, intent_id: bytes, shares: Mapping[str, int]) -> None:
        """Keep a split, in place of an earlier one."""
        self._replace(intent_id, {fund: Share(fen) for fund, fen in shares.items()} if is_split(shares) else {})

    def read(self, intent_id: bytes, amount_fen: int) -> dict[str, Share]:
        """The split of an intent."""
        rows = self._connection.execute(sa.select(fund_table).where(self._is(intent_id)).order_by(fund_table.c.fund))
        return {row.fund: Share(row.amount_fen, row.returned_fen) for row in rows} or {ACCOUNT: Share(amount_fen)}

    def give_back(self, intent_id: bytes, amount_fen: int, back: Mapping[str, int]) -> bool:
        """Take note of what goes back; ``False``, and nothing is noted, where a fund has not so much left."""
        shares = self.read(intent_id, amount_fen)
        if not back or any(fund not in shares or not 0 < fen <= shares[fund].left_fen for fund, fen in back.items()):
            return False
        changed = {
            fund: Share(share.amount_fen, share.returned_fen + back.get(fund, 0)) for fund, share in shares.items()
        }
        self._replace(intent_id, changed)
        return True

    def _replace(self, intent_id: bytes, shares: Mapping[str, Share]) -> None:
        self._connection.execute(sa.delete(fund_table).where(self._is(intent_id)))
        rows = [
            {
                "terminal": self._terminal,
                "intent_id": intent_id,
                "fund": fund,
                "amount_fen": share.amount_fen,
                "returned_fen": share.returned_fen,
            }
            for fund, share in shares.items()
        ]
        if rows:
            self._connection.execute(sa.insert(fund_table), rows)

    def _is(self, intent_id: bytes) -> sa.ColumnElement[bool]:
        columns = fund_table.c
        return sa.and_(columns.terminal == self._terminal, columns.intent_id == intent_id)
