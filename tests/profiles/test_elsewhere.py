"""What goes back here of another till's sale: asked, claimed, given back once; and without the platform not at all."""

from __future__ import annotations

from typing import Any

import pytest

from profiles.amounts import FunctionKey
from profiles.api import AmountEntered, Kind, RecordedLate, Restarted, Subject
from profiles.questions import Answered, ClaimReturn, Declined, NotRecorded, ReturnClaimed, Unanswered
from profiles.return_numbers import return_number
from tests.profiles.test_shop import LI, OPERATOR, Till

NUMBER = 12_345_678


class Counter(Till):
    """A till whose cashier is signed in."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(**changes)
        self.key(FunctionKey.OPERATOR)
        self.present(OPERATOR, "cashier")

    def claim(self) -> ClaimReturn:
        question = self.asks[-1].question
        assert isinstance(question, ClaimReturn)
        return question

    def agree_to(self, **funds: int) -> None:
        self.tell(Answered(self.asks[-1].about, ReturnClaimed(self.claim().return_id, funds)))


def test_a_whole_sale_of_another_till_goes_back_fund_by_fund_under_the_claims_id() -> None:
    till = Counter()
    till.key(FunctionKey.VOID, NUMBER)
    asked = till.journal[-1]
    assert (asked.reason.code, asked.public["sale"], till.asks[-1].about) == ("return-asked", NUMBER, asked.id)
    assert (till.claim().number, till.claim().amount_fen, till.claim().merchant) == (NUMBER, None, "shop-1")
    assert till.asks[-1].subject == Subject("city", OPERATOR)
    till.agree_to(account=500, subsidy=1_000)
    record = till.journal[-1]
    assert (record.kind, record.refers_to) == (Kind.REFUND, asked.id)
    money = till.money()
    assert (money.amount_fen, money.intent_id) == (-1_500, till.claim().return_id)
    assert dict(money.funds) == {"account": -500, "subsidy": -1_000}
    assert money.operator == f"city:{OPERATOR.hex()}"
    assert till.slips[-1].about == record.id
    assert till.slips[-1].slip.lines[-1] == money.intent_id.hex()
    assert "退回 Given back" in till.slips[-1].slip.lines[3]
    assert till.said == "No. 12345678: 15.00 yuan were given back (subsidy 10.00, account 5.00)"
    assert till.state.shift is not None
    assert (till.state.shift.sums.returns, till.state.shift.sums.returned_fen) == (1, 1_500)


def test_a_part_is_typed_before_the_platform_is_asked() -> None:
    till = Counter()
    till.key(FunctionKey.REFUND, NUMBER)
    assert (till.said, till.asks) == ("Enter the refund", [])
    till.tell(AmountEntered(250))
    assert till.claim().amount_fen == 250
    till.agree_to(account=250)
    assert till.money().amount_fen == -250
    assert till.state.pending is None


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("sale-unknown", "return-unknown"),
        ("sale-returned", "sale-returned"),
        ("refund-too-much", "refund-too-much"),
        ("own-sale", "own-sale"),
    ],
)
def test_a_no_is_told_with_its_reason_and_nothing_is_claimed_that_would_have_to_be_given_up(
    code: str, reason: str
) -> None:
    till = Counter()
    till.key(FunctionKey.VOID, NUMBER)
    till.tell(Answered(till.asks[-1].about, Declined(code)))
    assert till.reasons()[-1] == reason
    assert till.state.returning is None
    assert [record.kind for record in till.journal if record.money] == []


@pytest.mark.parametrize(
    "end", ["silence", "not recorded", "another's claim", "an unknown no", "restart", "signed out"]
)
def test_without_a_clear_yes_nothing_goes_back_the_claim_is_given_up_and_the_cashier_told_where_to_go(end: str) -> None:
    till = Counter()
    till.key(FunctionKey.VOID, NUMBER)
    about, claim = till.asks[-1].about, till.claim()
    match end:
        case "silence":
            till.tell(Unanswered(about))
        case "not recorded":
            till.tell(NotRecorded(about))
        case "another's claim":
            till.tell(Answered(about, ReturnClaimed(b"x" * 16, {"account": 5})))
        case "an unknown no":
            till.tell(Answered(about, Declined("unsupported")))
        case "restart":
            till.tell(Restarted())
        case _:
            till.key(FunctionKey.OPERATOR)
            till.present(OPERATOR, "cashier")
            till.agree_to(account=5)
    record = till.journal[-1]
    assert (record.kind, record.refers_to) == (Kind.RELEASE, about)
    assert (till.money().amount_fen, till.money().intent_id) == (0, claim.return_id)
    assert till.state.returning is None
    if end == "silence":
        assert till.said == "Another till's sale cannot be refunded now; please go to the till that sold it"
    till.tell(Answered(about, ReturnClaimed(claim.return_id, {"account": 5})))
    assert till.journal[-1] is record, "an answer that comes later moves nothing"


def test_what_went_back_though_its_record_was_late_is_told_to_the_cashier_after_all() -> None:
    till = Counter()
    till.key(FunctionKey.VOID, NUMBER)
    about = till.asks[-1].about
    till.agree_to(account=500, subsidy=1_000)
    journal, told = len(till.journal), till.said
    till.key(FunctionKey.SALES)
    assert till.said != told
    till.tell(RecordedLate(about))
    assert till.said == told == "No. 12345678: 15.00 yuan were given back (subsidy 10.00, account 5.00)"
    assert len(till.journal) == journal, "it went back: nothing more is recorded"


def test_only_a_cashier_asks_and_one_return_at_a_time() -> None:
    till = Till()
    till.key(FunctionKey.VOID, NUMBER)
    assert till.reasons() == ["nobody-at-the-till"]
    counter = Counter()
    counter.key(FunctionKey.VOID, NUMBER)
    counter.key(FunctionKey.VOID, NUMBER + 1)
    assert (counter.reasons()[-1], len(counter.asks)) == ("busy", 1)


def test_the_number_on_the_receipt_of_ones_own_sale_needs_no_platform() -> None:
    till = Counter()
    till.tell(AmountEntered(1_000))
    till.present()
    till.agree()
    number = return_number(till.money().intent_id)
    till.key(FunctionKey.VOID, number)
    assert (till.reasons()[-1], till.money().amount_fen) == ("voided", -900)


def test_no_shift_ends_at_midnight_while_somebody_is_paying() -> None:
    """A return and a payment are asked before midnight, and both are answered behind it."""
    till = Counter(accounts=None)
    till.facts.now_ms += 12 * 3_600_000 - 2_000
    till.key(FunctionKey.VOID, NUMBER)
    returning = till.asks[-1].about, till.claim().return_id
    till.tell(AmountEntered(500))
    till.present(LI)
    till.facts.now_ms += 3_000
    till.tell(Answered(returning[0], ReturnClaimed(returning[1], {"account": 700})))
    till.agree()
    till.key(FunctionKey.SHIFT)
    moved: dict[object, int] = {}
    for record in till.journal:
        if record.money is not None and record.kind in (Kind.PAYMENT, Kind.REFUND):
            moved[record.money.shift] = moved.get(record.money.shift, 0) + record.money.amount_fen
    closed = [record.public for record in till.journal if record.reason.code == "shift-closed"]
    assert {public["shift"]: public["net_fen"] for public in closed} == moved == {"20261123-1": -250}
    till.tell(AmountEntered(500))
    till.present(LI)
    assert till.money().business_date == "20261124", "the next one is the next day's"
