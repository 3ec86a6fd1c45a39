"""What was sold offline beyond an account is in arrears until money comes in, the oldest debt first."""

from __future__ import annotations

import pytest

from agent.cose import Es256Signer
from tests.tools.platform.tills import LI, WANG, Bank, Payment, Till
from tools.platform.arrears import pay_in
from tools.platform.store import Store


@pytest.fixture
def bank(store: Store, signer: Es256Signer) -> Bank:
    return Bank(store, signer)


def more(bank: Bank, amount_fen: int) -> None:
    with bank.store.transaction() as transaction:
        pay_in(transaction, LI, amount_fen, bank.now_ms)


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
