"""What one terminal gives back of a sale that another one made.

Asked, the platform finds the sale by the number on its receipt, and claims what is to go back, fund by fund: no other
claim holds that meanwhile, though the terminal that sold it may still give it back itself, and then this one's record
moves nothing and alarms. A question of which the journal has told the end already, however late the broker delivers
it, claims nothing. Money moves with the record alone, as ever: a `refund` under the claim's id gives it
back, a `release` gives the claim up. A claim of which the journal tells nothing stays, since its record may still lie
on a terminal without a network. Of one that will never report again the operator frees it (:func:`free`): what it may
have given back then moves nothing, and alarms if it comes after all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from agent.sync.contract.questions import ClaimReturn
from offline_store.record import Entry
from profiles.api import Kind
from profiles.return_numbers import FIRST_RETURN_NUMBER, NUMBER_BYTES, RETURN_NUMBERS
from profiles.rules.funds import ACCOUNT
from profiles.rules.subsidy import share_back
from tools.platform import row_locks
from tools.platform.intents import State, intent_table, intent_tail
from tools.platform.row_locks import Need
from tools.platform.store import Transaction, metadata

FREED_BY_HAND = "return-freed"
MAX_OPEN = 64
"""Claims of one terminal of which its journal has told no end: they keep everybody else from giving back."""
KEPT_DAYS = 60
"""So long after its business date a sale is found by its number; older ones at the desk."""

return_table = sa.Table(
    "sale_return",
    metadata,
    sa.Column("terminal", sa.String(32), primary_key=True),
    sa.Column("return_id", sa.LargeBinary, primary_key=True),
    sa.Column("of_terminal", sa.String(32), nullable=False),
    sa.Column("of_intent", sa.LargeBinary, nullable=False),
    sa.Column("funds", sa.String(1024), nullable=False, comment="to whom how much goes back, as JSON"),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("changed_ms", sa.BigInteger, nullable=False),
    sa.Index("return_by_sale", "of_terminal", "of_intent", "state"),
    sa.Index("return_by_terminal", "terminal", "state"),
)


class Claimed(StrEnum):
    """What became of a claim so far."""

    OPEN = "open"
    DONE = "done"
    GIVEN_UP = "given-up"
    FREED = "freed"
    """By the operator."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One row."""

    terminal: str
    return_id: bytes
    of_terminal: str
    of_intent: bytes
    funds: Mapping[str, int]
    state: Claimed
    changed_ms: int


class Returns:
    """The claims of one terminal within one transaction."""

    def __init__(self, transaction: Transaction, terminal: str, now_ms: int) -> None:
        self._connection = transaction.connection
        self._terminal = terminal
        self._now_ms = now_ms

    def find(self, question: ClaimReturn) -> tuple[str, bytes] | None:
        """Terminal and intent of the sale with this number; ``None`` where there is none, or where there are two."""
        columns = intent_table.c
        today = datetime.fromtimestamp(self._now_ms / 1000, UTC)
        rest = question.number - FIRST_RETURN_NUMBER
        tails = [tail.to_bytes(NUMBER_BYTES, "big") for tail in range(rest, 1 << 8 * NUMBER_BYTES, RETURN_NUMBERS)]
        query = sa.select(columns.terminal, columns.intent_id).where(
            columns.merchant == question.merchant,
            columns.state == State.CAPTURED,
            columns.business_date >= f"{today - timedelta(days=KEPT_DAYS):%Y%m%d}",
            intent_tail.in_(tails),
        )
        rows = self._connection.execute(query.limit(2)).all()
        return (rows[0].terminal, rows[0].intent_id) if len(rows) == 1 else None

    def claim(self, question: ClaimReturn, sale: tuple[str, bytes], left: Mapping[str, int]) -> dict[str, int] | str:
        """Claim what is to go back, of what is left and nobody claims; or the contract's code that says why not."""
        if self.get(question.return_id) is not None:
            return "intent-differs"
        free = dict(left)
        for claim in self._of(sale):
            free = {fund: fen - claim.funds.get(fund, 0) for fund, fen in free.items()}
        free = {fund: fen for fund, fen in free.items() if fen > 0}
        if not free:
            return "sale-returned"
        amount_fen = question.amount_fen or sum(free.values())
        if amount_fen > sum(free.values()):
            return "refund-too-much"
        funds = share_back(free, amount_fen)
        row = {
            "terminal": self._terminal,
            "return_id": question.return_id,
            "of_terminal": sale[0],
            "of_intent": sale[1],
            "funds": json.dumps(funds),
            "state": Claimed.OPEN,
            "changed_ms": self._now_ms,
        }
        self._connection.execute(sa.insert(return_table).values(row))
        return funds

    def may_claim(self) -> bool:
        """Whether this terminal may claim once more before its journal tells what became of others."""
        columns = return_table.c
        mine = sa.and_(columns.terminal == self._terminal, columns.state == Claimed.OPEN)
        count = sa.select(sa.func.count()).select_from(return_table).where(mine)
        return int(self._connection.execute(count).scalar_one()) < MAX_OPEN

    def get(self, return_id: bytes) -> Claim | None:
        """A claim of this terminal."""
        return self.known([return_id]).get(return_id)

    def known(self, return_ids: Iterable[bytes]) -> dict[bytes, Claim]:
        """Those of this terminal's claims that have one of these ids."""
        columns = return_table.c
        mine = sa.and_(columns.terminal == self._terminal, columns.return_id.in_(set(return_ids)))
        rows = self._connection.execute(sa.select(return_table).where(mine)).all()
        return {row.return_id: _claim(row) for row in rows}

    def end(self, claim: Claim, state: Claimed) -> None:
        """The journal told what became of it."""
        columns = return_table.c
        same = sa.and_(columns.terminal == self._terminal, columns.return_id == claim.return_id)
        changed = {"state": state, "changed_ms": self._now_ms}
        self._connection.execute(sa.update(return_table).where(same).values(changed))

    def _of(self, sale: tuple[str, bytes]) -> list[Claim]:
        """The open claims on a sale, of all terminals."""
        columns = return_table.c
        same = sa.and_(columns.of_terminal == sale[0], columns.of_intent == sale[1], columns.state == Claimed.OPEN)
        return [_claim(row) for row in self._connection.execute(sa.select(return_table).where(same))]


def claim_row(terminal: str, return_id: bytes) -> Need:
    """Its row, to be locked."""
    return return_table, (terminal, return_id)


def open_claims(transaction: Transaction) -> list[Claim]:
    """Those of which no journal has told the end, the oldest first."""
    columns = return_table.c
    query = sa.select(return_table).where(columns.state == Claimed.OPEN).order_by(columns.changed_ms, columns.return_id)
    return [_claim(row) for row in transaction.connection.execute(query)]


def free(transaction: Transaction, claim: Claim, now_ms: int) -> bool:
    """Let others give back what this claim holds, and say so; ``False`` if its end has been told meanwhile."""
    row_locks.lock(transaction.connection, {claim_row(claim.terminal, claim.return_id)})
    returns = Returns(transaction, claim.terminal, now_ms)
    known = returns.get(claim.return_id)
    if known is None or known.state is not Claimed.OPEN:
        return False
    returns.end(known, Claimed.FREED)
    detail = f"return {claim.return_id.hex()[-8:]} of {sum(claim.funds.values())} fen, sold by {claim.of_terminal}"
    transaction.alarm(claim.terminal, "platform", FREED_BY_HAND, now_ms, detail)
    return True


def becomes(claim: Claim, entry: Entry) -> tuple[Claimed, str | None]:
    """What a record makes of a claim, before any money is looked at, and what is wrong with it."""
    if entry.kind not in (Kind.REFUND, Kind.RELEASE):
        return claim.state, "refund-differs"  # nothing is sold under a claim's id
    if claim.state is not Claimed.OPEN:
        is_again = claim.state is Claimed.DONE and back_of(entry) == dict(claim.funds)
        return claim.state, None if is_again or entry.kind == Kind.RELEASE else "refund-differs"
    if entry.kind == Kind.RELEASE:
        return Claimed.GIVEN_UP, None
    return (Claimed.DONE, None) if back_of(entry) == dict(claim.funds) else (Claimed.OPEN, "refund-differs")


def back_of(entry: Entry) -> dict[str, int]:
    """To whom how much a record gives back."""
    money = entry.money
    if money is None:
        return {}
    return {fund: -fen for fund, fen in money.funds.items()} or {ACCOUNT: -money.amount_fen}


def _claim(row: sa.Row[Any]) -> Claim:
    return Claim(**{**row._mapping, "funds": json.loads(row.funds), "state": Claimed(row.state)})
