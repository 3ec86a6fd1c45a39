"""Leave first, pay later: for whom an issuer trusts, up to a ceiling, and never for a stranger."""

from __future__ import annotations

from typing import Any

import pytest

from profiles.api import Assurance, Credential, Presented, Subject
from profiles.questions import Answered, Authorise, Authorised, Declined, Unanswered
from tests.profiles.test_parking import CarPark

CREDIT: dict[str, Any] = {
    "accounts": {
        "order": [{"kind": "account", "offline_fen": 300}, {"kind": "credit", "offline_fen": 2_000}],
        "credit": {"for": "pay-later", "ceiling_fen": 1_000, "due_days": 30},
    }
}


def leave(park: CarPark, number: int, *entitlements: str, minutes: int = 95) -> None:
    """Stay so long, and ask to leave; 95 minutes are eight yuan."""
    park.enter(number)
    park.later(minutes)
    assert park.present("out", number, *entitlements) == ["asked"]


def offered(park: CarPark) -> dict[str, int]:
    assert park.asked is not None
    assert isinstance(park.asked.question, Authorise)
    return dict(park.asked.question.accounts)


def divided(park: CarPark, **accounts: int) -> list[str]:
    assert park.asked is not None
    assert isinstance(park.asked.question, Authorise)
    money = park.asked.question.money
    return park.tell("out", Answered(park.asked.about, Authorised(money.intent_id, money.amount_fen, None, accounts)))


def test_what_the_account_does_not_cover_is_owed_and_the_screen_says_until_when() -> None:
    park = CarPark(**CREDIT)
    leave(park, 1, "pay-later")
    assert divided(park, account=100, credit=700) == ["paid"]
    record = park.journal[-1]
    assert record.money is not None
    assert record.money.funds == {"account": 100, "credit": 700}
    assert record.public["due"] == "20261223"
    assert park.shown == ["Paid: 8.00 yuan (account 1.00, credit 7.00); please settle 7.00 yuan by 2026-12-23"]
    assert park.opened("out") == ["actuated"]


def test_nobody_without_the_signed_entitlement_is_offered_credit() -> None:
    park = CarPark(**CREDIT)
    leave(park, 1)
    assert "credit" not in offered(park)
    assert park.asked is not None
    assert park.tell("out", Answered(park.asked.about, Declined("insufficient-funds"))) == ["insufficient-funds"]
    assert park.cars() == 1
    stranger = Subject("city", b"s" * 16, provisional=True)
    card = Credential(b"s" * 16, stranger, "t-union", Assurance.READ, frozenset({"pay-later"}))
    assert park.tell("in", Presented(card)) == ["entered"]
    park.later(95)
    park.tell("out", Presented(card))
    assert "credit" not in offered(park), "a card that no register knows gets none"


def test_without_the_platform_the_ceiling_bounds_what_is_owed_over_all_stays() -> None:
    park = CarPark(**CREDIT)
    outcomes = []
    for _ in range(3):
        leave(park, 1, "pay-later")
        assert park.asked is not None
        outcomes += park.tell("out", Unanswered(park.asked.about))
        if park.states["out"].passage is not None:
            park.opened("out")
            continue
        assert park.cars() == 1
    assert outcomes == ["paid-offline", "paid-offline", "offline-accounts"]
    moneys = [record.money for record in park.journal if record.reason.code == "paid-offline"]
    owed = [0 if money is None else money.funds.get("credit", 0) for money in moneys]
    assert owed == [500, 500]


@pytest.mark.parametrize("shares", [{"credit": 900}, {"account": 100, "medical": 700}, {}])
def test_a_division_that_was_not_offered_is_no_answer(shares: dict[str, int]) -> None:
    park = CarPark(**CREDIT)
    leave(park, 1, "pay-later")
    assert divided(park, **shares) == ["paid-offline"]
