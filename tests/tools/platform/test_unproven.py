"""Payments that nothing proves: so many of one person are captured, and nobody's account is debited beyond."""

from __future__ import annotations

import pytest

from agent.cose import Es256Signer
from tests.tools.platform.tills import LI, WANG, Bank, Till
from tools.platform.ca import Authority
from tools.platform.evidence import Judge
from tools.platform.holds import UNPROVEN_CAP_FEN, Holds
from tools.platform.intents import State
from tools.platform.issuers import trust_in
from tools.platform.ledger import NOBODY
from tools.platform.store import Store
from tools.platform.unproven import OF_ANY_DATES, OF_ONE_DATE

PAID_IN_FEN = 10_000_000
DAY_MS = 86_400_000


@pytest.fixture
def bank(store: Store, signer: Es256Signer, authority: Authority) -> Bank:
    bank = Bank(store, signer, Judge(authority.load_sealing_key(), trust_in(authority.issuers)))
    bank.pay_in(LI, PAID_IN_FEN)
    return bank


def till_of(bank: Bank, number: int) -> Till:
    till = Till(bank, f"till-{number}", seed=number)
    till.greet()
    return till


def sell(till: Till, amounts_fen: list[int], date: str = "20270115") -> None:
    for amount_fen in amounts_fen:
        till.pay(till.ask(LI, amount_fen, date=date))
    till.send()


def taken_fen(bank: Bank) -> int:
    return PAID_IN_FEN - bank.balance(LI)


def test_of_one_person_so_many_payments_a_date_are_captured_whichever_tills_say_so(bank: Bank) -> None:
    one, two = till_of(bank, 1), till_of(bank, 2)
    sell(one, [1] * OF_ONE_DATE.payments)
    assert (taken_fen(bank), bank.alarms()) == (OF_ONE_DATE.payments, set())
    sell(one, [1] * 3)
    sell(two, [1] * 3)
    assert (taken_fen(bank), bank.alarms()) == (OF_ONE_DATE.payments, {"payment-unproven"})
    contested = [each for each in bank.intents().values() if each.state is State.CONTESTED]
    assert {each.flags for each in contested} == {"no-hold,unproven,unproven-bound"}
    assert len(contested) == 6
    sell(two, [1], date="20270116")
    two.pay(two.ask(WANG, 5))
    two.send()
    assert (taken_fen(bank), bank.balance(WANG)) == (OF_ONE_DATE.payments + 1, -5), "another date, another person"


def test_their_sum_is_bounded_as_well_and_what_goes_back_counts_no_more(bank: Bank) -> None:
    till = till_of(bank, 1)
    large = till.ask(LI, UNPROVEN_CAP_FEN)
    till.pay(large)
    sell(till, [UNPROVEN_CAP_FEN - 1, 2])
    assert taken_fen(bank) == 2 * UNPROVEN_CAP_FEN - 1 == OF_ONE_DATE.sum_fen - 1
    till.reverse(large)
    sell(till, [2])
    assert taken_fen(bank) == UNPROVEN_CAP_FEN + 1


def test_dates_that_a_till_invents_take_no_more_than_what_may_come_in_a_day(bank: Bank) -> None:
    till = till_of(bank, 1)
    for day in range(1, 9):
        sell(till, [UNPROVEN_CAP_FEN] * 2, date=f"202612{day:02d}")
    assert taken_fen(bank) == OF_ANY_DATES.sum_fen
    bank.now_ms += DAY_MS
    sell(till, [1])
    assert taken_fen(bank) == OF_ANY_DATES.sum_fen + 1


def test_a_refund_makes_no_payment_one_that_came_today(bank: Bank) -> None:
    till = till_of(bank, 1)
    payments = [
        till.ask(LI, UNPROVEN_CAP_FEN, {"account": UNPROVEN_CAP_FEN}, date=f"202612{day:02d}")
        for day in range(1, 6)
        for _ in range(2)
    ]
    for payment in payments:
        till.pay(payment)
    till.send()
    assert taken_fen(bank) == OF_ANY_DATES.sum_fen
    bank.now_ms += DAY_MS
    for payment in payments:
        till.refund(payment, {"account": 1})
    sell(till, [UNPROVEN_CAP_FEN])
    assert taken_fen(bank) == OF_ANY_DATES.sum_fen - len(payments) + UNPROVEN_CAP_FEN
    assert bank.alarms() == set()


def test_what_a_person_decides_is_captured_and_leaves_the_bound_as_it_was(bank: Bank) -> None:
    till = till_of(bank, 1)
    sell(till, [1] * (OF_ONE_DATE.payments + 1))
    (beyond,) = (each for each in bank.intents().values() if each.state is State.CONTESTED)
    with bank.store.transaction() as transaction:
        assert Holds(transaction, till.name, bank.now_ms).decide(beyond.intent_id, capture=True)
    assert taken_fen(bank) == OF_ONE_DATE.payments + 1


def test_what_names_nobody_is_everybodys_and_has_no_bound(bank: Bank) -> None:
    till = till_of(bank, 1)
    for _ in range(OF_ONE_DATE.payments + 5):
        till.pay(till.ask(None, 1))
    till.send()
    assert (bank.balance(NOBODY), bank.alarms()) == (-OF_ONE_DATE.payments - 5, set())
