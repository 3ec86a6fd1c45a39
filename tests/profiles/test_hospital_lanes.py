"""Two lanes of a hospital's terminal that serve one person at once: a ceiling and a number hold over both."""

from __future__ import annotations

import pytest

from profiles.amounts import FunctionKey
from profiles.api import AmountEntered, Restarted
from profiles.questions import Answered, Declined
from profiles.rules.credit import owed_fen
from profiles.rules.prescriptions import MAX_WAITING, waiting
from tests.profiles.hospitals import LATER, LI, WANG, Lane
from tests.profiles.test_hospital import ACCOUNT, MEDICINE, PATIENT, medicine, pharmacy


def two() -> list[Lane]:
    lanes = [Lane(), Lane()]
    lanes[1].facts = lanes[0].facts
    return lanes


def test_two_lanes_that_lend_to_one_person_at_once_keep_to_the_ceiling_together() -> None:
    lanes = [Lane(), Lane()]
    lanes[1].facts = lanes[0].facts
    for lane in lanes:
        lane.tell(AmountEntered(6_000))
        lane.key(ACCOUNT, 3)
        lane.present(LI, LATER)
    for lane in lanes:
        lane.silence()
    assert [lane.codes()[-1] for lane in lanes] == ["paid-offline", "paid-offline"]
    assert [lane.money().funds for lane in lanes] == [{"credit": 6_000}, {"credit": 4_000, "wallet": 2_000}]
    assert owed_fen(PATIENT, lanes[0].facts) == 10_000, "the ceiling of this terminal"
    lanes[1].tell(AmountEntered(6_000))
    lanes[1].key(ACCOUNT, 3)
    lanes[1].present(LI, LATER)
    lanes[1].silence()
    assert lanes[1].codes()[-1] == "offline-accounts"


def test_a_prescription_is_paid_once_whichever_lane_and_whoever_pays() -> None:
    first, second = two()
    for lane in (first, second):
        lane.key(MEDICINE, 12)
        lane.tell(AmountEntered(800))
    first.present()
    second.present(WANG)
    assert second.codes() == ["prescription-paid"], "while it is being paid"
    first.agree(medical=800)
    second.present()
    assert second.codes()[-1] == "prescription-paid"
    pharmacy(first).present()
    second.present()
    assert second.codes()[-1] == "prescription-paid", "and after it was collected"


def test_two_prescriptions_that_were_asked_while_there_was_room_for_one_both_wait() -> None:
    first, second = two()
    for number in range(1, MAX_WAITING):
        medicine(first, number)
    for lane, number in ((first, 20), (second, 21)):
        lane.key(MEDICINE, number)
        lane.tell(AmountEntered(800))
        lane.present()
    for lane in (first, second):
        lane.agree(medical=800)
    assert waiting(PATIENT, first.facts) == (*range(1, MAX_WAITING), 20, 21)
    second.key(MEDICINE, 22)
    second.tell(AmountEntered(800))
    second.present()
    assert second.codes()[-1] == "collect-first"


@pytest.mark.parametrize("end", ["no", "restart", "void"])
def test_a_prescription_of_which_nothing_came_may_be_paid_again(end: str) -> None:
    first, second = two()
    if end == "void":
        medicine(first)
        first.sign()
        first.key(FunctionKey.VOID, 1)
    else:
        first.key(MEDICINE, 12)
        first.tell(AmountEntered(800))
        first.present()
        first.tell(Restarted() if end == "restart" else Answered(first.about, Declined("insufficient-funds")))
    medicine(second)
    assert second.codes()[-1] == "paid"
    assert waiting(PATIENT, second.facts) == (12,)


def test_what_is_taken_back_at_the_pharmacy_itself_may_be_paid_again() -> None:
    lane = Lane(desk="pharmacy")
    medicine(lane)
    lane.sign()
    lane.key(FunctionKey.VOID, 1)
    medicine(lane)
    assert lane.codes()[-1] == "paid"
