"""A hospital's counter: each act by one showing; who pays what, what is owed, what waits, also when things go wrong."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from profiles.amounts import FunctionKey
from profiles.api import AmountEntered, Ask, Kind, Mark, RecordedLate, Restarted, Subject, TimerFired
from profiles.code_reasons import CodeReason
from profiles.foreign import ForeignShown
from profiles.hospital import ORDER_TIMER
from profiles.hospital_settings import HospitalSettings
from profiles.questions import Answered, Authorise, Declined, NotRecorded, QueryBalance, Resolve, Resolved, Unanswered
from profiles.rules.credit import owed_fen
from profiles.rules.prescriptions import MAX_WAITING, waiting
from tests.profiles.hospitals import LATER, LI, SETTINGS, WANG, Lane

ACCOUNT, REGISTER = FunctionKey.ACCOUNT, FunctionKey.REGISTER
MEDICINE, SETTLE, VOID, REFUND = FunctionKey.MEDICINE, FunctionKey.SETTLE, FunctionKey.VOID, FunctionKey.REFUND
PATIENT = Subject("city", LI)


def borrowed(fen: int = 5_000) -> Lane:
    """A patient who has put a treatment on credit, while nobody could be asked."""
    lane = Lane()
    lane.key(ACCOUNT, 3)
    lane.tell(AmountEntered(fen))
    lane.present(LI, LATER)
    lane.silence()
    assert lane.codes() == ["asked", "paid-offline"]
    return lane


def pharmacy(lane: Lane) -> Lane:
    """The pharmacy of the same terminal."""
    return Lane(lane.facts, desk="pharmacy")


def medicine(lane: Lane, number: int = 12, fen: int = 800) -> None:
    lane.key(MEDICINE, number)
    lane.tell(AmountEntered(fen))
    lane.present()
    lane.agree(medical=fen)


# Identify and register ----------------------------------------------------------------------------------------------


def test_with_nothing_typed_a_card_identifies_and_the_screen_says_what_is_owed() -> None:
    lane = Lane()
    lane.present(LI, evidence=b"code", marks=(Mark("replay", b"k", 1, 2**50),))
    (record,) = lane.journal
    assert (record.kind, record.reason.code, record.money) == (Kind.DECISION, "identified", None)
    assert record.marks[-1].scope == "replay", "the code is spent"
    assert lane.asks[-1].question == QueryBalance("debt")
    lane.owes(3_000)
    assert lane.said == "You are identified; 30.00 yuan are to be settled"


@pytest.mark.parametrize("reply", ["none", "silence", "no-account"])
def test_who_owes_nothing_as_far_as_is_known_is_simply_identified(reply: str) -> None:
    lane = Lane()
    lane.present()
    match reply:
        case "none":
            lane.owes(0)
        case "silence":
            lane.silence()
        case _:
            lane.tell(Answered(lane.about, Declined("account-unknown")))
    assert lane.said == "You are identified"
    assert lane.codes() == ["identified"]


def test_registering_costs_the_clinics_fee_and_draws_the_next_number_of_its_queue() -> None:
    lane = Lane()
    for number, who in ((1, LI), (2, WANG)):
        lane.key(REGISTER, 1)
        lane.present(who)
        assert lane.journal[-1].public["number"] == number
        lane.agree(wallet=1_500)
        assert lane.said.endswith(f"Internal medicine, number {number}")
    assert [offer[0] for offer in lane.offered] == ["wallet"], "by the rules the medical account pays no registration"
    lane.facts.now_ms += 86_400_000
    lane.key(REGISTER, 1)
    lane.present()
    assert lane.journal[-1].public["number"] == 1


def test_a_number_of_who_did_not_pay_is_kept_for_the_card_that_pays_the_same() -> None:
    lane = Lane()
    lane.key(REGISTER, 1)
    lane.present()
    lane.tell(Answered(lane.about, Declined("insufficient-funds")))
    lane.present(WANG)
    lane.agree(wallet=1_500)
    assert lane.said.endswith("Internal medicine, number 1")
    lane.key(REGISTER, 1)
    lane.present()
    assert lane.journal[-1].public["number"] == 2


def test_a_clinic_that_costs_nothing_registers_without_asking_anybody() -> None:
    lane = Lane()
    lane.key(REGISTER, 9)
    lane.present()
    assert (lane.codes(), lane.asks) == (["registered"], [])
    assert lane.said == "You are registered; Fever clinic, number 1"
    lane.key(REGISTER, 7)
    assert lane.said == "Clinics: 1 Internal medicine, 9 Fever clinic"


# Pay ----------------------------------------------------------------------------------------------------------------


def test_the_accounts_are_offered_in_the_holders_order_and_the_record_has_who_paid_what() -> None:
    lane = Lane()
    lane.tell(AmountEntered(8_000))
    lane.key(ACCOUNT, 2)
    assert lane.said == "Pays from wallet first, then from the others"
    lane.present(LI, LATER)
    assert [kind for kind, _ in lane.offered] == ["wallet", "medical", "credit"]
    lane.agree(wallet=5_000, medical=2_000, credit=1_000)
    assert lane.money().funds == {"wallet": 5_000, "medical": 2_000, "credit": 1_000}
    assert lane.journal[-1].public["due"] == "20261223"
    assert "(wallet 50.00, medical insurance 20.00, credit 10.00); please settle 10.00 yuan by 2026-12-23" in lane.said
    assert owed_fen(PATIENT, lane.facts) == 1_000
    lane.tell(AmountEntered(100))
    lane.present()
    assert [kind for kind, _ in lane.offered] == ["medical", "wallet"], "the wish was one payment's"


def test_a_division_that_was_not_offered_counts_as_no_answer() -> None:
    lane = Lane()
    lane.tell(AmountEntered(8_000))
    lane.present()
    lane.agree(credit=8_000)
    assert lane.codes() == ["asked", "offline-accounts"]


def test_without_the_platform_credit_has_its_ceiling_and_the_rest_the_days() -> None:
    lane = borrowed(9_000)
    assert lane.money().funds == {"credit": 9_000}
    assert lane.facts.mark("pay.offline", b"terminal") is None, "a debt is no risk of the day's ceilings"
    lane.tell(AmountEntered(3_000))
    lane.present(LI, LATER)
    lane.silence()
    assert lane.money().funds == {"wallet": 2_000, "credit": 1_000}
    assert lane.facts.mark("pay.offline", b"terminal") == 2_000
    lane.tell(AmountEntered(2_001))
    lane.present(LI, LATER)
    lane.silence()
    assert lane.codes()[-1] == "offline-accounts"
    assert owed_fen(PATIENT, lane.facts) == 10_000


def test_whom_no_account_pays_for_by_the_rules_is_refused_before_anybody_is_asked() -> None:
    lane = Lane(accounts={"order": [{"kind": "medical", "uses": ["treatment"]}]})
    lane.key(REGISTER, 1)
    lane.present()
    assert (lane.codes(), lane.asks) == (["no-such-account"], [])


def test_what_was_typed_waits_for_a_card_and_not_for_ever() -> None:
    lane = Lane()
    lane.tell(AmountEntered(800))
    (timer,) = [timer for timer in lane.timers if timer.name == ORDER_TIMER]
    waits: list[bool] = []
    for about in (b"old", timer.about):
        lane.tell(TimerFired(ORDER_TIMER, about))
        waits.append(lane.state.order is not None)
    assert waits == [True, False]


def test_where_a_cashier_has_to_be_there_nothing_is_paid_without_one_and_all_is_identified() -> None:
    lane = Lane(attended=True)
    lane.tell(AmountEntered(800))
    lane.present()
    assert lane.codes() == ["nobody-at-the-till"]
    lane.tell(AmountEntered(0))
    lane.present(WANG)
    assert lane.codes()[-1] == "identified"


# Settle -------------------------------------------------------------------------------------------------------------


def test_what_is_owed_is_settled_from_the_other_accounts_with_the_showing_that_asked_for_it() -> None:
    lane = borrowed()
    lane.key(SETTLE)
    lane.present(LI, LATER, evidence=b"code")
    seen = lane.journal[-1]
    assert (seen.reason.code, seen.evidence) == ("debt-asked", b"code")
    lane.owes(5_000)
    asked = lane.journal[-1]
    assert (asked.kind, asked.refers_to, asked.evidence) == (Kind.ASKED, seen.id, None)
    assert (lane.money().amount_fen, lane.money().account) == (5_000, "credit")
    assert [kind for kind, _ in lane.offered] == ["wallet"], "neither a debt nor the medical account settles"
    lane.agree(wallet=5_000)
    assert owed_fen(PATIENT, lane.facts) == 0
    assert lane.said == "Paid: 50.00 yuan (wallet 50.00); no. 2"


def test_the_platforms_word_on_what_is_owed_replaces_what_the_terminal_knew() -> None:
    lane = borrowed()
    lane.present()
    lane.owes(0)
    assert (lane.codes()[-1], owed_fen(PATIENT, lane.facts)) == ("nothing-owed", 0)
    lane.present()
    lane.owes(700)
    assert (lane.codes()[-1], owed_fen(PATIENT, lane.facts)) == ("debt-told", 700)


def test_a_word_of_a_platform_that_has_not_the_journal_yet_makes_no_room_for_more_debt() -> None:
    lane = borrowed(10_000)
    lane.facts.delivered = False
    for told_fen in (0, 3_000, 0):
        lane.present()
        lane.owes(told_fen)
        assert owed_fen(PATIENT, lane.facts) == 10_000 + told_fen
        lane.key(ACCOUNT, 3)
        lane.tell(AmountEntered(10_000))
        lane.present(LI, LATER)
        lane.silence()
        assert lane.codes()[-1] == "offline-accounts"
        lane.tell(AmountEntered(0))
    lane.facts.delivered = True
    lane.present()
    lane.owes(10_000)
    assert owed_fen(PATIENT, lane.facts) == 10_000, "counted once, now that the platform has it"
    lane.present()
    lane.owes(0)
    assert owed_fen(PATIENT, lane.facts) == 0


def test_what_is_lent_while_the_platform_is_asked_is_in_no_answer() -> None:
    lane, other = borrowed(4_000), Lane()
    lane.present()
    other.facts = lane.facts
    other.tell(AmountEntered(5_000))
    other.key(ACCOUNT, 3)
    other.present(LI, LATER)
    other.silence()
    lane.owes(4_000)
    assert owed_fen(PATIENT, lane.facts) == 9_000


def test_without_the_platform_a_debt_that_may_stand_twice_is_settled_once() -> None:
    lane = borrowed(1_500)
    lane.facts.delivered = False
    lane.present()
    lane.owes(1_500)
    lane.key(SETTLE)
    lane.present()
    lane.silence()
    assert lane.money().amount_fen == 1_500


def test_without_the_platform_what_this_terminal_lent_is_settled_and_of_nothing_known_it_is_said() -> None:
    lane = borrowed(1_500)
    lane.key(SETTLE)
    lane.present()
    lane.silence()
    lane.silence()
    assert lane.money().funds == {"wallet": 1_500}
    assert owed_fen(PATIENT, lane.facts) == 0
    lane.key(SETTLE)
    lane.present()
    lane.silence()
    assert lane.codes()[-1] == "debt-unknown"


def test_nobody_else_is_served_while_somebody_is_looked_up() -> None:
    lane = Lane()
    lane.present()
    lane.present(WANG)
    assert lane.codes() == ["identified", "busy"]
    lane.owes(0)
    lane.present(WANG)
    assert lane.codes()[-1] == "identified"


@pytest.mark.parametrize("event", [RecordedLate, NotRecorded])
def test_a_look_up_that_was_told_to_have_come_to_nothing_holds_up_nobody(event: Any) -> None:
    lane = Lane()
    lane.present()
    lane.tell(event(lane.about))
    assert lane.codes() == ["identified", "query-gone"]
    lane.owes(500)
    assert lane.codes() == ["identified", "query-gone"], "its answer is nobody's"
    lane.present(WANG)
    assert lane.codes()[-1] == "identified"


def test_a_settlement_whose_intent_was_recorded_too_late_is_reversed() -> None:
    lane = borrowed()
    lane.key(SETTLE)
    lane.present()
    seen = lane.journal[-1]
    lane.owes(5_000)
    lane.tell(RecordedLate(seen.id))  # the lane names what the record refers to
    assert lane.codes()[-1] == "not-paid"
    assert lane.state.asking is None
    assert owed_fen(PATIENT, lane.facts) == 5_000


def test_a_restart_forgets_the_look_up_and_reverses_what_was_asked() -> None:
    lane = borrowed()
    lane.present()
    lane.tell(Restarted())
    assert lane.state.query is None
    lane.key(SETTLE)
    lane.present()
    lane.owes(5_000)
    lane.tell(Restarted())
    assert lane.codes()[-1] == "outcome-unknown"
    lane.tell(Unanswered(lane.about))
    assert owed_fen(PATIENT, lane.facts) == 5_000


def test_what_goes_back_goes_off_the_debt_first_and_a_settlement_that_goes_back_is_owed_again() -> None:
    lane = Lane()
    lane.tell(AmountEntered(3_000))
    lane.present(LI, LATER)
    lane.agree(wallet=2_000, credit=1_000)
    lane.sign()
    lane.key(REFUND, 1)
    lane.tell(AmountEntered(1_200))
    assert lane.money().funds == {"credit": -1_000, "wallet": -200}
    assert owed_fen(PATIENT, lane.facts) == 0
    lane = borrowed()
    lane.key(SETTLE)
    lane.present()
    lane.owes(5_000)
    lane.agree(wallet=5_000)
    lane.sign()
    lane.key(VOID, 2)
    assert owed_fen(PATIENT, lane.facts) == 5_000


# Collect ------------------------------------------------------------------------------------------------------------


def test_what_is_paid_is_collected_at_the_pharmacy_once_by_whoever_paid() -> None:
    lane = Lane()
    medicine(lane, 12)
    medicine(lane, 15)
    assert lane.said.endswith("please collect it at the pharmacy")
    desk = pharmacy(lane)
    desk.present(WANG)
    assert desk.codes() == ["nothing-to-collect"]
    desk.present()
    assert desk.said == "Please take your medicine: prescription 12,15"
    assert desk.journal[-1].public["prescriptions"] == "12,15"
    desk.present()
    assert desk.codes() == ["nothing-to-collect", "collected", "nothing-to-collect"]


def test_what_was_told_not_to_be_recorded_waits_still() -> None:
    lane = Lane()
    medicine(lane)
    desk = pharmacy(lane)
    desk.present()
    desk.tell(RecordedLate(desk.journal[-1].id))
    assert desk.codes() == ["collected", "not-collected"]
    assert waiting(PATIENT, desk.facts) == (12,)
    desk.present()
    assert desk.codes()[-1] == "collected"


@pytest.mark.parametrize("before_fen", [0, 1])
def test_medicine_that_was_taken_back_or_not_paid_is_not_handed_out(before_fen: int) -> None:
    lane = Lane()
    medicine(lane)
    lane.sign()
    lane.key(REFUND, 1)
    lane.tell(AmountEntered(before_fen))
    lane.key(VOID, 1)
    assert waiting(PATIENT, lane.facts) == ()
    lane.key(MEDICINE, 13)
    lane.present()
    assert lane.codes()[-1] == "no-amount"
    lane.tell(AmountEntered(800))
    lane.present()
    lane.tell(Answered(lane.about, Declined("insufficient-funds")))
    assert waiting(PATIENT, lane.facts) == ()


def test_only_so_many_prescriptions_wait_and_the_next_is_paid_after_some_are_collected() -> None:
    lane = Lane()
    for number in range(1, MAX_WAITING + 1):
        medicine(lane, number)
    lane.key(MEDICINE, 99)
    lane.tell(AmountEntered(800))
    lane.present()
    assert lane.codes()[-1] == "collect-first"
    pharmacy(lane).present()
    lane.present()
    lane.agree(medical=800)
    assert waiting(PATIENT, lane.facts) == (99,)


def test_what_the_pharmacy_sells_itself_is_handed_over_at_once() -> None:
    desk = Lane(desk="pharmacy")
    desk.tell(AmountEntered(900))
    desk.present()
    question = desk.asks[-1].question
    assert isinstance(question, Authorise)
    desk.agree(medical=900)
    assert waiting(PATIENT, desk.facts) == ()
    assert desk.journal[-1].kind is Kind.PAYMENT
    assert all(isinstance(ask, Ask) for ask in desk.asks)


# Codes of other systems ---------------------------------------------------------------------------------------------

INSURED = ForeignShown(CodeReason.MEDICAL_INSURANCE_CODE, "1234567890123456789012345678")


def test_a_code_of_another_system_is_asked_about_and_its_text_is_in_nothing_that_is_kept() -> None:
    lane = Lane()
    medicine(lane)
    desk = pharmacy(lane)
    desk.tell(INSURED)
    assert desk.asks[-1].question == Resolve(INSURED.text)
    assert INSURED.text not in f"{desk.journal}{desk.state}{desk.asks}{INSURED}"
    desk.tell(Answered(desk.about, Resolved("city", LI)))
    assert desk.codes() == ["foreign-asked", "collected"]
    assert desk.journal[-1].public["source"] == "medical-insurance-code"


def test_such_a_code_identifies_and_pays_nothing() -> None:
    lane = Lane()
    lane.tell(AmountEntered(800))
    lane.tell(INSURED)
    lane.tell(Answered(lane.about, Resolved("city", LI)))
    assert lane.codes() == ["foreign-asked", "foreign-identifies-only"]
    assert lane.said == "It only says who you are; please pay by the social-security card"
    lane.present()
    lane.agree(medical=800)
    assert lane.codes()[-1] == "paid", "the amount waited for the card"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Unanswered, "foreign-unreachable"),
        (RecordedLate, "foreign-unreachable"),
        (NotRecorded, "foreign-unreachable"),
        (lambda about: Answered(about, Declined("code-unknown")), "foreign-unknown"),
        (lambda about: Answered(about, Resolved("city", b"short")), "foreign-unknown"),
    ],
)
def test_without_a_platform_that_knows_it_such_a_code_is_refused_with_its_reason(reply: Any, code: str) -> None:
    lane = Lane()
    lane.tell(INSURED)
    lane.present(WANG)
    lane.tell(reply(lane.about))
    assert lane.codes() == ["foreign-asked", "busy", code]
    lane.present(WANG)
    assert lane.codes()[-1] == "identified"


@pytest.mark.parametrize("colour", ["green", "amber", "red"])
def test_a_health_certificate_says_its_colour_and_pays_and_collects_nothing(colour: str) -> None:
    lane = Lane()
    lane.tell(AmountEntered(800))
    lane.present(WANG, f"health-{colour}", source="hcert", subject=Subject("hcert", WANG, provisional=True))
    assert (lane.codes(), lane.asks) == ([f"health-shown-{colour}"], [])
    lane.present()
    assert lane.codes()[-1] == "asked", "what was typed waited for the patient"


def test_a_restart_forgets_the_code_that_was_asked_about() -> None:
    lane = Lane()
    lane.tell(INSURED)
    about = lane.about
    lane.tell(Restarted())
    lane.tell(Answered(about, Resolved("city", LI)))
    assert lane.codes() == ["foreign-asked"]


@pytest.mark.parametrize(
    "changes",
    [
        {"clinics": [SETTINGS["clinics"][0], SETTINGS["clinics"][0]]},
        {"clinics": [{"number": 0, "zh": "内科", "en": "Medicine", "fee_fen": 1}]},
        {"accounts": {"order": []}},
        {"desk": "ward"},
        {"codes": {"ask": ["link-code"]}},
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        HospitalSettings.model_validate(SETTINGS | changes)
