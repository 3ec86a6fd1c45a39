"""Accounts by kind: filled in the order that was offered, each to what is in it; debts to a ceiling, and settled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.cose import Es256Signer
from agent.sync.contract import Authorised, Balance, Declined, QueryBalance
from tests.tools.platform.tills import CARD, LI, Bank, Payment, Till
from tools.platform.accounts import CREDIT, account_of, grant_credit, is_person, person_of
from tools.platform.arrears import pay_in
from tools.platform.commands import platform
from tools.platform.debts import debts
from tools.platform.funds import fund_owner
from tools.platform.intents import State
from tools.platform.ledger import Owner, block, enter
from tools.platform.service import Layout
from tools.platform.store import Store

OFFERS = {"medical": 50_000, "wallet": 50_000, "credit": 50_000}
CEILING_FEN = 2_000


@pytest.fixture
def bank(store: Store, signer: Es256Signer) -> Bank:
    bank = Bank(store, signer)
    for kind, fen in (("medical", 500), ("wallet", 300)):
        bank.pay_in(account_of(LI, kind), fen)
    with bank.store.transaction() as transaction:
        grant_credit(transaction, LI, CEILING_FEN)
        enter(transaction, account_of(LI, CREDIT), 0, bank.now_ms)
    return bank


@pytest.fixture
def till(bank: Bank) -> Till:
    bank.card()
    till = Till(bank, medium=CARD)
    till.greet()
    return till


def held(till: Till, payment: Payment) -> Mapping[str, int] | str:
    """How the platform divides it, or why not; the payment then says the same."""
    reply = till.put(payment.question)
    if isinstance(reply, Declined):
        return reply.code
    assert isinstance(reply, Authorised)
    payment.funds = dict(reply.accounts or ())
    return payment.funds


def balances(bank: Bank, owner: Owner = LI) -> dict[str, int]:
    found = {person_of(each): fen for each, fen in bank.balances().items()}
    return {kind: fen for (person, kind), fen in found.items() if person == owner}


def balance(till: Till, account: str) -> int | str:
    now_ms = till.bank.now_ms
    nonce = till.random.token(16)
    question = QueryBalance(nonce=nonce, asked_ms=now_ms, expires_ms=now_ms + 10, medium=CARD, account=account)
    reply = till.put(question.encode())
    if isinstance(reply, Declined):
        return reply.code
    assert isinstance(reply, Balance)
    return reply.balance_fen


def test_what_one_account_does_not_pay_falls_to_the_next_and_the_hold_is_on_each_share(bank: Bank, till: Till) -> None:
    bill = till.ask(LI, 1_000, accounts=OFFERS)
    assert held(till, bill) == {"medical": 500, "wallet": 300, "credit": 200}
    assert [balance(till, kind) for kind in OFFERS] == [0, 0, 1_800]
    assert held(till, bill) == {"medical": 500, "wallet": 300, "credit": 200}, "asked again, the same yes"
    till.pay(bill)
    till.send()
    assert balances(bank) == {"medical": 0, "wallet": 0, "credit": -200}
    assert bank.intents()[bill.intent_id].flags == "split"
    assert bank.alarms() == set()


def test_the_holders_order_and_the_rules_ceilings_decide_who_pays(till: Till) -> None:
    assert held(till, till.ask(LI, 250, accounts={"wallet": 50_000, "medical": 1})) == {"wallet": 250}
    assert held(till, till.ask(LI, 100, accounts={"medical": 60, "wallet": 50_000})) == {"medical": 60, "wallet": 40}
    assert held(till, till.ask(LI, 11, accounts={"wallet": 50_000})) == "insufficient-funds"


def test_an_account_that_is_blocked_is_passed_over_and_of_none_it_is_said_why(bank: Bank, till: Till) -> None:
    with bank.store.transaction() as transaction:
        block(transaction, account_of(LI, "medical"), blocked=True)
    assert held(till, till.ask(LI, 100, accounts={"medical": 900, "wallet": 900})) == {"wallet": 100}
    assert held(till, till.ask(LI, 100, accounts={"medical": 900})) == "account-blocked"
    assert held(till, till.ask(LI, 100, accounts={"bank": 900})) == "account-unknown"


def test_an_employers_share_stays_and_the_holders_is_divided(bank: Bank, till: Till) -> None:
    meal = till.ask(LI, 1_000, {"subsidy": 400, "account": 600}, accounts=OFFERS)
    assert held(till, meal) == {"medical": 500, "wallet": 100}
    meal.funds = {"subsidy": 400, **meal.funds}
    till.pay(meal)
    till.send()
    assert balances(bank) == {"medical": 0, "wallet": 200, "credit": 0}
    assert bank.balance(fund_owner("subsidy", LI, "canteen-1")) == -400


def test_nobody_owes_more_than_was_granted_and_what_a_terminal_lent_alone_is_flagged(bank: Bank, till: Till) -> None:
    assert held(till, till.ask(LI, CEILING_FEN + 1, accounts={"credit": 50_000})) == "insufficient-funds"
    alone = till.ask(LI, CEILING_FEN + 1, {"credit": CEILING_FEN + 1})
    till.pay(alone)
    till.send()
    assert bank.intents()[alone.intent_id].flags.split(",") == ["no-hold", "split", "over-ceiling"]
    assert balance(till, "debt") == CEILING_FEN + 1
    assert balance(till, "credit") == 0


@pytest.mark.parametrize("kind", ["credit", "wallet", "account"])
def test_a_share_that_a_question_names_itself_is_held_on_the_account_it_names(
    bank: Bank, till: Till, kind: str
) -> None:
    bank.pay_in(LI, 50_000 if kind != "account" else 300)
    fen = {"credit": CEILING_FEN, "wallet": 300, "account": 300}[kind]
    first = till.put(till.ask(LI, fen, {kind: fen}).question)
    assert isinstance(first, Authorised)
    assert (first.balance_fen, first.accounts) == (0, None)
    assert held(till, till.ask(LI, 1, {kind: 1})) == "insufficient-funds"


def test_an_account_that_a_question_names_must_be_there_and_open(bank: Bank, till: Till) -> None:
    bank.pay_in(LI, 50_000)
    assert held(till, till.ask(LI, 1, {"bank": 1})) == "account-unknown"
    assert held(till, till.ask(LI, 1, {"bank": 1}, accounts={"bank": 1})) == "account-unknown"
    with bank.store.transaction() as transaction:
        block(transaction, account_of(LI, "wallet"), blocked=True)
    assert held(till, till.ask(LI, 100, {"wallet": 50, "account": 50})) == "insufficient-funds"


def test_what_somebody_else_pays_wholly_is_held_on_nothing_of_the_persons(bank: Bank, till: Till) -> None:
    assert held(till, till.ask(LI, 400, {"subsidy": 400})) == "account-unknown", "nobody knows the person"
    bank.pay_in(LI, 0)
    for offered in (None, OFFERS):
        assert isinstance(till.put(till.ask(LI, 400, {"subsidy": 400}, accounts=offered).question), Authorised)
    assert balance(till, "medical") == 500


def test_a_settlement_pays_the_debt_and_taken_back_owes_it_again(bank: Bank, till: Till) -> None:
    till.pay(till.ask(LI, 250, {"credit": 250}))
    till.send()
    settling = till.ask(LI, 250, accounts={"wallet": 50_000}, account="credit")
    assert held(till, settling) == {"wallet": 250}
    till.pay(settling)
    till.send()
    assert balances(bank) == {"medical": 500, "wallet": 50, "credit": 0}
    assert balance(till, "debt") == 0
    till.refund(settling, {"wallet": 50})
    till.send()
    assert (balances(bank)["credit"], balances(bank)["wallet"]) == (-50, 100)
    till.reverse(settling)
    till.send()
    assert balances(bank) == {"medical": 500, "wallet": 300, "credit": -250}
    assert bank.intents()[settling.intent_id].state is State.REVERSED


def test_what_somebody_else_pays_of_a_settlement_is_nobodys_debt(bank: Bank, till: Till) -> None:
    till.pay(till.ask(LI, 300, {"credit": 300}))
    settling = till.ask(LI, 250, {"subsidy": 200, "wallet": 50}, account="credit")
    till.pay(settling)
    till.send()
    assert (balances(bank)["credit"], balances(bank)["wallet"]) == (-250, 250)
    till.refund(settling, {"subsidy": 200})
    till.send()
    assert balances(bank)["credit"] == -250
    till.reverse(settling)
    till.send()
    assert (balances(bank)["credit"], balances(bank)["wallet"]) == (-300, 300)


def test_what_is_owed_is_listed_until_it_is_settled_the_oldest_first(bank: Bank, till: Till) -> None:
    first, second = till.ask(LI, 300, {"credit": 300}), till.ask(LI, 500, {"credit": 400, "wallet": 100})
    for payment in (first, second):
        till.pay(payment)
    till.refund(second, {"credit": 150})
    till.send()
    with bank.store.transaction() as transaction:
        assert [(debt.intent.intent_id, debt.left_fen, debt.due) for debt in debts(transaction, LI)] == [
            (first.intent_id, 300, "20270214"),
            (second.intent_id, 250, "20270214"),
        ]
        pay_in(transaction, LI, 310, bank.now_ms, CREDIT)
        (left,) = debts(transaction, LI)
        assert (left.intent.intent_id, left.owed_fen, left.left_fen) == (second.intent_id, 250, 240)
        pay_in(transaction, LI, 240, bank.now_ms, CREDIT)
        assert debts(transaction, LI) == []


def test_no_terminal_reaches_an_account_by_naming_it_as_a_person(bank: Bank, till: Till) -> None:
    for owner in (account_of(LI, "wallet"), fund_owner("subsidy", LI, "canteen-1")):
        assert not is_person(owner)
        assert held(till, till.ask(owner, 100)) == "wrong-person"
    assert is_person(LI)
    assert person_of(account_of(LI, "wallet")) == (LI, "wallet")


def test_credit_and_debts_by_hand(tmp_path: Path, signer: Es256Signer) -> None:
    owner = f"city:{LI[1].hex()}"

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(platform, ["account", *arguments, "--dir", str(tmp_path)])
        assert result.exit_code == 0, result.output
        return result.output

    assert "credit up to 20.00 yuan; 0.00 yuan are owed" in run("credit", owner, "20")
    assert "Nothing is owed" in run("debts", owner)
    bank = Bank(Store.open(Layout(tmp_path).database_url), signer)
    till = Till(bank)
    till.greet()
    till.pay(till.ask(LI, 1_250, {"credit": 1_250}))
    till.send()
    bank.store.close()
    told = run("debts", owner)
    assert "12.50 yuan, due 20270214" in told
    (debt,) = json.loads(run("debts", owner, "--json"))
    assert (debt["left_fen"], debt["merchant"]) == (1_250, "canteen-1")
    assert "-2.50" in run("pay-in", owner, "10", "--kind", "credit")
    kinds = {row["kind"]: row["balance_fen"] for row in json.loads(run("list", "--json"))}
    assert kinds == {"credit": -250}


ACTS = st.tuples(
    st.sampled_from(["pay", "alone", "settle", "give-up"]), st.integers(1, 900), st.integers(0, 900), st.booleans()
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ACTS, max_size=8))
def test_whatever_is_paid_settled_and_given_back_the_accounts_hold_what_the_records_say(
    bank: Bank, till: Till, acts: list[tuple[str, int, int, bool]]
) -> None:
    """The platform's ledger against the journal: no money appears or vanishes, and no debt differs from its list."""
    expected = balances(bank)
    for act, amount_fen, back_fen, reversed_ in acts:
        settles = act == "settle"
        offers = dict.fromkeys(("wallet", "medical", *(() if settles else ("credit",))), 50000)
        payment = till.ask(LI, amount_fen, accounts=offers, account="credit" if settles else None)
        if act == "alone":
            payment.funds = {"credit": amount_fen}
        elif isinstance(held(till, payment), str) or act == "give-up":
            payment.funds = {}
            till.reverse(payment)
            till.send()
            continue
        till.pay(payment)
        left = dict(payment.funds)
        fund = next(iter(left))
        if 0 < back_fen <= left[fund]:
            till.refund(payment, {fund: back_fen})
            left[fund] -= back_fen
        if reversed_:
            payment.funds = {fund: fen for fund, fen in left.items() if fen}
            payment.amount_fen = sum(payment.funds.values())
            till.reverse(payment)
            left = {}
        till.send()
        for kind, fen in left.items():
            expected[kind] -= fen
        if settles:
            expected["credit"] += sum(left.values())
    assert balances(bank) == expected
    assert bank.alarms() == set()
    with bank.store.transaction() as transaction:
        assert sum(debt.left_fen for debt in debts(transaction, LI)) == max(0, -expected["credit"])
