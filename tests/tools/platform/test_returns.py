"""Returns of what another terminal sold: claimed, given back once and to each fund, and never beyond what was paid."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from agent.cose import Es256Signer
from agent.sync.contract import ClaimReturn, Declined, Reply, ReturnClaimed
from offline_store.record import Entry, Money
from profiles.api import Kind
from profiles.return_numbers import return_number
from tests.tools.platform.chains import NOW_MS
from tests.tools.platform.test_money_together import at_once
from tests.tools.platform.tills import DATE, LI, MERCHANT, Bank, Payment, Till
from tools.platform import returns
from tools.platform.commands import platform
from tools.platform.registrations import Registration
from tools.platform.returns import free, open_claims
from tools.platform.service import Layout
from tools.platform.store import Store

CASHIER = ("city", b"o" * 16)


@pytest.fixture
def bank(store: Store, signer: Es256Signer) -> Bank:
    bank = Bank(store, signer)
    bank.pay_in(LI, 2_000)
    return bank


class Counter(Till):
    """A till that gives back what others sold."""

    def claim(
        self,
        number: int,
        amount_fen: int | None = None,
        cashier: tuple[str, bytes] = CASHIER,
        return_id: bytes | None = None,
    ) -> Reply:
        question = ClaimReturn(
            nonce=self.random.token(16),
            asked_ms=self.bank.now_ms,
            expires_ms=self.bank.now_ms + 2_000,
            return_id=return_id or self.random.token(16),
            number=number,
            amount_fen=amount_fen,
            merchant=MERCHANT,
            business_date=DATE,
            subject=cashier,
        )
        return self.put(question.encode())

    def claimed(self, number: int, amount_fen: int | None = None) -> ReturnClaimed:
        reply = self.claim(number, amount_fen)
        assert isinstance(reply, ReturnClaimed), reply
        return reply

    def refused(self, number: int, amount_fen: int | None = None, cashier: tuple[str, bytes] = CASHIER) -> str:
        reply = self.claim(number, amount_fen, cashier)
        assert isinstance(reply, Declined), reply
        return reply.code

    def tell(self, kind: Kind, return_id: bytes, funds: dict[str, int]) -> None:
        """The record that gives back, or gives up; and send it."""
        self.append_return(kind, return_id, funds)
        self.send()

    def bring(self) -> None:
        self.send()

    def append_return(self, kind: Kind, return_id: bytes, funds: dict[str, int]) -> None:
        """That record, not sent."""
        money = Money(
            amount_fen=-sum(funds.values()),
            intent_id=return_id,
            merchant=MERCHANT,
            business_date=DATE,
            funds={fund: -fen for fund, fen in funds.items()},
        )
        self.append(
            Entry(
                id=self._id(), kind=kind, time_ms=self.bank.now_ms, time_quality="synchronised", monotonic_ms=1,
                lane="till", profile="shop", reason="refunded", money=money,
            )
        )  # fmt: skip


def sold_by(till: Till, funds: Mapping[str, int] = MappingProxyType({"subsidy": 1_000, "account": 250})) -> Payment:
    """Twelve yuan and a half that Li paid."""
    till.greet()
    payment = till.ask(funds=funds)
    till.put(payment.question)
    till.pay(payment)
    till.send()
    return payment


@pytest.fixture
def sale(bank: Bank) -> Payment:
    """Twelve yuan and a half, ten of them by a subsidy, that till-1 sold to Li."""
    payment = sold_by(Till(bank))
    assert bank.balance(LI) == 1_750
    return payment


@pytest.fixture
def counter(bank: Bank) -> Counter:
    counter = Counter(bank, name="till-2", seed=2)
    counter.greet()
    return counter


def test_a_sale_is_found_by_its_number_without_a_look_at_every_payment(counter: Counter, sale: Payment) -> None:
    asked: list[tuple[sa.Engine, str, Any]] = []

    def note(connection: sa.Connection, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if "substr" in statement:
            asked.append((connection.engine, statement, values))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        counter.claimed(return_number(sale.intent_id))
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    engine, statement, values = asked[0]
    with engine.begin() as connection:
        explain = "EXPLAIN QUERY PLAN"
        if engine.dialect.name == "postgresql":
            explain = "EXPLAIN"
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # it is quicker in a table of one row
        plan = " ".join(str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {statement}", values))
    assert "intent_by_number" in plan
    assert "SCAN intent" not in plan


def test_another_till_gives_a_sale_back_to_each_fund_and_once(bank: Bank, counter: Counter, sale: Payment) -> None:
    number = return_number(sale.intent_id)
    claim = counter.claimed(number)
    assert dict(claim.funds) == {"account": 250, "subsidy": 1_000}
    assert bank.balance(LI) == 1_750, "an answer moves no money"
    counter.tell(Kind.REFUND, claim.return_id, dict(claim.funds))
    assert bank.balance(LI) == 2_000
    counter.tell(Kind.REFUND, claim.return_id, dict(claim.funds))
    assert bank.balance(LI) == 2_000
    assert counter.refused(number) == "sale-returned"
    assert sum(bank.balances().values()) == 2_000, "nothing was made, and nothing lost"


def test_what_one_till_claims_no_other_gives_back_meanwhile(bank: Bank, counter: Counter, sale: Payment) -> None:
    other = Counter(bank, name="till-3", seed=3)
    other.greet()
    number = return_number(sale.intent_id)
    claim = counter.claimed(number, 1_000)
    assert other.refused(number, 251) == "refund-too-much"
    rest = other.claimed(number)
    assert sum(fen for _, fen in (*claim.funds, *rest.funds)) == 1_250
    for till, claimed in ((counter, claim), (other, rest)):
        till.tell(Kind.REFUND, claimed.return_id, dict(claimed.funds))
    assert (bank.balance(LI), bank.alarms()) == (2_000, set())


def test_a_claim_that_is_given_up_frees_what_it_held(bank: Bank, counter: Counter, sale: Payment) -> None:
    number = return_number(sale.intent_id)
    claim = counter.claimed(number)
    assert counter.refused(number) == "sale-returned"
    counter.tell(Kind.RELEASE, claim.return_id, {})
    again = counter.claimed(number)
    counter.tell(Kind.REFUND, claim.return_id, dict(claim.funds))
    assert (bank.balance(LI), "refund-differs" in bank.alarms()) == (1_750, True), "what was given up moves nothing"
    counter.tell(Kind.REFUND, again.return_id, dict(again.funds))
    assert bank.balance(LI) == 2_000


def test_a_claim_that_the_broker_delivers_after_its_end_holds_nothing(
    bank: Bank, counter: Counter, sale: Payment
) -> None:
    given_up = counter.random.token(16)
    counter.tell(Kind.RELEASE, given_up, {})
    late = counter.claim(return_number(sale.intent_id), return_id=given_up)
    assert isinstance(late, Declined)
    assert late.code == "intent-ended"
    with bank.store.transaction() as transaction:
        assert open_claims(transaction) == []
    other = Counter(bank, name="till-3", seed=3)
    other.greet()
    other.claimed(return_number(sale.intent_id))


@pytest.mark.parametrize("kind", [Kind.ASKED, Kind.PAYMENT, Kind.REVERSAL])
def test_nothing_is_sold_under_a_claims_id_and_the_claim_stays(
    bank: Bank, counter: Counter, sale: Payment, kind: Kind
) -> None:
    claim = counter.claimed(return_number(sale.intent_id))
    counter.tell(kind, claim.return_id, {"account": 250})
    assert (bank.balance(LI), bank.alarms()) == (1_750, {"refund-differs"})
    counter.tell(Kind.REFUND, claim.return_id, dict(claim.funds))
    assert bank.balance(LI) == 2_000


@pytest.mark.parametrize("funds", [{"account": 1_250}, {"subsidy": 1_000, "account": 251}, {"account": 250}])
def test_a_record_that_gives_back_what_was_not_claimed_moves_nothing(
    bank: Bank, counter: Counter, sale: Payment, funds: dict[str, int]
) -> None:
    claim = counter.claimed(return_number(sale.intent_id))
    counter.tell(Kind.REFUND, claim.return_id, funds)
    assert (bank.balance(LI), "refund-differs" in bank.alarms()) == (1_750, True)


def test_what_the_seller_gave_back_meanwhile_is_not_given_back_twice(bank: Bank, counter: Counter) -> None:
    till = Till(bank)
    till.greet()
    payment = till.ask()
    till.put(payment.question)
    till.pay(payment)
    till.send()
    claim = counter.claimed(return_number(payment.intent_id))
    till.reverse(payment)
    till.send()
    counter.tell(Kind.REFUND, claim.return_id, dict(claim.funds))
    assert (bank.balance(LI), "refund-differs" in bank.alarms()) == (2_000, True)


def test_a_void_in_the_batch_of_another_lanes_return_gives_back_what_that_has_left(bank: Bank) -> None:
    """Two tills of one terminal: the platform has claimed a part for one when the other voids its own sale."""
    till = Counter(bank)
    till.greet()
    payment = till.ask()
    till.put(payment.question)
    till.pay(payment)
    till.send()
    claim = till.claimed(return_number(payment.intent_id), 300)
    till.append_return(Kind.REFUND, claim.return_id, dict(claim.funds))
    till.reverse(payment)
    till.send()
    assert (bank.balance(LI), "reversal-differs" in bank.alarms()) == (2_000, True)


def test_what_a_dead_terminal_claimed_is_freed_by_hand_and_its_late_record_moves_nothing(
    bank: Bank, counter: Counter, sale: Payment
) -> None:
    number = return_number(sale.intent_id)
    claim = counter.claimed(number)
    with bank.store.transaction() as transaction:
        (found,) = open_claims(transaction)
        assert free(transaction, found, bank.now_ms)
        assert not free(transaction, found, bank.now_ms), "once"
        assert open_claims(transaction) == []
    assert bank.alarms() == {"return-freed"}
    other = Counter(bank, name="till-3", seed=3)
    other.greet()
    again = other.claimed(number)
    other.tell(Kind.REFUND, again.return_id, dict(again.funds))
    counter.tell(Kind.REFUND, claim.return_id, dict(claim.funds))
    assert (bank.balance(LI), bank.alarms()) == (2_000, {"return-freed", "refund-differs"})


def test_open_returns_are_listed_and_freed_by_the_end_of_their_number(tmp_path: Path, signer: Es256Signer) -> None:
    bank = Bank(Store.open(Layout(tmp_path).database_url), signer)
    bank.pay_in(LI, 2_000)
    sale = sold_by(Till(bank))
    counter = Counter(bank, name="till-2", seed=2)
    counter.greet()
    claim = counter.claimed(return_number(sale.intent_id))

    def by_hand(*arguments: str) -> Result:
        return CliRunner().invoke(platform, ["returns", *arguments, "--dir", str(tmp_path)])

    (row,) = json.loads(by_hand("list", "--json").output)
    assert (row["terminal"], row["sold_by"], row["funds"]) == ("till-2", "till-1", {"subsidy": 1_000, "account": 250})
    assert "12.50" in by_hand("list").output
    assert by_hand("free", "no-such").exit_code == 1
    assert "12.50" in by_hand("free", claim.return_id.hex()[-8:]).output
    assert (json.loads(by_hand("list", "--json").output), bank.alarms()) == ([], {"return-freed"})
    bank.store.close()


def test_two_tills_that_give_back_each_others_sales_wait_in_no_circle(postgres_url: str, signer: Es256Signer) -> None:
    store = Store.open(postgres_url)
    refused: list[str] = []
    with store.transaction() as transaction:
        engine = transaction.connection.engine
    sa.event.listen(engine, "handle_error", lambda context: refused.append(str(context.original_exception)))
    one, two = (Counter(Bank(store, signer), f"till-{number}", seed=number) for number in (1, 2))
    one.bank.pay_in(LI, 50_000)
    for _ in range(10):
        sales = [sold_by(till, funds={"account": 1_250}) for till in (one, two)]
        claims = [till.claimed(return_number(sale.intent_id)) for till, sale in zip((two, one), sales, strict=True)]
        for till, own, claim in zip((two, one), reversed(sales), claims, strict=True):
            till.release(own)  # touches its own sale in the same batch, and moves nothing
            till.append_return(Kind.REFUND, claim.return_id, dict(claim.funds))
        at_once([one.bring, two.bring])
    assert refused == []
    assert (one.bank.balance(LI), one.bank.alarms()) == (50_000, set())
    store.close()


def test_what_one_terminal_claims_at_once_is_bounded_until_its_journal_tells_the_end(
    bank: Bank, counter: Counter, sale: Payment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returns, "MAX_OPEN", 2)
    number = return_number(sale.intent_id)
    claims = [counter.claimed(number, 10) for _ in range(2)]
    assert counter.refused(number, 10) == "too-many"
    other = Counter(bank, name="till-3", seed=3)
    other.greet()
    other.claimed(number, 10)
    counter.tell(Kind.REFUND, claims[0].return_id, dict(claims[0].funds))
    counter.claimed(number, 10)


def test_who_may_not_and_what_is_not_there(bank: Bank, counter: Counter, sale: Payment) -> None:
    number = return_number(sale.intent_id)
    assert counter.refused(number, cashier=LI) == "own-sale"
    assert counter.refused(number + 1) == "sale-unknown"
    assert counter.refused(number, 1_251) == "refund-too-much"
    stranger = Counter(bank, name="till-4", seed=4, registration=Registration(merchants=frozenset({"shop-9"})))
    stranger.greet()
    assert stranger.refused(number) == "merchant-not-registered"
    nobody = Counter(bank, name="till-5", seed=5, registration=None)
    nobody.greet()
    assert nobody.refused(number) == "terminal-not-registered"
    bank.now_ms = NOW_MS + 90 * 86_400_000
    assert counter.refused(number) == "sale-unknown", "older ones at the desk"
    assert bank.balance(LI) == 1_750
