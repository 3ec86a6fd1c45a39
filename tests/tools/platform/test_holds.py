"""What becomes of a payment at the platform: asked, held, captured once, given back, and never kept open for ever."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.cose import Es256Signer
from agent.sync.contract import (
    Address,
    Authorise,
    Authorised,
    Balance,
    Channel,
    Declined,
    QueryBalance,
    decode_question,
)
from offline_store.record import Entry
from offline_store.rescue import CARRIED
from tests.tools.platform.tills import CARD, LI, STRANGER, WANG, Bank, Till
from tools.platform.ca import Authority
from tools.platform.evidence import Judge
from tools.platform.holds import HOLD_MS, UNPROVEN_CAP_FEN
from tools.platform.intents import MAX_FLAGS_CHARS, Intent, State
from tools.platform.issuers import trust_in
from tools.platform.ledger import block
from tools.platform.store import Store
from tools.platform.unproven import DECIDED, UNPROVEN


@pytest.fixture
def bank(store: Store, signer: Es256Signer) -> Bank:
    bank = Bank(store, signer)
    bank.pay_in(LI, 2000)
    return bank


@pytest.fixture
def till(bank: Bank) -> Till:
    till = Till(bank)
    till.greet()
    return till


def declined(reply: object) -> str:
    assert isinstance(reply, Declined), reply
    return reply.code


def test_an_authorisation_is_a_hold_that_only_the_journals_payment_captures(bank: Bank, till: Till) -> None:
    payment = till.ask()
    reply = till.put(payment.question)
    assert isinstance(reply, Authorised)
    assert (reply.amount_fen, reply.balance_fen, reply.until_ms) == (1250, 750, bank.now_ms + HOLD_MS)
    assert bank.balance(LI) == 2000
    till.pay(payment)
    till.send()
    assert bank.balance(LI) == 750
    assert bank.intents()[payment.intent_id].state is State.CAPTURED
    assert bank.intents()[payment.intent_id].flags == ""
    assert bank.alarms() == set()


def test_a_question_put_again_gets_the_same_answer_and_holds_nothing_twice(bank: Bank, till: Till) -> None:
    payment = till.ask(amount_fen=1500)
    first = till.put(payment.question)
    bank.now_ms += 1_000
    again = till.put(payment.question)
    assert isinstance(first, Authorised)
    assert isinstance(again, Authorised)
    assert (again.until_ms, again.balance_fen) == (first.until_ms, first.balance_fen)
    beyond = till.ask(amount_fen=600)
    assert declined(till.put(beyond.question)) == "insufficient-funds"
    bank.pay_in(LI, 10_000)
    assert declined(till.put(beyond.question)) == "insufficient-funds"


def test_a_question_that_comes_after_its_end_is_rejected_and_holds_nothing(bank: Bank, till: Till) -> None:
    payment = till.ask()
    bank.now_ms += 2_001
    assert declined(till.put(payment.question)) == "expired"
    assert bank.intents() == {}


def test_holds_count_against_the_balance_until_they_expire(bank: Bank, till: Till) -> None:
    assert isinstance(till.put(till.ask(amount_fen=1500).question), Authorised)
    assert declined(till.put(till.ask(amount_fen=501).question)) == "insufficient-funds"
    bank.now_ms += HOLD_MS
    assert isinstance(till.put(till.ask(amount_fen=2000).question), Authorised)


def test_a_payment_after_its_hold_has_expired_is_captured_all_the_same_and_flagged(bank: Bank, till: Till) -> None:
    payment = till.ask()
    till.put(payment.question)
    bank.now_ms += HOLD_MS
    assert bank.intents()[payment.intent_id].state is State.EXPIRED
    till.pay(payment)
    till.send()
    assert bank.balance(LI) == 750
    assert bank.intents()[payment.intent_id].flags == "no-hold"


def test_an_offline_payment_is_captured_and_what_the_balance_does_not_cover_is_arrears(bank: Bank, till: Till) -> None:
    payment = till.ask(amount_fen=2500)
    till.pay(payment)
    till.send()
    assert bank.balance(LI) == -500
    assert bank.intents()[payment.intent_id].flags == "no-hold,arrears"


def test_an_offline_payment_of_somebody_without_an_account_is_not_lost_from_sight(bank: Bank, till: Till) -> None:
    assert declined(till.put(till.ask(STRANGER).question)) == "account-unknown"
    till.pay(till.ask(WANG, 300))
    till.pay(till.ask(None, 40))
    till.send()
    assert bank.balance(WANG) == -300
    assert bank.balance(("", b"")) == -40
    assert declined(till.put(till.ask(None, 1).question)) == "account-unknown"


def test_a_batch_that_comes_twice_captures_once(bank: Bank, till: Till) -> None:
    till.pay(till.ask())
    till.send()
    till.send()
    till.send(2)
    assert bank.balance(LI) == 750


def test_a_second_payment_record_of_one_intent_captures_nothing_and_alarms(bank: Bank, till: Till) -> None:
    payment = till.ask()
    till.pay(payment)
    till.pay(payment)
    till.send()
    assert bank.balance(LI) == 750
    assert bank.alarms() == {"payment-repeated"}


def test_a_reversal_ends_the_hold_and_nothing_holds_again(bank: Bank, till: Till) -> None:
    payment = till.ask(amount_fen=2000)
    till.put(payment.question)
    till.reverse(payment)
    till.send()
    assert bank.intents()[payment.intent_id].state is State.RELEASED
    assert isinstance(till.put(till.ask(amount_fen=2000).question), Authorised)
    assert declined(till.put(payment.question)) == "intent-ended"


def test_a_question_that_the_broker_delivers_after_the_reversal_holds_nothing(bank: Bank, till: Till) -> None:
    payment = till.ask()
    till.reverse(payment)
    till.send()
    assert declined(till.put(payment.question)) == "intent-ended"
    assert bank.intents(only_open=True) == {}


def test_a_reversal_of_a_captured_payment_gives_it_back_once(bank: Bank, till: Till) -> None:
    payment = till.ask()
    till.pay(payment)
    till.reverse(payment)
    till.reverse(payment)
    till.send()
    assert bank.balance(LI) == 2000
    assert bank.intents()[payment.intent_id].state is State.REVERSED
    assert bank.alarms() == set()


def test_a_payment_after_its_reversal_is_not_captured(bank: Bank, till: Till) -> None:
    payment = till.ask()
    till.reverse(payment)
    till.pay(payment)
    till.send()
    assert bank.balance(LI) == 2000
    assert bank.alarms() == {"payment-after-reversal"}


def test_a_release_ends_a_hold_and_leaves_a_payment_as_it_is(bank: Bank, till: Till) -> None:
    paid, given_up = till.ask(amount_fen=100), till.ask(amount_fen=200)
    for payment in (paid, given_up):
        till.put(payment.question)
    till.pay(paid)
    till.release(paid)
    till.release(given_up)
    till.send()
    assert bank.balance(LI) == 1900
    assert bank.intents()[paid.intent_id].state is State.CAPTURED
    assert bank.intents()[given_up.intent_id].state is State.RELEASED


def test_a_payment_of_another_amount_or_person_than_asked_for_alarms(bank: Bank, till: Till) -> None:
    payment = till.ask(amount_fen=100)
    till.put(payment.question)
    till.pay(payment, 1900)
    till.send()
    assert bank.balance(LI) == 100
    assert bank.alarms() == {"payment-differs"}
    assert "amount-differs" in bank.intents()[payment.intent_id].flags


def test_a_payment_that_the_platform_had_declined_alarms(bank: Bank, till: Till) -> None:
    payment = till.ask(amount_fen=5000)
    assert declined(till.put(payment.question)) == "insufficient-funds"
    till.pay(payment)
    till.send()
    assert bank.alarms() == {"payment-declined"}
    assert bank.balance(LI) == -3000


def test_a_negative_payment_gives_nobody_money(bank: Bank, till: Till) -> None:
    till.pay(till.ask(), -100_000)
    till.send()
    assert bank.balance(LI) == 2000
    assert bank.alarms() == {"payment-differs"}


def test_one_intent_asked_for_with_other_terms_is_declined(bank: Bank, till: Till) -> None:
    payment = till.ask(amount_fen=100)
    till.put(payment.question)
    changes: list[dict[str, object]] = [{"amount_fen": 2000}, {"subject": WANG}, {"merchant": "elsewhere"}]
    for change in changes:
        question = decode_question(payment.question)
        assert isinstance(question, Authorise)
        other = question.model_copy(update=change)
        assert declined(till.put(other.encode())) == "nonce-reused"
        other = other.model_copy(update={"nonce": till.random.token(16)})
        assert declined(till.put(other.encode())) == "intent-differs"
    assert bank.intents()[payment.intent_id].amount_fen == 100


def test_another_terminals_intent_of_the_same_id_is_another_intent(bank: Bank, till: Till) -> None:
    payment = till.ask(amount_fen=100)
    other = Till(bank, "till-2", seed=2)
    other.greet()
    other.reverse(payment)
    other.send()
    till.pay(payment)
    till.send()
    assert bank.balance(LI) == 1900


def test_a_large_payment_that_nothing_proves_is_declined_and_contested_also_where_less_was_authorised(
    store: Store, signer: Es256Signer, authority: Authority
) -> None:
    bank = Bank(store, signer, Judge(authority.load_sealing_key(), trust_in(authority.issuers)))
    till = Till(bank)
    till.greet()
    bank.pay_in(LI, 100 * UNPROVEN_CAP_FEN)
    small, large = till.ask(WANG, UNPROVEN_CAP_FEN), till.ask(WANG, UNPROVEN_CAP_FEN + 1)
    asked, raised = till.ask(LI, UNPROVEN_CAP_FEN + 1), till.ask(LI, 1)
    assert declined(till.put(asked.question)) == "not-proven"
    assert isinstance(till.put(raised.question), Authorised)
    for payment in (small, large, asked):
        till.pay(payment)
    till.pay(raised, 50 * UNPROVEN_CAP_FEN)
    till.send()
    assert bank.balance(WANG) == -UNPROVEN_CAP_FEN
    assert bank.balance(LI) == 100 * UNPROVEN_CAP_FEN
    for payment in (large, asked, raised):
        assert bank.intents()[payment.intent_id].state is State.CONTESTED
    assert bank.alarms() == {"payment-contested"}
    assert {"unproven", "no-hold"} <= set(bank.intents()[small.intent_id].flags.split(","))
    till.reverse(large)
    till.send()
    assert bank.intents()[large.intent_id].state is State.RELEASED


def test_what_a_rescued_journal_carries_over_is_captured_once_and_never_lost(bank: Bank, till: Till) -> None:
    payment = till.ask()
    till.pay(payment)
    old = till.records[1:]
    till.send()
    later = Till(bank, seed=7)
    later.greet()
    unsent = till.ask(amount_fen=50)
    till.pay(unsent)
    for record in (*old, *till.records[3:]):
        carried = Entry(
            id=later._id(),
            kind=CARRIED,
            time_ms=bank.now_ms,
            time_quality="synchronised",
            monotonic_ms=0,
            refers_to=record.entry.id,
            public={"record": record.to_bytes()},
        )
        later.append(carried)
    later.send()
    assert bank.balance(LI) == 700
    assert "payment-repeated" not in bank.alarms()


def test_a_balance_is_what_holds_leave_of_it(bank: Bank, till: Till) -> None:
    till.put(till.ask(amount_fen=300).question)
    life: Any = {"nonce": b"n" * 16, "asked_ms": bank.now_ms, "expires_ms": bank.now_ms + 1_000}
    bank.card()
    bank.card(WANG, b"d" * 16)
    reply = till.put(QueryBalance(**life, medium=CARD, subject=LI).encode())
    assert isinstance(reply, Balance)
    assert reply.balance_fen == 1700
    nobody = QueryBalance(**life | {"nonce": b"o" * 16}, medium=b"d" * 16, subject=WANG)
    assert declined(till.put(nobody.encode())) == "account-unknown"


def test_a_blocked_account_pays_nothing_online(bank: Bank, till: Till) -> None:
    with bank.store.transaction() as transaction:
        assert block(transaction, LI, blocked=True)
        assert not block(transaction, WANG, blocked=True)
    assert declined(till.put(till.ask().question)) == "account-blocked"


def test_an_intent_that_was_recorded_and_never_ended_is_shown_as_open(bank: Bank, till: Till) -> None:
    asked, held, paid = till.ask(amount_fen=1), till.ask(amount_fen=2), till.ask(amount_fen=3)
    till.put(held.question)
    till.pay(paid)
    till.send()
    assert bank.intents(only_open=True).keys() == {asked.intent_id, held.intent_id}
    bank.now_ms += HOLD_MS
    assert bank.intents(only_open=True).keys() == {asked.intent_id}


def test_a_message_that_is_no_question_is_counted_and_not_answered(bank: Bank, till: Till) -> None:
    for payload in (b"", b"\xa0", till.records[0].to_bytes()):
        assert bank.ingest.handle(Address(till.name).topic(Channel.ASK), payload) is None
    assert bank.alarms() == {"malformed"}


def test_flags_never_outgrow_their_column_and_are_cut_between_two() -> None:
    intent = Intent("till-1", bytes(16), State.CAPTURED, 1, "shop", "20260101", "city", bytes(16))
    flagged = intent.flagged(*(f"flag-{number:02}" for number in range(40)), "flag-00")
    assert len(flagged) <= MAX_FLAGS_CHARS
    assert flagged.split(",") == [f"flag-{number:02}" for number in range(15)]


def test_no_flag_is_cut_by_which_money_is_counted() -> None:
    intent = Intent("till-1", bytes(16), State.CAPTURED, 1, "shop", "20260101", "city", bytes(16))
    full = replace(intent, flags=intent.flagged(*(f"flag-{number:02}" for number in range(40))))
    flagged = replace(full, flags=full.flagged("settles", "split", "refunded", DECIDED, UNPROVEN))
    assert (flagged.settles, flagged.has_shares) == (True, True)
    assert {DECIDED, UNPROVEN, "refunded", "flag-00"} <= set(flagged.flags.split(","))
    assert len(flagged.flags) <= MAX_FLAGS_CHARS
