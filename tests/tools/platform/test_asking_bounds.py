"""What a terminal may ask for, how much at once, and by whose evidence: each refusal has a name and holds nothing."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from agent import cose
from agent.cose import Es256Signer, VerifyKey
from agent.credentials.evidence import CodeEvidence
from agent.question_forms import Seal, code_sealer
from agent.signatures import Algorithm
from agent.sync.contract import Authorise, Authorised, Balance, Declined, QueryBalance, Reply
from profiles.purpose import Purpose
from tests.tools.platform.chains import NOW_MS
from tests.tools.platform.test_evidence import row_file
from tests.tools.platform.tills import DATE, LI, MERCHANT, REGISTRATION, WANG, Bank, Till
from tools.city import Issuer, Phone
from tools.cli import code_files
from tools.platform import asking, issuers
from tools.platform.accounts import account_of
from tools.platform.asking import HOUR_MS, KEPT_MS, MAX_FRUITLESS_HOLDS, MAX_UNPROVEN_HOLDS, asked_table
from tools.platform.ca import Authority
from tools.platform.evidence import Judge
from tools.platform.holds import HOLD_MS, UNPROVEN_CAP_FEN
from tools.platform.intents import State
from tools.platform.ledger import Owner
from tools.platform.registrations import Registration, forbid
from tools.platform.store import Store

CITY = Issuer.found(1, Algorithm.ES256, NOW_MS)
PHONE = Phone(CITY, CITY.grant(5, (), NOW_MS // 1000 - 60))
TOKEN = PHONE.grant.token
PERSON: Owner = (CITY.row.namespace, b"p" * 16)
RICH_FEN = 100 * UNPROVEN_CAP_FEN
LIS: Any = {"medium": b"l" * 16, "subject": LI}
WANGS: Any = {"medium": b"w" * 16, "subject": WANG}
"""Their cards, which prove nothing."""


@pytest.fixture
def bank(tmp_path: Path, store: Store, signer: Es256Signer, authority: Authority) -> Bank:
    row = tmp_path / "row.json"
    code_files.write(row, row_file(CITY))
    issuers.add(authority.issuers, row)
    bank = Bank(store, signer, Judge(authority.load_sealing_key(), issuers.trust_in(authority.issuers)))
    for owner in (LI, WANG, PERSON):
        bank.pay_in(owner, RICH_FEN)
    bank.card(PERSON, TOKEN)
    for card in (LIS, WANGS):
        bank.card(card["subject"], card["medium"])
    return bank


class Asker:
    """The questions of one till, with a phone before it."""

    def __init__(
        self, bank: Bank, authority: Authority, name: str = "till-1", registration: Registration | None = REGISTRATION
    ) -> None:
        self.till = Till(bank, name, registration=registration)
        self.till.greet()
        key = VerifyKey.of(authority.load_sealing_key().public_key())
        self.seal: Seal = code_sealer(name, lambda: cose.keyring([key]))
        self._numbers = itertools.count(1)

    def life(self) -> dict[str, Any]:
        now_ms = self.till.bank.now_ms
        nonce = next(self._numbers).to_bytes(16, "big")
        return {"nonce": nonce, "asked_ms": now_ms, "expires_ms": now_ms + 1_000}

    def shown(self, at_s: int | None = None) -> str:
        return PHONE.code(self.till.bank.now_ms // 1000 - 1 if at_s is None else at_s)

    def pay(self, amount_fen: int = 100, text: str | None = None, **changes: Any) -> Reply:
        """Of whoever has the phone, unless the changes name another."""
        life = self.life()
        values = {"intent_id": b"i" * 8 + life["nonce"][8:], "amount_fen": amount_fen, "merchant": MERCHANT,
                  "business_date": DATE, "medium": TOKEN, "subject": PERSON}  # fmt: skip
        evidence = None if text is None else self.seal(CodeEvidence(text).encode(), life["nonce"])
        return self.till.put(Authorise(**life | values | {"evidence": evidence} | changes).encode())

    def balance(self, text: str | None = None, **changes: Any) -> Reply:
        life = self.life()
        evidence = None if text is None else self.seal(CodeEvidence(text).encode(), life["nonce"])
        values = {"medium": TOKEN, "subject": PERSON, "evidence": evidence}
        return self.till.put(QueryBalance(**life | values | changes).encode())


@pytest.fixture
def asker(bank: Bank, authority: Authority) -> Asker:
    return Asker(bank, authority)


def code_of(reply: Reply) -> str:
    assert isinstance(reply, Declined), reply
    return reply.code


# Registration ---------------------------------------------------------------------------------------------------------


def test_a_terminal_that_nobody_registered_asks_for_nothing_and_what_it_sells_is_contested(
    bank: Bank, authority: Authority
) -> None:
    thief = Asker(bank, authority, "thief", registration=None)
    assert code_of(thief.pay()) == "terminal-not-registered"
    assert code_of(thief.balance(thief.shown())) == "terminal-not-registered"
    thief.till.medium = LIS["medium"]
    payment = thief.till.ask(LI)
    thief.till.pay(payment)
    thief.till.send()
    found = bank.intents()[payment.intent_id]
    assert (found.state, bank.balance(LI)) == (State.CONTESTED, RICH_FEN)
    assert "not-registered" in found.flags


def test_a_terminal_asks_for_its_own_merchant_funds_and_accounts_only(asker: Asker) -> None:
    assert code_of(asker.pay(merchant="shop-2")) == "merchant-not-registered"
    assert code_of(asker.pay(funds=(("ministry", 40), ("account", 60)))) == "fund-not-registered"
    assert code_of(asker.pay(account="savings")) == "account-not-registered"
    assert code_of(asker.balance(asker.shown(), account="savings")) == "account-not-registered"
    assert isinstance(asker.pay(funds=(("subsidy", 40), ("account", 60))), Authorised)


def test_a_terminal_asks_which_of_a_persons_accounts_pay_only_among_those_it_is_registered_for(
    bank: Bank, authority: Authority
) -> None:
    asker = Asker(bank, authority, registration=REGISTRATION.model_copy(update={"accounts": frozenset({"medical"})}))
    bank.pay_in(account_of(PERSON, "medical"), 500)
    assert isinstance(asker.pay(400, accounts=(("medical", 1_000),)), Authorised)
    assert code_of(asker.pay(100, accounts=(("medical", 50), ("wallet", 50)))) == "account-not-registered"
    told = asker.balance(asker.shown(), account="medical")
    assert isinstance(told, Balance)
    assert told.balance_fen == 100
    assert code_of(asker.balance(asker.shown(), account="debt")) == "account-not-registered"


@pytest.mark.parametrize("namespace", ["fund-subsidy", "city/medical"])
def test_nobody_pays_from_a_fund_or_another_account_by_naming_it_as_a_person(asker: Asker, namespace: str) -> None:
    bank, owner = asker.till.bank, (namespace, b"f" * 16)
    bank.pay_in(owner, 1_000)
    assert code_of(asker.pay(medium=None, subject=owner)) == "wrong-person"
    payment = asker.till.ask(owner)
    asker.till.pay(payment)
    asker.till.send()
    assert bank.intents()[payment.intent_id].state is State.CONTESTED
    assert bank.balance(owner) == 1_000


def test_a_terminal_that_was_stolen_is_forbidden_at_once(asker: Asker) -> None:
    assert isinstance(asker.pay(), Authorised)
    with asker.till.bank.store.transaction() as transaction:
        assert forbid(transaction, asker.till.name)
        assert not forbid(transaction, asker.till.name)
    assert code_of(asker.pay()) == "terminal-not-registered"


# Bounds of a terminal -------------------------------------------------------------------------------------------------


def test_a_terminals_holds_are_bounded_in_number_and_in_sum_until_they_expire(bank: Bank, authority: Authority) -> None:
    small = Asker(bank, authority, registration=REGISTRATION.model_copy(update={"holds": 2, "holds_fen": 1_000}))
    assert isinstance(small.pay(600), Authorised)
    assert code_of(small.pay(401)) == "holds-exceed-limit"
    assert isinstance(small.pay(400, **LIS), Authorised)
    assert code_of(small.pay(1)) == "too-many-holds"
    bank.now_ms += HOLD_MS
    assert isinstance(small.pay(600), Authorised)


def test_questions_about_money_are_bounded_a_minute_and_those_beyond_leave_nothing(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "MAX_A_MINUTE", 3)
    bank = asker.till.bank
    for _ in range(3):
        asker.pay(merchant="shop-2")
    assert code_of(asker.pay()) == code_of(asker.balance(asker.shown())) == "too-many"
    assert len(bank.intents()) == 3
    bank.now_ms += asking.MINUTE_MS
    assert isinstance(asker.pay(), Authorised)


def test_what_was_asked_is_forgotten_when_no_showing_of_it_can_be_fresh(asker: Asker) -> None:
    asker.pay()
    asker.till.bank.now_ms += KEPT_MS + 1
    asker.pay()
    with asker.till.bank.store.transaction() as transaction:
        assert len(transaction.connection.execute(asked_table.select()).all()) == 1


# Evidence -------------------------------------------------------------------------------------------------------------


def test_who_is_proven_to_be_there_may_pay_what_nothing_else_may(asker: Asker) -> None:
    assert code_of(asker.pay(UNPROVEN_CAP_FEN + 1)) == "not-proven"
    assert isinstance(asker.pay(UNPROVEN_CAP_FEN + 1, asker.shown()), Authorised)


def test_a_genuine_code_proves_nobody_but_its_mediums_holder(asker: Asker) -> None:
    stranger = (CITY.row.namespace, b"s" * 16)
    asker.till.bank.pay_in(stranger, RICH_FEN)
    assert code_of(asker.pay(100, asker.shown(), subject=stranger)) == "wrong-person"
    assert code_of(asker.balance(asker.shown(), subject=stranger)) == "wrong-person"
    assert code_of(asker.pay(100, asker.shown(), **WANGS)) == "evidence-forged"


def test_evidence_that_is_wrong_is_a_no_by_its_name(asker: Asker, authority: Authority) -> None:
    bank = asker.till.bank
    assert code_of(asker.pay(100, asker.shown(bank.now_ms // 1000 - 3_600))) == "evidence-stale"
    text = asker.shown()
    assert code_of(asker.pay(100, text[:-1] + ("A" if text[-1] != "A" else "B"))) == "evidence-forged"
    other = Asker(bank, authority, "till-2")
    sealed = other.seal(CodeEvidence(text).encode(), b"n" * 16)
    assert code_of(asker.pay(100, evidence=sealed)) == "evidence-unreadable"
    assert code_of(asker.balance(evidence=(b"k" * 8, b"x"))) == "evidence-unreadable"


def test_one_showing_serves_one_payment_of_one_terminal(asker: Asker, authority: Authority) -> None:
    text, other = asker.shown(), Asker(asker.till.bank, authority, "till-2")
    assert isinstance(asker.balance(text), Balance)
    assert isinstance(asker.pay(100, text), Authorised)
    assert code_of(asker.pay(100, text, intent_id=b"another-intent-2")) == "evidence-reused"
    assert code_of(other.pay(100, text)) == "evidence-reused"
    assert code_of(other.balance(text)) == "evidence-reused"


def test_a_balance_is_told_to_who_is_proven_and_to_a_card_only_where_that_is_allowed(
    bank: Bank, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = Asker(bank, authority, registration=REGISTRATION.model_copy(update={"balances_by_card": False}))
    assert isinstance(strict.balance(strict.shown()), Balance)
    assert code_of(strict.balance()) == "not-proven"
    lax = Asker(bank, authority, "desk-1")
    assert isinstance(lax.balance(), Balance)
    for medium, subject in ((None, PERSON), (None, LI), (b"o" * 16, LI)):
        assert isinstance(lax.balance(medium=medium, subject=subject), Declined), (medium, subject)
    monkeypatch.setattr(asking, "MAX_UNPROVEN_BALANCES", 2)
    assert isinstance(lax.balance(**LIS), Balance)
    assert code_of(lax.balance()) == "too-many-unproven"
    bank.now_ms += HOUR_MS
    assert isinstance(lax.balance(), Balance)


# A terminal that chooses its ids --------------------------------------------------------------------------------------


def test_no_id_of_another_question_makes_a_hold_be_forgotten_that_nothing_proves(asker: Asker) -> None:
    held = 0
    for number in range(10):
        crossed = number.to_bytes(16, "little")
        held += isinstance(asker.pay(100, intent_id=crossed, **LIS), Authorised)
        asker.balance(nonce=crossed, **LIS)
    assert held == MAX_UNPROVEN_HOLDS


def test_one_showing_proves_one_payment_whatever_is_asked_under_its_id(asker: Asker) -> None:
    text = asker.shown()
    assert isinstance(asker.pay(100, text, intent_id=b"x" * 16), Authorised)
    assert isinstance(asker.balance(nonce=b"x" * 16), Balance)
    assert code_of(asker.pay(100, text, intent_id=b"y" * 16)) == "evidence-reused"


def test_balances_are_bounded_also_where_their_ids_are_used_again(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "MAX_UNPROVEN_BALANCES", 5)
    told = 0
    for number in range(20):
        told += isinstance(asker.balance(nonce=b"x" * 16), Balance)
        asker.till.bank.now_ms += 1_001  # past the question's end, when no reply is kept of it
        told += isinstance(asker.balance(nonce=number.to_bytes(16, "little")), Balance)
        asker.pay(1, intent_id=number.to_bytes(16, "little"), **LIS)
    assert told == 5


def test_a_nonce_of_a_payment_serves_no_other_question(asker: Asker) -> None:
    assert isinstance(asker.pay(nonce=b"x" * 16), Authorised)
    assert code_of(asker.balance(nonce=b"x" * 16)) == "nonce-reused"
    assert isinstance(asker.balance(nonce=b"y" * 16), Balance)
    assert code_of(asker.pay(nonce=b"y" * 16)) == "nonce-reused"


# Whom nothing proves --------------------------------------------------------------------------------------------------


def test_what_nothing_proves_is_held_little_of_one_account_by_all_terminals_together(
    bank: Bank, authority: Authority
) -> None:
    askers = [Asker(bank, authority, f"till-{number}") for number in range(MAX_UNPROVEN_HOLDS + 1)]
    answers = [each.pay(100, **LIS) for each in askers]
    assert [isinstance(answer, Authorised) for answer in answers] == [True] * MAX_UNPROVEN_HOLDS + [False]
    assert code_of(answers[-1]) == "too-many-unproven"
    assert isinstance(askers[0].pay(UNPROVEN_CAP_FEN // 2, **WANGS), Authorised)
    assert code_of(askers[1].pay(UNPROVEN_CAP_FEN // 2 + 1, **WANGS)) == "not-proven"


def test_nobodys_balance_is_held_again_and_again_by_a_name_that_somebody_knows(asker: Asker) -> None:
    bank, held = asker.till.bank, 0
    for _ in range(3 * MAX_FRUITLESS_HOLDS):
        held += isinstance(asker.pay(100, **LIS), Authorised)
        bank.now_ms += HOLD_MS // 60
    assert held == MAX_UNPROVEN_HOLDS
    bank.now_ms += HOLD_MS
    held += sum(isinstance(asker.pay(100, **LIS), Authorised) for _ in range(MAX_UNPROVEN_HOLDS))
    bank.now_ms += HOLD_MS
    assert held == MAX_FRUITLESS_HOLDS
    assert code_of(asker.pay(100, **LIS)) == "too-many-unproven"
    assert isinstance(asker.pay(100, asker.shown()), Authorised), "somebody else is served"
    bank.now_ms += HOUR_MS
    assert isinstance(asker.pay(100, **LIS), Authorised)


def test_holds_that_payments_capture_are_not_counted_as_fruitless(asker: Asker) -> None:
    till = asker.till
    for _ in range(2 * MAX_FRUITLESS_HOLDS):
        till.medium = LIS["medium"]
        payment = till.ask(LI, 10)
        assert isinstance(till.put(payment.question), Authorised)
        till.pay(payment)
        till.send()


def test_a_code_that_was_shown_at_a_gate_asks_for_nobodys_money(asker: Asker) -> None:
    at_s = asker.till.bank.now_ms // 1000 - 1
    at_gate, at_desk = (PHONE.code(at_s - age, use) for age, use in ((0, Purpose.PASS), (1, Purpose.IDENTIFY)))
    assert code_of(asker.pay(text=at_gate)) == "evidence-misused"
    assert code_of(asker.balance(at_gate)) == "evidence-misused"
    assert isinstance(asker.balance(at_desk), Balance)
    assert code_of(asker.pay(text=at_desk)) == "evidence-misused"
