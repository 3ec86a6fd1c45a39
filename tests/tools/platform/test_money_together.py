"""Tills that pay from one account at the same moment, each at a worker of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from agent.cose import Es256Signer
from agent.sync.contract import Authorised, Declined
from tests.tools.platform.tills import LI, WANG, Bank, Till
from tools.platform.intents import State
from tools.platform.store import Store

WORKERS = 4
PAYMENTS = 12


def at_once(doings: list[Callable[[], None]]) -> None:
    """Begin together, and pass on what fails."""
    start, failures = threading.Barrier(len(doings)), list[BaseException]()

    def run(doing: Callable[[], None]) -> None:
        try:
            start.wait(20)
            doing()
        except BaseException as error:  # noqa: BLE001 -- told by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=run, args=(doing,)) for doing in doings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


def tills(store: Store, signer: Es256Signer) -> list[Till]:
    made = [Till(Bank(store, signer), f"till-{number}", seed=number) for number in range(WORKERS)]
    for till in made:
        till.greet()
    return made


def test_the_last_money_of_an_account_is_held_for_one_till_only(store: Store, signer: Es256Signer) -> None:
    several = tills(store, signer)
    for _ in range(PAYMENTS):
        several[0].bank.pay_in(LI, 100)
        payments = [till.ask(LI, 100) for till in several]
        replies: dict[str, object] = {}

        def put(till: Till, question: bytes, heard: dict[str, object] = replies) -> None:
            heard[till.name] = till.put(question)

        at_once([partial(put, till, payment.question) for till, payment in zip(several, payments, strict=True)])
        (winner,) = [at for at, till in enumerate(several) if isinstance(replies[till.name], Authorised)]
        assert sum(isinstance(reply, Declined) for reply in replies.values()) == WORKERS - 1
        several[winner].pay(payments[winner])
        several[winner].send()


def test_payments_from_the_same_accounts_in_any_order_are_all_captured_once(store: Store, signer: Es256Signer) -> None:
    several = tills(store, signer)
    several[0].bank.pay_in(LI, 10_000)
    several[0].bank.pay_in(WANG, 10_000)
    for number, till in enumerate(several):
        for _ in range(PAYMENTS):
            for owner in (LI, WANG) if number % 2 else (WANG, LI):
                till.pay(till.ask(owner, 10))

    def bring(till: Till) -> None:
        for last in range(1, len(till.records) + 1, 4):
            till.send(max(1, last - 4), last)
        till.send()

    at_once([partial(bring, till) for till in several])
    bank = several[0].bank
    assert (bank.balance(LI), bank.balance(WANG)) == (10_000 - WORKERS * PAYMENTS * 10,) * 2
    assert {intent.state for intent in bank.intents().values()} == {State.CAPTURED}
    assert bank.alarms() == set()
