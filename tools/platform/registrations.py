"""What a terminal may ask for: its merchants, funds and further accounts beside a person's own, and how much at once.

The operator says so when a terminal is put up (`onecard platform terminal allow`). A terminal of which nothing was said
may ask for no money and hear no balance, and what its journal says was sold waits for a person: a stolen one cannot
sell in another merchant's name, nor spend what another's fund pays.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from offline_store.record import Money
from profiles.rules.funds import ACCOUNT, is_own
from tools.platform.accounts import CREDIT, DEBT
from tools.platform.store import Transaction, metadata

MAX_NAMES = 64
MAX_HOLDS, MAX_HOLDS_FEN = 64, 2_000_000
"""Of one terminal at once, unless its registration says else: as many as it has questions open, and 20,000 yuan."""
MAX_REGISTRATION_CHARS = 16_384
_FORBIDDEN = ""
"""In place of a registration, so that an enrolment does not give back what an operator took."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Names = Annotated[frozenset[Name], Field(max_length=MAX_NAMES)]

registration_table = sa.Table(
    "permit",  # its first name, which the databases that exist have
    metadata,
    sa.Column("terminal", sa.String(32), primary_key=True),
    sa.Column(
        "body", sa.String(MAX_REGISTRATION_CHARS), nullable=False, comment="a Registration, as JSON; empty: forbidden"
    ),
)


class Registration(BaseModel):
    """What one terminal may ask for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    merchants: Names = frozenset()
    funds: Names = Field(default=frozenset(), description="beside the person's account")
    accounts: Names = Field(default=frozenset(), description="of a person by kind, beside the plain one")
    lines: Names = Field(default=frozenset(), description="on which it may hear where a person came in")
    balances_by_card: bool = Field(
        default=False, description="tell a balance to whoever shows a card or a printed code, which prove nothing"
    )
    subsidies: bool = Field(default=False, description="ask which subsidies somebody who is there was paid")
    holds: int = Field(default=MAX_HOLDS, ge=0, le=100_000, description="alive at once")
    holds_fen: int = Field(default=MAX_HOLDS_FEN, ge=0, le=2**53, description="their sum")

    def objection(self, merchant: str, account: str | None, funds: Collection[str]) -> str | None:
        """What it may not ask for: a code of the contract."""
        if merchant not in self.merchants:
            return "merchant-not-registered"
        own, others = set(filter(is_own, funds)), {fund for fund in funds if not is_own(fund)}
        if not others <= self.funds:
            return "fund-not-registered"
        if not own <= self.accounts | {ACCOUNT}:
            return "account-not-registered"
        return self.account_objection(account)

    def account_objection(self, account: str | None) -> str | None:
        """The same, of an account alone; what is owed is the credit account's."""
        named = {DEBT: CREDIT}.get(account or ACCOUNT, account or ACCOUNT)
        return None if named in self.accounts | {ACCOUNT} else "account-not-registered"

    def joined(self, other: Registration) -> Registration:
        """What either of them lets it ask for; the limits of this one."""
        return self.model_copy(
            update={
                "merchants": self.merchants | other.merchants,
                "funds": self.funds | other.funds,
                "accounts": self.accounts | other.accounts,
                "lines": self.lines | other.lines,
                "balances_by_card": self.balances_by_card or other.balances_by_card,
                "subsidies": self.subsidies or other.subsidies,
            }
        )


def registration(transaction: Transaction, terminal: str) -> Registration | None:
    """What a terminal may ask for; ``None`` if nobody said, or an operator forbade it."""
    query = sa.select(registration_table.c.body).where(registration_table.c.terminal == terminal)
    body = transaction.connection.execute(query).scalar_one_or_none()
    return Registration.model_validate_json(body) if body else None


def may_sell(transaction: Transaction, terminal: str, money: Money) -> bool:
    """Whether a terminal is registered for what a record of its journal says was sold."""
    allowed = registration(transaction, terminal)
    return allowed is not None and allowed.objection(money.merchant, money.account, money.funds) is None


def registrations(transaction: Transaction) -> Mapping[str, Registration]:
    """Of every terminal that is registered."""
    query = (
        sa.select(registration_table)
        .where(registration_table.c.body != _FORBIDDEN)
        .order_by(registration_table.c.terminal)
    )
    rows = transaction.connection.execute(query)
    return {row.terminal: Registration.model_validate_json(row.body) for row in rows}


def allow(transaction: Transaction, terminal: str, registration: Registration) -> None:
    """This is what the terminal may ask for from now on."""
    _say(transaction, terminal, registration.model_dump_json())


def allow_new(transaction: Transaction, terminal: str, registration: Registration) -> None:
    """The same, of a terminal of which nobody said anything: what was allowed or forbidden before stands."""
    said = sa.select(registration_table.c.terminal).where(registration_table.c.terminal == terminal)
    if transaction.connection.execute(said).one_or_none() is None:
        allow(transaction, terminal, registration)


def forbid(transaction: Transaction, terminal: str) -> bool:
    """It may ask for nothing until it is allowed anew; whether it might."""
    might = registration(transaction, terminal) is not None
    _say(transaction, terminal, _FORBIDDEN)
    return might


def is_forbidden(transaction: Transaction, terminal: str) -> bool:
    """Whether an operator took from it what it might ask for; of whom nobody ever spoke, it is not."""
    query = sa.select(registration_table.c.body).where(registration_table.c.terminal == terminal)
    return transaction.connection.execute(query).scalar_one_or_none() == _FORBIDDEN


def _say(transaction: Transaction, terminal: str, body: str) -> None:
    transaction.connection.execute(sa.delete(registration_table).where(registration_table.c.terminal == terminal))
    transaction.connection.execute(sa.insert(registration_table).values(terminal=terminal, body=body))
