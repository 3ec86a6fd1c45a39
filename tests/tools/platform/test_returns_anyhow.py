"""Refunds, reversals and returns of one sale at two tills, in any order and any number of times: no fen is made."""

from __future__ import annotations

import tempfile
from collections import Counter as Count
from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cose import Es256Signer
from agent.sync.contract import ReturnClaimed
from profiles.api import Kind
from profiles.return_numbers import return_number
from tests.tools.platform.test_returns import Counter, sold_by
from tests.tools.platform.tills import LI, Bank, Payment, Till
from tools.platform.ledger import ledger_table
from tools.platform.returns import free, open_claims
from tools.platform.store import Store, sqlite_url

SIGNER = Es256Signer(ec.generate_private_key(ec.SECP256R1()))
PAID_IN_FEN = 5_000
SHARES = {"subsidy": 1_000, "account": 250}
PARTS = st.fixed_dictionaries({}, optional={"subsidy": st.integers(1, 1_100), "account": st.integers(1, 300)})
SALES = st.integers(0, 1)
ACTS = st.one_of(
    st.tuples(st.just("refund"), SALES, PARTS.filter(bool)),
    st.tuples(st.just("reverse"), SALES, st.none()),
    st.tuples(st.just("claim"), SALES, st.one_of(st.none(), st.integers(1, 1_300))),
    st.tuples(st.just("give-back"), st.integers(0, 3), st.one_of(st.none(), PARTS.filter(bool))),
    st.tuples(st.just("give-up"), st.integers(0, 3), st.none()),
    st.tuples(st.just("free"), SALES, st.none()),
    st.tuples(st.just("again"), SALES, st.none()),
)


class Shop:
    """Two tills, of which each has sold one thing and gives back what the other sold."""

    def __init__(self, directory: str, shares: tuple[Mapping[str, int], ...] = (SHARES, SHARES)) -> None:
        self.bank = Bank(Store.open(sqlite_url(Path(directory) / "platform.db")), SIGNER)
        self.bank.pay_in(LI, PAID_IN_FEN)
        self.tills = [Counter(self.bank, f"till-{number}", seed=number) for number in (1, 2)]
        self.sales: list[Payment] = [sold_by(till, funds) for till, funds in zip(self.tills, shares, strict=True)]
        self.claims: list[tuple[Counter, bytes, dict[str, int]]] = []

    def do(self, act: str, which: int, said: object) -> None:
        till: Till = self.tills[which % 2]
        match act, said:
            case "refund", dict():
                till.refund(self.sales[which], said)
            case "reverse", _:
                till.reverse(self.sales[which])
            case "claim", amount_fen if amount_fen is None or isinstance(amount_fen, int):
                other = self.tills[1 - which]
                reply = other.claim(return_number(self.sales[which].intent_id), amount_fen)
                if isinstance(reply, ReturnClaimed):
                    self.claims.append((other, reply.return_id, dict(reply.funds)))
            case (("give-back" | "give-up"), _) if which < len(self.claims):
                till, return_id, funds = self.claims[which]
                kind = Kind.REFUND if act == "give-back" else Kind.RELEASE
                self.claims[which][0].append_return(kind, return_id, said if isinstance(said, dict) else funds)
            case "free", _:
                with self.bank.store.transaction() as transaction:
                    for claim in open_claims(transaction)[:1]:
                        free(transaction, claim, self.bank.now_ms)
            case _:
                pass
        till.send()

    def moved(self) -> Count[tuple[str, bytes]]:
        """By account and sale, what has been taken and not gone back."""
        with self.bank.store.transaction() as transaction:
            rows = transaction.connection.execute(sa.select(ledger_table)).all()
        taken: Count[tuple[str, bytes]] = Count()
        for row in rows:
            if row.intent_id is not None:
                taken[f"{row.namespace}:{row.subject.hex()}", row.intent_id] -= row.amount_fen
        return taken


@settings(max_examples=40, deadline=None)
@given(st.lists(ACTS, min_size=3, max_size=25))
def test_whatever_goes_back_was_paid_before_and_goes_to_whom_it_came_from(
    acts: list[tuple[str, int, object]],
) -> None:
    with tempfile.TemporaryDirectory(prefix="onecard-returns-") as directory:
        shop = Shop(directory)
        paid = shop.moved()
        assert sorted(paid.values()) == [250, 250, 1_000, 1_000]
        for act in acts:
            shop.do(*act)
            left = shop.moved()
            assert all(0 <= left[each] <= paid[each] for each in paid), act
            assert left.keys() == paid.keys(), "nobody else gave or took"
            assert sum(shop.bank.balances().values()) == PAID_IN_FEN - left.total()
        shop.bank.store.close()
