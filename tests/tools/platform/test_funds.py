"""Who pays what: a hold is on the holder's share alone, and each fund pays its own and gets back its own."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.cose import Es256Signer
from agent.sync.contract import Authorised, Declined
from tests.tools.platform.tills import LI, WANG, Bank, Till
from tools.platform.funds import fund_owner
from tools.platform.holds import MAX_PAYMENT_FEN, Holds
from tools.platform.intents import State
from tools.platform.ledger import block, enter
from tools.platform.store import Store

MEAL = {"subsidy": 1000, "account": 500}
SUBSIDY = fund_owner("subsidy", LI, "canteen-1")


@pytest.fixture
def bank(store: Store, signer: Es256Signer) -> Bank:
    bank = Bank(store, signer)
    bank.pay_in(LI, 600)
    return bank


@pytest.fixture
def till(bank: Bank) -> Till:
    till = Till(bank)
    till.greet()
    return till


def test_a_hold_is_on_the_holders_share_and_the_payment_takes_each_fund_its_own(bank: Bank, till: Till) -> None:
    meal = till.ask(LI, 1500, MEAL)
    reply = till.put(meal.question)
    assert isinstance(reply, Authorised)
    assert (reply.amount_fen, reply.balance_fen) == (1500, 100)
    assert isinstance(till.put(till.ask(LI, 101).question), Declined)
    assert isinstance(till.put(till.ask(LI, 100).question), Authorised)
    till.pay(meal)
    till.send()
    assert (bank.balance(LI), bank.balance(SUBSIDY)) == (100, -1000)
    assert bank.intents()[meal.intent_id].flags == "split"
    assert bank.alarms() == set()


def test_a_meal_that_the_subsidy_pays_alone_needs_an_account_with_nothing_in_it(bank: Bank, till: Till) -> None:
    bank.pay_in(WANG, 0)
    meal = till.ask(WANG, 900, {"subsidy": 900})
    assert isinstance(till.put(meal.question), Authorised)
    till.pay(meal)
    till.send()
    assert (bank.balance(WANG), bank.balance(SUBSIDY)) == (0, -900)
    assert "arrears" not in bank.intents()[meal.intent_id].flags


def test_a_fund_that_is_blocked_pays_for_nobody(bank: Bank, till: Till) -> None:
    bank.pay_in(SUBSIDY, 0)
    with bank.store.transaction() as transaction:
        block(transaction, SUBSIDY, blocked=True)
    reply = till.put(till.ask(LI, 1500, MEAL).question)
    assert isinstance(reply, Declined)
    assert reply.code == "account-blocked"


def test_a_refund_restores_its_fund_and_a_reversal_whatever_is_left(bank: Bank, till: Till) -> None:
    meal = till.ask(LI, 1500, MEAL)
    till.pay(meal)
    till.refund(meal, {"account": 300})
    till.send()
    assert (bank.balance(LI), bank.balance(SUBSIDY)) == (400, -1000)
    assert "refunded" in bank.intents()[meal.intent_id].flags
    till.reverse(meal)
    till.send()
    assert (bank.balance(LI), bank.balance(SUBSIDY)) == (600, 0)
    assert bank.intents()[meal.intent_id].state is State.REVERSED
    assert bank.alarms() == {"reversal-differs"}, "the terminal said that all of it went back"


@pytest.mark.parametrize("back", [{"account": 501}, {"subsidy": 1, "purse": 1}, {"subsidy": 1001}])
def test_a_refund_beyond_what_a_fund_paid_moves_nothing_and_alarms(
    bank: Bank, till: Till, back: dict[str, int]
) -> None:
    meal = till.ask(LI, 1500, MEAL)
    till.pay(meal)
    till.refund(meal, back)
    till.send()
    assert (bank.balance(LI), bank.balance(SUBSIDY)) == (100, -1000)
    assert bank.alarms() == {"refund-differs"}


def test_what_goes_back_of_a_contested_payment_is_not_captured_when_a_person_decides(bank: Bank, till: Till) -> None:
    paid = till.ask(LI, 1500)
    paid.funds, paid.amount_fen = {"subsidy": MAX_PAYMENT_FEN, "account": 500}, MAX_PAYMENT_FEN + 500
    till.pay(paid)
    refund_id = till.refund(paid, {"account": 300})
    till.refund(paid, {"account": 201})
    till.send()
    till.carry(refund_id)
    till.send()
    assert bank.balance(LI) == 600
    assert bank.intents()[paid.intent_id].state is State.CONTESTED
    with bank.store.transaction() as transaction:
        assert Holds(transaction, till.name, bank.now_ms).decide(paid.intent_id, capture=True)
    assert (bank.balance(LI), bank.balance(SUBSIDY)) == (400, -MAX_PAYMENT_FEN)
    assert bank.alarms() == {"payment-contested", "refund-differs"}, "the second one was beyond what was left"
    assert bank.intents()[paid.intent_id].state is State.CAPTURED
    till.reverse(paid)
    till.send()
    assert (bank.balance(LI), bank.balance(SUBSIDY)) == (600, 0)


def test_what_was_never_paid_is_not_refunded(bank: Bank, till: Till) -> None:
    meal = till.ask(LI, 1500, MEAL)
    till.refund(meal, {"account": 1})
    till.send()
    assert bank.balance(LI) == 600
    assert bank.alarms() == {"refund-differs"}


def test_a_refund_that_a_rescued_journal_brings_again_is_given_once(bank: Bank, till: Till) -> None:
    paid = till.ask(LI, 500)
    till.pay(paid)
    refund_id = till.refund(paid, {"account": 200})
    till.send()
    till.carry(refund_id)
    till.send()
    assert bank.balance(LI) == 600 - 500 + 200


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 800), st.integers(0, 800), st.lists(st.integers(1, 900), max_size=4), st.booleans()),
        max_size=4,
    )
)
def test_whatever_is_paid_and_given_back_each_fund_has_what_its_shares_say(
    bank: Bank, till: Till, meals: list[tuple[int, int, list[int], bool]]
) -> None:
    with bank.store.transaction() as transaction:
        before = (enter(transaction, LI, 0, 1), enter(transaction, SUBSIDY, 0, 1))
    taken = [0, 0]
    for subsidy, account, refunds, reversed_ in meals:
        shares = {fund: fen for fund, fen in (("subsidy", subsidy), ("account", account)) if fen}
        if not shares:
            continue
        meal = till.ask(LI, subsidy + account, shares)
        till.pay(meal)
        left = dict(shares)
        for refund in refunds:
            fund = "account" if refund % 2 else "subsidy"
            till.refund(meal, {fund: refund})
            if refund <= left.get(fund, 0):
                left[fund] -= refund
        if reversed_:
            till.reverse(meal)
            left = {}
        taken = [taken[0] + left.get("account", 0), taken[1] + left.get("subsidy", 0)]
    till.send()
    assert (bank.balance(LI), bank.balance(SUBSIDY)) == (before[0] - taken[0], before[1] - taken[1])


def test_two_funds_whose_long_names_differ_at_the_end_are_two_accounts(bank: Bank) -> None:
    names = ["e" * 63 + "1", "e" * 63 + "2"]
    owners = [fund_owner(name, LI, "canteen-1") for name in names]
    for owner in owners:
        bank.pay_in(owner, 100)
    assert [bank.balance(owner) for owner in owners] == [100, 100]
