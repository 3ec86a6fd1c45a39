"""Every way of an intent at the platform: of each state, what each event makes of it, and what moves in the account."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.cose import Es256Signer
from tests.tools.platform.tills import LI, REGISTRATION, Bank, Payment, Till
from tools.platform.holds import HOLD_MS, Holds
from tools.platform.intents import State
from tools.platform.store import Store

PAID_IN, AMOUNT, PART = 100_000, 100, 40
TOO_MUCH = PAID_IN + 1
A, B, C, D, E, F, G, H = State

HEAD = "asked held declined expired captured contested released reversed"
WAYS: dict[str, tuple[State, ...]] = {
    #             asked held declined expired captured contested released reversed
    "question":   (B,    B,   C,       D,      E,       F,        G,       H),
    "payment":    (E,    E,   E,       E,      E,       F,        G,       H),
    "reversal":   (G,    G,   G,       G,      H,       G,        G,       H),
    "release":    (G,    G,   C,       G,      E,       F,        G,       H),
    "refund":     (A,    B,   C,       D,      E,       F,        G,       H),
    "time":       (A,    D,   C,       D,      E,       F,        G,       H),
    "a yes":      (A,    B,   C,       D,      E,       E,        G,       H),
    "a no":       (A,    B,   C,       D,      E,       G,        G,       H),
}  # fmt: skip
"""``a yes`` and ``a no`` are a person's, on what is contested."""


def reach(state: State, bank: Bank, till: Till) -> Payment:
    """A payment whose intent is in this state."""
    payment = till.ask(LI, TOO_MUCH if state is State.DECLINED else AMOUNT)
    if state not in (State.ASKED, State.CONTESTED):
        till.put(payment.question)
    if state in (State.CAPTURED, State.CONTESTED, State.REVERSED):
        till.pay(payment)
    if state is State.REVERSED:
        till.reverse(payment)
    if state is State.RELEASED:
        till.release(payment)
    if state is State.EXPIRED:
        bank.now_ms += HOLD_MS
    if state is State.CONTESTED:  # the till sells for whom it is not registered
        bank.register(till.name, REGISTRATION.model_copy(update={"merchants": frozenset()}))
    till.send()
    bank.register(till.name, REGISTRATION)
    assert bank.intents()[payment.intent_id].state is state
    return payment


def decide(bank: Bank, till: Till, payment: Payment, *, capture: bool) -> None:
    was = bank.intents()[payment.intent_id].state
    with bank.store.transaction() as transaction:
        holds = Holds(transaction, till.name, bank.now_ms)
        assert holds.decide(payment.intent_id, capture=capture) is (was is State.CONTESTED)


def happen(event: str, bank: Bank, till: Till, payment: Payment) -> None:
    records: dict[str, Callable[[Payment], bytes]] = {
        "payment": till.pay,
        "reversal": till.reverse,
        "release": till.release,
        "refund": lambda paid: till.refund(paid, {"account": PART}),
    }
    if event in records:
        records[event](payment)
        till.send()
    elif event == "question":
        till.put(payment.question)
    elif event == "time":
        bank.now_ms += HOLD_MS
    else:
        decide(bank, till, payment, capture=event == "a yes")


def moved_fen(before: State, after: State, payment: Payment, event: str) -> int:
    """What the account has more after it."""
    if (before, event) == (State.CAPTURED, "refund"):
        return PART
    return payment.amount_fen * ((before is State.CAPTURED) - (after is State.CAPTURED))


@pytest.mark.parametrize("state", State)
def test_each_event_makes_of_each_state_what_the_table_says_and_moves_as_much(
    state: State, store: Store, signer: Es256Signer
) -> None:
    bank = Bank(store, signer)
    bank.pay_in(LI, PAID_IN)
    till = Till(bank)
    till.greet()
    for event, after in WAYS.items():
        payment, expected = reach(state, bank, till), after[list(State).index(state)]
        before_fen = bank.balance(LI)
        happen(event, bank, till, payment)
        assert bank.intents()[payment.intent_id].state is expected, event
        assert bank.balance(LI) - before_fen == moved_fen(state, expected, payment, event), event


def test_the_table_leaves_no_state_out() -> None:
    named = (A, B, C, D, E, F, G, H)
    assert [state.value for state in named] == HEAD.split()
    assert {len(after) for after in WAYS.values()} == {len(State)}
