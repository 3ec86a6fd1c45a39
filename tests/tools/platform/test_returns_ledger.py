"""Two tills and the lanes of one: what goes back of a sale, in batches of any size, is what a plain ledger says."""

from __future__ import annotations

import tempfile
from collections import Counter as Count
from collections.abc import Mapping
from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.sync.contract import ReturnClaimed
from offline_store.record import Money
from profiles.api import Kind
from profiles.return_numbers import return_number
from tests.tools.platform.test_returns_anyhow import PAID_IN_FEN, PARTS, SALES, SHARES, Shop
from tests.tools.platform.tills import LI

TILLS = st.integers(0, 1)
ACTS = st.one_of(
    st.tuples(st.just("refund"), SALES, PARTS.filter(bool)),
    st.tuples(st.just("reverse"), SALES, st.none()),
    st.tuples(st.just("claim"), SALES, st.tuples(TILLS, st.one_of(st.none(), st.integers(1, 1_300)))),
    st.tuples(st.just("give-back"), st.integers(0, 3), st.none()),
    st.tuples(st.just("give-up"), st.integers(0, 3), st.none()),
    st.tuples(st.just("send"), TILLS, st.none()),
)


@dataclass
class Ledger:
    """What is left of each sale, by the records that arrived, each by itself and in its order."""

    left: dict[bytes, dict[str, int]]
    claims: dict[bytes, tuple[bytes, dict[str, int]]] = field(default_factory=dict)

    def arrives(self, kind: str, intent_id: bytes, funds: Mapping[str, int]) -> None:
        sale, claimed = self.claims.get(intent_id, (intent_id, None))
        left = self.left.get(sale)
        if claimed is not None:
            del self.claims[intent_id]
            funds = claimed
        if left is None or kind in (Kind.ASKED, Kind.PAYMENT, Kind.RELEASE):
            return
        if kind == Kind.REVERSAL:
            del self.left[sale]
        elif all(fen <= left.get(fund, 0) for fund, fen in funds.items()):
            self.left[sale] = {fund: fen - funds.get(fund, 0) for fund, fen in left.items()}


class Lanes(Shop):
    """The shop of the other test, whose tills send when they like and may give back what they sold themselves."""

    def __init__(self, directory: str) -> None:
        super().__init__(directory, (SHARES, {}))
        self.ledger = Ledger({sale.intent_id: dict(sale.funds) or {"account": sale.amount_fen} for sale in self.sales})
        self.sent = [len(till.records) for till in self.tills]

    def act(self, act: str, which: int, said: object) -> None:
        match act, said:
            case "refund", dict():
                self.tills[which].refund(self.sales[which], said)
            case "reverse", _:
                self.tills[which].reverse(self.sales[which])
            case "claim", (int() as at, int() | None as amount_fen):
                sale, till = self.sales[which].intent_id, self.tills[at]
                reply = till.claim(return_number(sale), amount_fen)
                if isinstance(reply, ReturnClaimed):
                    self.claims.append((till, reply.return_id, dict(reply.funds)))
                    self.ledger.claims[reply.return_id] = sale, dict(reply.funds)
            case (("give-back" | "give-up"), _) if which < len(self.claims):
                till, return_id, funds = self.claims.pop(which)
                till.append_return(Kind.REFUND if act == "give-back" else Kind.RELEASE, return_id, funds)
            case "send", _:
                self.send(which)

    def send(self, which: int) -> None:
        till = self.tills[which]
        for record in till.records[self.sent[which] :]:
            if (money := record.entry.money) is not None:
                self.ledger.arrives(record.entry.kind, money.intent_id, _back(money))
        self.sent[which] = len(till.records)
        till.send()

    def left(self) -> Count[bytes]:
        """By sale, what is taken of everybody."""
        left: Count[bytes] = Count()
        for (_, intent_id), fen in self.moved().items():
            left[intent_id] += fen
        return left


def _back(money: Money) -> dict[str, int]:
    return {fund: -fen for fund, fen in money.funds.items()} or {"account": -money.amount_fen}


@example([("claim", 1, (1, 300)), ("give-back", 0, None), ("reverse", 1, None)])
@settings(max_examples=25, deadline=None)
@given(st.lists(ACTS, min_size=3, max_size=20))
def test_what_is_left_of_each_sale_is_what_a_plain_ledger_says(acts: list[tuple[str, int, object]]) -> None:
    with tempfile.TemporaryDirectory(prefix="onecard-returns-") as directory:
        lanes = Lanes(directory)
        for act in (*acts, ("send", 0, None), ("send", 1, None)):
            lanes.act(*act)
            left = {sale: sum(lanes.ledger.left.get(sale, {}).values()) for sale in lanes.left()}
            assert dict(lanes.left()) == left, act
        assert lanes.bank.balance(LI) <= PAID_IN_FEN
        lanes.bank.store.close()
