"""What was sold offline beyond an account is in arrears until money comes in, the oldest debt first."""

from __future__ import annotations

import pytest

from agent.cose import Es256Signer
from tests.tools.platform.tills import LI, WANG, Bank, Payment, Till
from tools.platform.accounts import account_of
from tools.platform.arrears import pay_in
from tools.platform.store import Store


@pytest.fixture
def bank(store: Store, signer: Es256Signer) -> Bank:
    return Bank(store, signer)


def more(bank: Bank, amount_fen: int, kind: str = "account") -> None:
    with bank.store.transaction() as transaction:
        pay_in(transaction, LI, amount_fen, bank.now_ms, kind)


def recovered(bank: Bank, *payments: Payment) -> list[bool]:
    intents = bank.intents()
    flags = [intents[payment.intent_id].flags.split(",") for payment in payments]
    assert all("arrears" in each for each in flags)
    return ["recovered" in each for each in flags]


def test_money_that_comes_in_covers_the_oldest_debt_first_and_each_once(bank: Bank) -> None:
    bank.pay_in(LI, 100)
    till = Till(bank)
    till.greet()
    first, second = till.ask(LI, 500), till.ask(LI, 300)
    for payment in (first, second):
        till.pay(payment)
        till.send()
        bank.now_ms += 1
    assert bank.balance(LI) == -700
    for amount_fen, covered in ((399, [False, False]), (1, [True, False]), (300, [True, True]), (300, [True, True])):
        more(bank, amount_fen)
        assert recovered(bank, first, second) == covered
    assert [intent.flags.count("recovered") for intent in bank.intents().values()] == [1, 1]
    assert bank.balance(LI) == 300


def test_another_persons_money_and_a_debt_that_is_none_recover_nothing(bank: Bank) -> None:
    bank.pay_in(LI, 500)
    till = Till(bank)
    till.greet()
    till.pay(till.ask(LI, 500))
    owed = till.ask(WANG, 500)
    till.pay(owed)
    till.send()
    more(bank, 1000)
    assert recovered(bank, owed) == [False]


def test_what_went_back_of_a_sale_makes_it_no_younger_and_is_owed_no_more(bank: Bank) -> None:
    till = Till(bank)
    till.greet()
    first, second = till.ask(LI, 500), till.ask(LI, 300)
    for payment in (first, second):
        till.pay(payment)
    till.send()
    bank.now_ms += 1
    till.refund(first, {"account": 100})
    till.send()
    assert bank.balance(LI) == -700
    more(bank, 400)
    assert recovered(bank, first, second) == [True, False]


def test_money_in_one_account_recovers_nothing_that_another_did_not_cover(bank: Bank) -> None:
    bank.pay_in(account_of(LI, "medical"), 200)
    till = Till(bank)
    till.greet()
    bill = till.ask(LI, 500, {"medical": 200, "account": 300})
    till.pay(bill)
    till.send()
    for kind in ("medical", "credit"):
        more(bank, 1_000, kind)
        assert recovered(bank, bill) == [False]
    more(bank, 300)
    assert recovered(bank, bill) == [True]
