"""Discounts: a transfer and a day's cap, each alone and both; what is taken off is borne by a fund, never lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from profiles.api import Subject
from profiles.rules.discounts import DayCap, Discounts, Rides, Transfer, moved, not_ridden, rode, travelled
from tests.profiles.facts import NOON_MS, HeldFacts

LI = Subject("city", b"l" * 16)
FEN = st.integers(0, 5_000)
TRANSFER = Transfer(minutes=60, off_fen=100, fund="transfer-fund")
CAP = DayCap(fen=800, fund="cap-fund")


@given(FEN, st.integers(-10_000_000, 10_000_000), st.integers(1, 5_000))
def test_a_transfer_takes_no_more_than_the_fare_and_nothing_beyond_its_window(own: int, ago_ms: int, off: int) -> None:
    transfer = Transfer(minutes=60, off_fen=off, fund="f")
    taken_off = transfer.off(own, NOON_MS - ago_ms, NOON_MS)
    assert taken_off == (min(own, off) if 0 <= ago_ms <= 3_600_000 else 0)
    assert transfer.off(own, None, NOON_MS) == 0


@given(st.lists(FEN, max_size=20), st.integers(1, 3_000))
def test_a_day_never_costs_more_than_its_cap_and_what_is_below_it_is_paid(fares: list[int], cap_fen: int) -> None:
    cap, spent = DayCap(fen=cap_fen, fund="f"), 0
    for fare in fares:
        off = cap.off(fare, spent)
        assert 0 <= off <= fare
        spent += fare - off
    assert spent == min(cap_fen, sum(fares))


@given(FEN, st.one_of(st.none(), st.integers(0, 7_200_000)), FEN, st.integers(0, 9_000))
def test_with_both_every_share_stays_above_nothing_and_the_sum_is_the_full_fare(
    account: int, ago_ms: int | None, subsidy: int, spent: int
) -> None:
    both = Discounts(transfer=TRANSFER, day_cap=CAP)
    known = Rides(None if ago_ms is None else NOON_MS - ago_ms, spent)
    shares = {fund: fen for fund, fen in {"account": account, "senior-fund": subsidy}.items() if fen}
    after = moved(shares, both.off(account, known, NOON_MS))
    assert all(fen > 0 for fen in after.values())
    assert sum(after.values()) == account + subsidy
    assert after.get("account", 0) <= min(account, max(0, CAP.fen - spent))


def test_what_was_ridden_is_known_until_it_is_given_back_and_the_sum_until_midnight() -> None:
    facts = HeldFacts()
    facts.put(*rode(LI, 300, facts))
    first_ms = facts.now_ms
    facts.now_ms += 600_000
    facts.put(*rode(LI, 200, facts))
    assert travelled(LI, facts) == (facts.now_ms, 500)
    facts.put(*not_ridden(LI, 200, first_ms, facts))
    assert travelled(LI, facts) == (first_ms, 300)
    facts.put(*not_ridden(LI, 300, None, facts))
    assert travelled(LI, facts) == (None, 0)
    facts.put(*rode(LI, 300, facts))
    facts.now_ms += 12 * 3_600_000
    assert travelled(LI, facts) == (None, 0)


def test_a_discount_is_borne_by_a_fund_of_its_own() -> None:
    with pytest.raises(ValidationError, match="holder's own"):
        Transfer(minutes=60, off_fen=100, fund="account")
    with pytest.raises(ValidationError, match="a fund of their own each"):
        Discounts(transfer=TRANSFER, day_cap=DayCap(fen=800, fund="transfer-fund"))
