"""A school's doors and tills: what they ask of pupils and tell of them, beside what every door and till does."""

from __future__ import annotations

from typing import Any

import pytest

from profiles.amounts import FunctionKey, KeyPressed
from profiles.api import (
    Actuate,
    Actuated,
    AmountEntered,
    Credential,
    Event,
    InputChanged,
    Presented,
    Record,
    Restarted,
    Show,
    Subject,
)
from profiles.api import Assurance as Sure
from profiles.campus import BACK_LATE
from profiles.canteen_reasons import CanteenReason
from profiles.gate import Gate, GateSettings
from profiles.payment_reasons import PaymentReason
from profiles.person import Person
from profiles.pupil import Consent, Leave, Pupil
from profiles.rules import guardian
from profiles.rules.consent import ConsentReason
from profiles.rules.guardian import GuardianReason
from profiles.rules.leave import LeaveReason
from profiles.rules.tally import counted, key_of
from profiles.rules.term import TermReason
from profiles.staff import whole
from tests.profiles.canteens import LI as PAYER
from tests.profiles.canteens import OPERATOR
from tests.profiles.canteens import Lane as Till
from tests.profiles.facts import NOON_MS, HeldFacts

ZHANG = b"Z" * 16
HOUR_MS = 3_600_000
TERM = {"own": {"terms": [{"from": "2026-09-01", "to": "2026-12-31"}, {"from": "2027-02-26", "to": "2027-07-09"}]}}
GATE = {"admit": {"everyone": True}, "campus": {"term": TERM, "attendance": {"starts": "08:00"}}}


class Door:
    """A school's gate, one way."""

    def __init__(self, pupil: Pupil | None, direction: str = "in", **changes: Any) -> None:
        settings: dict[str, Any] = {**GATE, "direction": direction, **changes}
        self.gate = Gate(GateSettings.model_validate(settings))
        self.state = self.gate.idle()
        self.facts = HeldFacts()
        self.facts.people[Subject("city", ZHANG)] = Person("class-3-2", shown_as="张*三", pupil=pupil)
        self.records: list[Record] = []
        self.shown: list[Show] = []
        self.opened = 0

    def tell(self, event: Event) -> list[str]:
        """The reasons of the records that came of it."""
        step = self.gate.handle(self.state, event, self.facts)
        self.state = step.state
        self.facts.keep(step.effects)
        records = [effect for effect in step.effects if isinstance(effect, Record)]
        self.records += records
        self.shown += [effect for effect in step.effects if isinstance(effect, Show)]
        self.opened += sum(isinstance(effect, Actuate) for effect in step.effects)
        return [record.reason.code for record in records]

    def tap(self) -> list[str]:
        subject = Subject("city", ZHANG)
        return self.tell(Presented(Credential(ZHANG, subject, "citizen-code", Sure.STATIC_CODE, evidence=b"code")))

    def walk(self) -> list[str]:
        return self.tell(InputChanged("passage", True))


BOARDER = Pupil(Consent.GIVEN, boards=True)


def test_a_pupil_comes_in_by_a_printed_code_and_the_guard_sees_whom_it_is_about() -> None:
    door = Door(Pupil(Consent.GIVEN))
    assert door.tap() == ["granted"]
    assert whole(door.shown[-1]).zh == "张*三，请通行"
    assert "张" not in repr(door.shown[-1])
    assert door.walk() == ["passed", "came-in-late"]
    granted, _, told = door.records
    assert (told.refers_to, told.subject) == (granted.id, granted.subject)


def test_nothing_is_told_of_whoever_turned_back() -> None:
    door = Door(Pupil(Consent.GIVEN))
    door.tap()
    assert door.tell(Actuated(door.records[0].id, fault="dead")) == ["actuator-failed"]
    assert door.walk() == ["forced-open"]


def test_without_a_passage_sensor_the_opening_is_the_passage() -> None:
    door = Door(Pupil(Consent.GIVEN), passage_input=None)
    door.tap()
    assert door.tell(Actuated(door.records[0].id)) == ["actuated", "came-in-late"]


def test_what_a_restart_cut_off_is_told_to_nobody() -> None:
    door = Door(Pupil(Consent.GIVEN))
    door.tap()
    assert door.tell(Restarted()) == ["outcome-unknown"]


def test_of_staff_and_strangers_nothing_is_told_and_no_permit_asked() -> None:
    door = Door(None, "out")
    assert (door.tap(), door.walk()) == (["granted"], ["passed"])


def test_a_boarder_leaves_with_a_permit_only() -> None:
    door = Door(BOARDER, "out")
    assert door.tap() == [LeaveReason.NO_LEAVE.code]
    assert door.opened == 0
    permit = Leave(NOON_MS - HOUR_MS, NOON_MS + HOUR_MS)
    door = Door(Pupil(Consent.GIVEN, boards=True, leaves=(permit,)), "out")
    assert (door.tap(), door.walk()) == (["granted"], ["passed", "went-on-leave"])


def test_who_is_back_late_is_told_so_on_the_screen_and_in_a_record() -> None:
    permit = Leave(NOON_MS - HOUR_MS, NOON_MS + HOUR_MS)
    out = Door(Pupil(Consent.GIVEN, boards=True, leaves=(permit,)), "out")
    out.tap()
    out.walk()
    back = Door(BOARDER)
    back.facts.marks = out.facts.marks
    back.facts.now_ms = permit.until_ms + 1
    assert back.tap() == ["granted"]
    assert back.shown[-1].sentence == BACK_LATE
    assert back.walk() == ["passed", "came-back-late"]


def test_a_consent_that_is_missing_keeps_a_child_out_of_the_records_and_never_inside() -> None:
    small = Pupil(Consent.MISSING)
    assert Door(small).tap() == [ConsentReason.NO_CONSENT.code]
    out = Door(small, "out")
    assert (out.tap(), out.walk()) == (["granted"], ["passed"])


@pytest.mark.parametrize(("settings", "told"), [({}, [TermReason.VACATION.code]), ({"vacation_in": True}, ["granted"])])
def test_pupils_stay_outside_in_the_vacation_unless_the_school_says_otherwise(
    settings: dict[str, Any], told: list[str]
) -> None:
    door = Door(Pupil(Consent.GIVEN), campus={"term": TERM, **settings})
    door.facts.now_ms += 50 * 24 * HOUR_MS  # the 12th of January
    assert door.tap() == told
    leaving = Door(BOARDER, "out", campus={"term": TERM})
    leaving.facts.now_ms = door.facts.now_ms
    assert leaving.tap() == ["granted"]


def test_a_day_that_no_calendar_speaks_of_is_told_once_and_lets_nobody_out() -> None:
    door = Door(BOARDER, "out", campus={})
    assert door.tap() == [TermReason.UNKNOWN.code, LeaveReason.NO_LEAVE.code]
    assert TermReason.UNKNOWN.code not in door.tap()


# The till ------------------------------------------------------------------------------------------------------------


def till(limit_fen: int, **changes: Any) -> Till:
    lane = Till(**changes)
    pupil = Pupil(Consent.GIVEN, day_limit_fen=limit_fen)
    lane.facts.people[Subject("city", PAYER)] = Person("class-3-2", shown_as="张*三", pupil=pupil)
    return lane


def test_the_guardians_limit_counts_payments_and_not_questions_that_came_to_nothing() -> None:
    lane = till(2_999)
    lane.buy(PAYER)
    assert whole(lane.shown[-1]).en.startswith("张*三: Paid: 15.00 yuan")
    lane.facts.now_ms += HOUR_MS
    lane.present(PAYER)
    assert lane.kinds()[-1][1] == GuardianReason.GUARDIAN_LIMIT.code
    assert lane.state.asking is None
    lane = till(1_500)
    lane.present(PAYER)
    lane.silence()
    assert lane.kinds()[-1][1] == PaymentReason.PAID_OFFLINE.code
    lane.facts.now_ms += HOUR_MS
    lane.present(PAYER)
    assert lane.kinds()[-1][1] == GuardianReason.GUARDIAN_LIMIT.code


def test_what_was_not_paid_does_not_count() -> None:
    lane = till(1_500, offline={"payment_fen": 0})
    lane.present(PAYER)
    lane.silence()
    assert lane.kinds()[-1][1] == PaymentReason.OFFLINE_CEILING.code
    lane.facts.now_ms += HOUR_MS
    lane.buy(PAYER)
    assert lane.kinds()[-1][1] == PaymentReason.PAID.code


def test_the_canteens_own_limits_are_asked_first() -> None:
    lane = till(100, limits={"period_meals": 1, "day_fen": 500})
    lane.present(PAYER)
    assert lane.kinds()[-1][1] == CanteenReason.DAY_SPENT.code


def test_a_part_that_is_given_back_may_be_spent_again_on_its_own_date_only() -> None:
    lane = till(2_000, operators={"entitlements": ["cashier"]})
    lane.buy(PAYER)
    lane.tell(KeyPressed(FunctionKey.OPERATOR, None))
    lane.present(OPERATOR, "cashier")
    lane.tell(KeyPressed(FunctionKey.REFUND, 1))
    lane.tell(AmountEntered(1_000))
    spent = [mark for mark in lane.journal[-1].marks if mark.scope == guardian.SCOPE]
    assert [(mark.key, mark.value) for mark in spent] == [(key_of(Subject("city", PAYER), "20261123"), 500)]
    lane.facts.now_ms += 24 * HOUR_MS
    lane.buy(PAYER)
    lane.tell(KeyPressed(FunctionKey.VOID, 1))
    today = key_of(Subject("city", PAYER), "20261124")
    assert counted(guardian.SCOPE, today, lane.facts) == 1_500
