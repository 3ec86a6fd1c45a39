"""What the platform says to questions about balances, loans and foreign codes, and that it says it once."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose
from agent.cose import Es256Signer, VerifyKey
from agent.question_forms import code_sealer
from agent.sync.contract import Address, Balance, Channel, Declined, QueryBalance, Reply, Resolve
from agent.sync.contract.questions import Renew, Renewed, Resolved
from tests.tools.platform.tills import ASKED_FOR_MS, CARD, LI, WANG, Bank, Till
from tools.platform import foreign_codes, given, loans
from tools.platform.ca import Authority
from tools.platform.evidence import Judge
from tools.platform.given import MAX_AHEAD_MS
from tools.platform.issuers import trust_in
from tools.platform.ledger import block
from tools.platform.loans import DAY_MS, ONCE_MS
from tools.platform.store import Store

CODE = "28" + "7" * 26
ITEM = "31415926"


@pytest.fixture
def bank(store: Store, signer: Es256Signer, authority: Authority) -> Bank:
    bank = Bank(store, signer, Judge(authority.load_sealing_key(), trust_in(authority.issuers)))
    with store.transaction() as transaction:
        loans.add(transaction, ITEM, LI, bank.now_ms + DAY_MS, 30, 2)
        foreign_codes.add(transaction, CODE, LI, bank.now_ms + DAY_MS)
    return bank


@pytest.fixture
def library(bank: Bank) -> Till:
    return Till(bank, "library-1")


class Asking:
    """Questions of one terminal, each with a nonce of its own."""

    def __init__(self, till: Till, key: ec.EllipticCurvePublicKey, first_nonce: int = 1) -> None:
        self.till = till
        self._seal = code_sealer(till.name, lambda: cose.keyring([VerifyKey.of(key)]))
        self._nonces = itertools.count(first_nonce)

    def life(self) -> dict[str, Any]:
        now_ms = self.till.bank.now_ms
        nonce = next(self._nonces).to_bytes(16, "big")
        return {"nonce": nonce, "asked_ms": now_ms, "expires_ms": now_ms + ASKED_FOR_MS}

    def renew(self, item: str = ITEM, owner: Any = LI) -> Reply:
        return self.till.put(Renew(**self.life(), loan=item, subject=owner).encode())

    def resolve(self, text: str, *, nonce: bytes | None = None) -> Reply:
        life = self.life()
        sealed = self._seal(text.encode(), nonce or life["nonce"])
        assert sealed is not None
        return self.till.put(Resolve(**life, kid=sealed[0], sealed=sealed[1]).encode())


@pytest.fixture
def asking(library: Till, authority: Authority) -> Asking:
    return Asking(library, authority.load_sealing_key().public_key())


def code_of(reply: Reply) -> str:
    assert isinstance(reply, Declined), reply
    return reply.code


def test_a_loan_is_renewed_by_its_reader_until_no_renewal_is_left(asking: Asking) -> None:
    bank = asking.till.bank
    due_ms = bank.now_ms + DAY_MS
    for _ in range(2):
        due_ms += 30 * DAY_MS
        reply = asking.renew()
        assert isinstance(reply, Renewed)
        assert reply.due_ms == due_ms
        bank.now_ms += ONCE_MS
    assert code_of(asking.renew()) == "renewals-used-up"


def test_a_terminal_that_did_not_hear_the_reply_and_asks_anew_renews_once(asking: Asking) -> None:
    first, second = asking.renew(), asking.renew()
    assert isinstance(first, Renewed)
    assert isinstance(second, Renewed)
    assert first.due_ms == second.due_ms
    with asking.till.bank.store.transaction() as transaction:
        (loan,) = loans.loans(transaction)
    assert loan.renewals_left == 1


def test_whose_a_loan_is_nobody_else_is_told(asking: Asking) -> None:
    answers = {code_of(asking.renew(owner=WANG)), code_of(asking.renew(owner=None)), code_of(asking.renew("2718"))}
    assert answers == {"loan-unknown"}


def test_what_is_overdue_is_not_renewed(asking: Asking) -> None:
    asking.till.bank.now_ms += DAY_MS + 1
    assert code_of(asking.renew()) == "loan-overdue"


def test_a_question_that_comes_twice_gets_the_same_reply_and_acts_once(asking: Asking) -> None:
    bank, till = asking.till.bank, asking.till
    bank.pay_in(LI, 500)
    bank.card()
    renewal = Renew(**asking.life(), loan=ITEM, medium=CARD, subject=LI).encode()
    balance = QueryBalance(**asking.life(), medium=CARD, subject=LI).encode()
    first = till.put(renewal), till.put(balance)
    bank.pay_in(LI, 500)
    bank.now_ms += ASKED_FOR_MS
    assert (till.put(renewal), till.put(balance)) == first
    with bank.store.transaction() as transaction:
        (loan,) = loans.loans(transaction)
    assert loan.renewals_left == 1


def test_another_question_under_a_used_nonce_is_declined(asking: Asking) -> None:
    life = asking.life()
    assert isinstance(asking.till.put(Renew(**life, loan=ITEM, subject=LI).encode()), Renewed)
    assert code_of(asking.till.put(Renew(**life, loan=ITEM, subject=WANG).encode())) == "nonce-reused"


def test_a_nonce_is_its_terminals_own(asking: Asking) -> None:
    question = Renew(**asking.life(), loan=ITEM, subject=LI).encode()
    asking.till.put(question)
    other = Till(asking.till.bank, "library-2").put(question)
    assert other.terminal == "library-2"


def test_after_its_end_a_question_is_expired_and_its_reply_goes(asking: Asking) -> None:
    bank = asking.till.bank
    question = Renew(**asking.life(), loan=ITEM, subject=LI).encode()
    asking.till.put(question)
    bank.now_ms += ASKED_FOR_MS + 1
    assert code_of(asking.till.put(question)) == "expired"
    asking.renew("2718")
    with bank.store.transaction() as transaction:
        assert len(transaction.connection.execute(given.given_table.select()).all()) == 1


def test_a_terminal_far_ahead_of_the_platforms_time_is_answered_nothing(asking: Asking) -> None:
    life = asking.life()
    ahead = {"asked_ms": life["asked_ms"] + MAX_AHEAD_MS + 1, "expires_ms": life["expires_ms"] + MAX_AHEAD_MS + 1}
    assert code_of(asking.till.put(Renew(**life | ahead, loan=ITEM, subject=LI).encode())) == "from-future"


def test_the_replies_that_are_kept_are_bounded(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "MAX_KEPT", 3)
    replies = [asking.renew("2718") for _ in range(4)]
    assert [code_of(reply) for reply in replies] == ["loan-unknown"] * 3 + ["too-many"]


def test_a_foreign_code_is_the_persons_for_whom_it_stands(asking: Asking) -> None:
    reply = asking.resolve(CODE)
    assert isinstance(reply, Resolved)
    assert reply.subject == LI
    assert code_of(asking.resolve(CODE[:-1])) == "code-unknown"
    asking.till.bank.now_ms += DAY_MS + 1
    assert code_of(asking.resolve(CODE)) == "code-unknown"


def test_a_code_sealed_for_another_question_terminal_or_key_is_not_opened(asking: Asking, authority: Authority) -> None:
    sealing = authority.load_sealing_key().public_key()
    assert code_of(asking.resolve(CODE, nonce=b"x" * 16)) == "unreadable"
    thief = Asking(Till(asking.till.bank, "thief"), sealing, 100)
    thief.till.name = "library-1"
    assert code_of(thief.resolve(CODE)) == "unreadable"
    stranger = Asking(asking.till, ec.generate_private_key(ec.SECP256R1()).public_key(), 200)
    assert code_of(stranger.resolve(CODE)) == "unreadable"
    life = asking.life()
    assert code_of(asking.till.put(Resolve(**life, kid=cose.key_id(sealing), sealed=b"s").encode())) == "unreadable"


def test_a_platform_without_the_key_opens_no_codes(store: Store, signer: Es256Signer, asking: Asking) -> None:
    asking.till.bank = Bank(store, signer)
    assert code_of(asking.resolve(CODE)) == "unsupported"


def test_the_text_of_a_foreign_code_is_nowhere_in_the_database(bank: Bank, asking: Asking) -> None:
    asking.resolve(CODE)
    with bank.store.transaction() as transaction:
        for table in (foreign_codes.foreign_code_table, given.given_table):
            for row in transaction.connection.execute(table.select()):
                assert CODE not in repr(row)
                assert CODE.encode() not in b"".join(value for value in row if isinstance(value, bytes))


def test_a_balance_is_what_may_be_spent_and_never_arrears(asking: Asking) -> None:
    bank, till = asking.till.bank, asking.till
    bank.pay_in(LI, -300)
    bank.card()
    reply = till.put(QueryBalance(**asking.life(), medium=CARD, subject=LI).encode())
    assert isinstance(reply, Balance)
    assert reply.balance_fen == 0
    with bank.store.transaction() as transaction:
        block(transaction, LI, blocked=True)
    assert code_of(till.put(QueryBalance(**asking.life(), medium=CARD).encode())) == "account-blocked"


def test_what_is_no_question_leaves_no_reply(bank: Bank) -> None:
    assert bank.ingest.handle(Address("library-1").topic(Channel.ASK), b"\xa0") is None
