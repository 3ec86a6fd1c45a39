"""Who pays one intent: what the platform says is held against the offer, what is owed is counted, all of it is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.intents import Payment, divided_by, money_marks
from profiles.payers import CREDIT, Payers, shared, with_due
from profiles.questions import Authorised
from profiles.reasons import Sentence
from profiles.rules.accounts import Offer
from profiles.rules.credit import owed_fen
from profiles.rules.funds import ACCOUNT, AccountKind
from profiles.rules.offline_pay import SCOPE
from tests.profiles.facts import HeldFacts

PAID = Sentence("付款成功", "Paid")
PAYERS = Payers(offers=(Offer("medical", 500), Offer("credit", 900)), unasked=(Offer("credit", 900),), due="20261223")


def payment(amount_fen: int = 1_000, **changes: object) -> Payment:
    fields: dict[str, object] = {
        "asked_id": b"a" * 16,
        "intent_id": b"i" * 16,
        "amount_fen": amount_fen,
        "business_date": "20261123",
        "medium": b"m" * 16,
        "subject_namespace": "city",
        "subject_id": b"s" * 16,
        "provisional": False,
        "payers": PAYERS,
    }
    return Payment.model_validate(fields | changes)


def yes(accounts: dict[str, int] | None) -> Authorised:
    return Authorised(b"i" * 16, 1_000, accounts=accounts)


def test_a_division_that_was_offered_is_the_payments_and_says_until_when_credit_is_due() -> None:
    paid = divided_by(yes({"medical": 400, "credit": 600}), payment())
    assert paid is not None
    assert (paid.funds, paid.due, paid.payers) == ({"medical": 400, "credit": 600}, "20261223", None)
    assert paid.at_risk_fen == 400


@pytest.mark.parametrize("accounts", [None, {}, {"medical": 501, "credit": 499}, {"wallet": 1_000}, {"credit": 900}])
def test_a_division_that_was_not_offered_is_none(accounts: dict[str, int] | None) -> None:
    assert divided_by(yes(accounts), payment()) is None


def test_without_an_offer_nobody_divides() -> None:
    plain = payment(payers=None)
    assert divided_by(yes(None), plain) is plain
    assert divided_by(yes({"medical": 1_000}), plain) is None


def test_what_somebody_else_pays_stays_as_it_was() -> None:
    paid = divided_by(yes({"medical": 400}), payment(funds={"subsidy": 600, ACCOUNT: 400}))
    assert paid is not None
    assert paid.funds == {"subsidy": 600, "medical": 400}
    assert (paid.own_fen, paid.due) == (400, "")


def test_no_debt_is_paid_by_a_debt() -> None:
    assert PAYERS.without(AccountKind.CREDIT).offers == (Offer("medical", 500),)
    assert PAYERS.without(AccountKind.CREDIT).unasked == ()


@given(st.integers(1, 900), st.integers(0, 900), st.booleans(), st.booleans())
def test_what_a_payment_counts_is_counted_no_more_once_it_has_gone_back(
    credit_fen: int, own_fen: int, offline: bool, settles: bool
) -> None:
    facts = HeldFacts()
    funds = {CREDIT: 0 if settles else credit_fen, "wallet": own_fen + (credit_fen if settles else 0)}
    amount_fen = sum(funds.values())
    paid = payment(amount_fen, funds=funds, offline=offline, account=CREDIT if settles else None)
    before = payment(2_000, funds={CREDIT: 2_000}, payers=None)
    facts.put(*money_marks(before, 2_000, before.funds, facts, 1))
    facts.put(*money_marks(paid, amount_fen, funds, facts, 1))
    assert owed_fen(paid.subject, facts) == 2_000 + (-amount_fen if settles else credit_fen)
    assert (facts.mark(SCOPE, b"terminal") or 0) == (amount_fen - funds[CREDIT] if offline else 0)
    facts.put(*money_marks(paid, amount_fen, funds, facts, -1))
    assert owed_fen(paid.subject, facts) == 2_000
    assert not facts.mark(SCOPE, b"terminal")


@pytest.mark.parametrize(
    ("funds", "told"),
    [
        ({}, "Paid"),
        ({ACCOUNT: 1_000}, "Paid"),
        ({"subsidy": 1_000}, "Paid (subsidy 10.00, account 0.00)"),
        ({"subsidy": 600, ACCOUNT: 400}, "Paid (subsidy 6.00, account 4.00)"),
        ({"medical": 400, "credit": 600}, "Paid (medical insurance 4.00, credit 6.00)"),
        ({"wallet": 1_000}, "Paid (wallet 10.00)"),
        ({"subsidy": 600, "wallet": 400}, "Paid (subsidy 6.00, wallet 4.00)"),
    ],
)
def test_the_screen_says_who_paid_what(funds: dict[str, int], told: str) -> None:
    assert shared(PAID, 1_000, funds).en == told


def test_the_notice_says_how_much_and_until_when() -> None:
    assert with_due(PAID, 600, "20261223") == Sentence(
        "付款成功；6.00 元请于 2026-12-23 前结清", "Paid; please settle 6.00 yuan by 2026-12-23"
    )
