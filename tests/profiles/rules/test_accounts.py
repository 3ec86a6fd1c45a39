"""Accounts: money is conserved whoever pays, none pays beyond its ceiling, and nobody is skipped who could pay."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from profiles.api import Assurance, Credential, Subject
from profiles.rules.accounts import Accounts, Offer, is_within, spread
from profiles.rules.credit import owed_fen, owing
from profiles.rules.funds import ACCOUNT, AccountKind, back_order, is_own
from profiles.rules.subsidy import share_back
from tests.profiles.facts import HeldFacts

FEN = st.integers(min_value=1, max_value=10_000_000)
KINDS = [kind.value for kind in AccountKind]
OFFERS = st.lists(st.tuples(st.sampled_from(KINDS), FEN), unique_by=lambda offer: offer[0], max_size=6).map(
    lambda pairs: [Offer(*pair) for pair in pairs]
)
ORDER = (
    {"kind": "medical", "uses": ["treatment", "medicine"], "payment_fen": 50_000},
    {"kind": "wallet", "offline_fen": 2_000},
    {"kind": "bank", "for": "bank-linked"},
    {"kind": "credit", "offline_fen": 8_000},
)
CREDIT = {"for": "pay-later", "ceiling_fen": 10_000}


def accounts(**changes: Any) -> Accounts:
    return Accounts.model_validate({"order": ORDER, "credit": CREDIT} | changes)


def who(*entitlements: str, provisional: bool = False) -> Credential:
    subject = Subject("city", b"l" * 16, provisional)
    return Credential(b"m" * 16, subject, "social-security", Assurance.READ, frozenset(entitlements))


def kinds(offers: tuple[Offer, ...]) -> list[str]:
    return [offer.kind for offer in offers]


@given(FEN, OFFERS)
def test_every_split_sums_to_its_amount_and_no_account_pays_beyond_its_ceiling(
    amount_fen: int, offers: list[Offer]
) -> None:
    shares = spread(amount_fen, offers)
    if sum(most_fen for _, most_fen in offers) < amount_fen:
        assert shares is None
        return
    assert shares is not None
    assert sum(shares.values()) == amount_fen
    assert is_within(shares, amount_fen, offers)
    assert min(shares.values()) > 0


@given(FEN, OFFERS)
def test_an_account_pays_only_what_those_before_it_could_not(amount_fen: int, offers: list[Offer]) -> None:
    shares = spread(amount_fen, offers) or {}
    paying = [number for number, offer in enumerate(offers) if offer.kind in shares]
    for number in paying[:-1]:
        assert shares[offers[number].kind] == offers[number].most_fen
    assert paying == list(range(len(paying)))


@given(FEN, OFFERS, st.lists(FEN, max_size=6))
def test_what_goes_back_in_parts_restores_every_account_and_the_debt_shrinks_first(
    amount_fen: int, offers: list[Offer], parts: list[int]
) -> None:
    left = {**(spread(amount_fen, offers) or {}), "subsidy": 100}
    paid = dict(left)
    gone: dict[str, int] = {}
    for part_fen in (*parts, sum(paid.values())):
        back_fen = min(part_fen, sum(left.values()))
        back = share_back(left, back_fen)
        assert sum(back.values()) == back_fen
        for fund, fen in back.items():
            left[fund] -= fen
            gone[fund] = gone.get(fund, 0) + fen
            earlier = [other for other in left if back_order(other) < back_order(fund)]
            assert not any(left[other] for other in earlier)
    assert gone == paid


@pytest.mark.parametrize(
    "shares", [{"wallet": 99}, {"wallet": 101}, {"wallet": 60, "bank": 40}, {"wallet": 100, "medical": 0}, {}]
)
def test_a_split_beyond_what_was_offered_does_not_count(shares: dict[str, int]) -> None:
    assert is_within({"wallet": 50, "medical": 50}, 100, [Offer("medical", 50), Offer("wallet", 100)])
    assert not is_within(shares, 100, [Offer("medical", 50), Offer("wallet", 100)])


def test_the_rules_say_which_accounts_pay_for_what_and_for_whom() -> None:
    facts, rules = HeldFacts(), accounts()
    assert kinds(rules.offers(who(), "treatment", facts).asked) == ["medical", "wallet"]
    assert kinds(rules.offers(who(), "registration", facts).asked) == ["wallet"]
    everything = who("bank-linked", "pay-later")
    assert kinds(rules.offers(everything, "medicine", facts).asked) == ["medical", "wallet", "bank", "credit"]
    assert kinds(rules.offers(who("pay-later", provisional=True), "medicine", facts).asked) == ["medical", "wallet"]


def test_the_holder_says_which_goes_first_where_he_may_and_the_rest_stays_as_it_was() -> None:
    facts, rules = HeldFacts(), accounts()
    first = rules.chosen(3)
    assert first is AccountKind.BANK
    everything = who("bank-linked", "pay-later")
    assert kinds(rules.offers(everything, "medicine", facts, first=first).asked) == [
        "bank",
        "medical",
        "wallet",
        "credit",
    ]
    assert kinds(rules.offers(who(), "medicine", facts, first=first).asked) == ["medical", "wallet"], "he has none"
    assert [rules.chosen(number) for number in (None, 0, 5, 10**9)] == [None] * 4
    assert accounts(holder_chooses=False).chosen(1) is None


def test_without_the_platform_only_what_may_pay_unasked_pays_and_credit_up_to_the_ceiling_of_debt() -> None:
    facts, rules, patient = HeldFacts(), accounts(), who("pay-later")
    assert rules.offers(patient, "treatment", facts).unasked == (Offer("wallet", 2_000), Offer("credit", 8_000))
    facts.put(*owing(7_000, patient.subject, facts))
    assert rules.offers(patient, "treatment", facts).unasked == (Offer("wallet", 2_000), Offer("credit", 3_000))
    assert Offer("credit", 10_000_000) in rules.offers(patient, "treatment", facts).asked, "asked, the platform knows"
    facts.put(*owing(3_000, patient.subject, facts))
    assert rules.offers(patient, "treatment", facts).unasked == (Offer("wallet", 2_000),)


@given(st.lists(st.tuples(st.booleans(), FEN), max_size=20))
def test_no_debt_grows_beyond_its_ceiling_and_none_falls_below_nothing(acts: list[tuple[bool, int]]) -> None:
    facts, rules, patient = HeldFacts(), accounts(), who("pay-later")
    assert rules.credit is not None
    for borrows, fen in acts:
        before_fen = owed_fen(patient.subject, facts)
        fen = min(fen, rules.credit.room_fen(patient, facts)) if borrows else -fen
        facts.put(*owing(fen, patient.subject, facts))
        assert owed_fen(patient.subject, facts) == max(0, before_fen + fen) <= rules.credit.ceiling_fen


def test_a_debt_is_due_after_so_many_days_and_is_still_known_then() -> None:
    facts, rules = HeldFacts(), accounts()
    assert rules.credit is not None
    assert rules.credit.due(facts.local_time) == "20261223"
    facts.put(*owing(500, who().subject, facts))
    facts.now_ms += 366 * 86_400_000
    assert owed_fen(who().subject, facts) == 500


@pytest.mark.parametrize(
    "changes",
    [
        {"order": []},
        {"order": [{"kind": "wallet"}, {"kind": "wallet"}], "credit": None},
        {"credit": None},
        {"order": [{"kind": "wallet"}]},
        {"order": [{"kind": "subsidy"}], "credit": None},
        {"credit": {"for": "pay-later", "ceiling_fen": 0}},
    ],
)
def test_accounts_that_cannot_be_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        accounts(**changes)


def test_a_subsidy_is_nobodys_own_account() -> None:
    assert is_own(ACCOUNT)
    assert not is_own("subsidy")
