"""The subsidy query's reducer: who may ask, how often a PIN is tried, and that nothing of an answer stays."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest

from profiles.amounts import AmountProblem, AmountRefused
from profiles.api import (
    AmountEntered,
    Ask,
    Assurance,
    Credential,
    Event,
    Mark,
    Presented,
    Reason,
    Record,
    RecordedLate,
    Rejected,
    Restarted,
    Show,
    StartTimer,
    Subject,
    TimerFired,
)
from profiles.questions import Answered, Declined, NotRecorded, Unanswered
from profiles.screen import ShowPrivately, WipeScreen
from profiles.subsidies import PinEntered, QuerySubsidies, Subsidies, SubsidyPaid
from profiles.subsidy import IDLE_TIMER, Subsidy, SubsidySettings, SubsidyState
from profiles.subsidy_words import lines_of, masked
from tests.profiles.facts import HeldFacts

ANSWER = Subsidies("张小三", "6228480000004321", (SubsidyPaid("耕地地力保护补贴", "20260618", 125_000),), 2)
PIN = "135790"


class Kiosk:
    """A screen whose effects' marks are kept; what is saved is held against the secrets after every event."""

    def __init__(self, **settings: Any) -> None:
        self.lane = Subsidy(SubsidySettings.model_validate(settings))
        self.facts = HeldFacts()
        self.state = self.lane.idle()
        self.effects: tuple[Any, ...] = ()

    def tell(self, event: Event) -> list[str]:
        step = self.lane.handle(self.state, event, self.facts)
        self.facts.keep(step.effects)
        self.state, self.effects = step.state, step.effects
        saved = cbor2.dumps(step.state.model_dump())
        records = [effect for effect in step.effects if isinstance(effect, Record)]
        for kept in (saved, repr(step).encode(), repr(records).encode(), repr(self.facts.marks).encode()):
            assert not any(secret.encode() in kept for secret in ("张小三", "4321", "耕地", "125000", "1250.00", PIN))
        return [record.reason.code for record in records]

    def restart(self) -> list[str]:
        self.state = SubsidyState.model_validate(cbor2.loads(cbor2.dumps(self.state.model_dump())))
        return self.tell(Restarted())

    def one(self, kind: type) -> Any:
        (found,) = [effect for effect in self.effects if isinstance(effect, kind)]
        return found

    def has(self, kind: type) -> bool:
        return any(isinstance(effect, kind) for effect in self.effects)

    @property
    def shown(self) -> str:
        return [effect.sentence.en for effect in self.effects if isinstance(effect, Show)][-1]

    def pin(self, digits: str = PIN) -> bytes:
        """Type a PIN that is asked about; the record that says so."""
        assert self.tell(PinEntered(digits)) == ["subsidy-asked"]
        assert self.one(Ask).question == QuerySubsidies(pin=digits)
        return bytes(self.one(Record).id)


def person(assurance: Assurance = Assurance.AUTHENTICATED_CARD, *, provisional: bool = False) -> Credential:
    who = (1).to_bytes(16, "big")
    marks = (Mark("seen", who, 1, 2**53),) if assurance is Assurance.DYNAMIC_CODE else ()
    evidence = b"the whole code" if marks else None
    return Credential(who, Subject("city", who, provisional), "card", assurance, marks=marks, evidence=evidence)


def test_a_code_asks_at_once_with_its_evidence_and_its_answer_is_shown_and_kept_nowhere() -> None:
    kiosk = Kiosk()
    assert kiosk.tell(Presented(person(Assurance.DYNAMIC_CODE))) == ["subsidy-asked"]
    record, ask = kiosk.one(Record), kiosk.one(Ask)
    assert (ask.about, ask.question) == (record.id, QuerySubsidies(evidence=b"the whole code"))
    assert [mark.scope for mark in record.marks] == ["seen"]
    assert kiosk.tell(Answered(record.id, ANSWER)) == ["subsidy-shown"]
    assert kiosk.one(Record).refers_to == record.id
    lines = [line.en for line in kiosk.one(ShowPrivately).lines]
    assert lines == [
        "张*三  account ending in 4321",
        "2026-06-18  耕地地力保护补贴  1250.00 yuan",
        "and 2 older ones",
        "Press 0 and Enter when you have read it",
    ]
    assert kiosk.tell(AmountEntered(0)) == []
    assert kiosk.has(WipeScreen)
    assert kiosk.state == SubsidyState()


def test_a_card_asks_with_a_pin_and_a_right_one_forgets_what_was_wrong() -> None:
    kiosk = Kiosk()
    assert kiosk.tell(Presented(person())) == []
    about = kiosk.pin("0000")
    assert kiosk.tell(Answered(about, Declined("pin-wrong"))) == ["pin-wrong"]
    kiosk.facts.now_ms += 2_000
    about = kiosk.pin()
    assert kiosk.tell(Answered(about, ANSWER)) == ["subsidy-shown"]
    assert kiosk.lane._settings.pins.left(person().subject, kiosk.facts) == 3


@pytest.mark.parametrize(
    ("who", "came"),
    [
        (person(Assurance.READ), "assurance-too-low"),
        (person(Assurance.STATIC_CODE), "assurance-too-low"),
        (person(provisional=True), "not-registered"),
        (person(Assurance.DYNAMIC_CODE, provisional=True), "not-registered"),
    ],
)
def test_who_proves_too_little_asks_nothing(who: Credential, came: str) -> None:
    kiosk = Kiosk()
    assert kiosk.tell(Presented(who)) == [came]
    assert not kiosk.has(Ask)
    assert kiosk.tell(PinEntered(PIN)) == []
    assert kiosk.shown == "Please present a card or a code first"


def test_pins_are_bounded_by_the_day_and_slower_each_time_whatever_restarts() -> None:
    kiosk = Kiosk(pins={"a_day": 3, "pause_ms": 2_000})
    for number in range(3):
        kiosk.tell(Presented(person()))
        about = kiosk.pin("0000")
        came = kiosk.tell(Answered(about, Declined("pin-wrong")))
        assert came == (["pin-wrong"] if number < 2 else ["pin-blocked"])
        if number < 2:
            assert kiosk.restart() == []
            kiosk.tell(Presented(person()))
            kiosk.facts.now_ms += 2_000 * 2**number - 1
            assert kiosk.tell(PinEntered(PIN)) == ["pin-soon"]
            kiosk.facts.now_ms += 1
    kiosk.facts.now_ms += 60_000
    kiosk.tell(Presented(person()))
    assert kiosk.tell(PinEntered(PIN)) == ["pin-blocked"]
    assert kiosk.tell(PinEntered(PIN)) == []  # the session is over
    kiosk.facts.now_ms += 86_400_000
    kiosk.tell(Presented(person()))
    kiosk.pin()


def test_a_plug_that_is_pulled_before_the_answer_gives_no_try_back_and_no_answer_does() -> None:
    kiosk = Kiosk()
    kiosk.tell(Presented(person()))
    kiosk.pin()
    left = kiosk.lane._settings.pins.left
    assert left(person().subject, kiosk.facts) == 2
    assert kiosk.restart() == ["outcome-unknown"]
    assert kiosk.has(WipeScreen)
    assert left(person().subject, kiosk.facts) == 2
    kiosk.tell(Presented(person()))
    about = kiosk.pin()
    assert kiosk.tell(Unanswered(about)) == ["subsidy-not-reached"]
    assert left(person().subject, kiosk.facts) == 2
    assert kiosk.shown == "Asking is not possible now; please come back later"


def test_the_screen_is_wiped_when_nobody_types_and_a_stale_timer_wipes_nothing() -> None:
    kiosk = Kiosk(idle_ms=30_000)
    kiosk.tell(Presented(person()))
    first = kiosk.one(StartTimer)
    assert (first.name, first.delay_ms) == (IDLE_TIMER, 30_000)
    kiosk.tell(Answered(kiosk.pin(), ANSWER))
    assert kiosk.one(ShowPrivately).keep_ms == 30_000
    kiosk.tell(TimerFired(IDLE_TIMER, b"another"))
    assert not kiosk.effects
    kiosk.tell(TimerFired(IDLE_TIMER, kiosk.state.session.timer if kiosk.state.session else b""))
    assert kiosk.has(WipeScreen)
    assert kiosk.state.session is None


def test_whoever_comes_next_sees_nothing_of_whoever_was_there() -> None:
    for event in (Presented(person(Assurance.READ)), Presented(person())):
        kiosk = Kiosk()
        kiosk.tell(Presented(person()))
        kiosk.tell(Answered(kiosk.pin(), ANSWER))
        kiosk.tell(event)
        assert isinstance(kiosk.effects[0], WipeScreen)
    kiosk = Kiosk()
    kiosk.tell(Presented(person()))
    about = kiosk.pin()
    assert kiosk.tell(Presented(person(Assurance.DYNAMIC_CODE))) == ["busy"]
    assert kiosk.tell(Answered(about, ANSWER)) == ["subsidy-shown"]


@pytest.mark.parametrize(
    ("code", "left"), [("account-unknown", 3), ("unreadable", 3), ("pin-wrong", 2), ("pin-blocked", 2)]
)
def test_only_a_pin_that_was_wrong_is_counted_in_the_end(code: str, left: int) -> None:
    kiosk = Kiosk()
    kiosk.tell(Presented(person()))
    kiosk.tell(Answered(kiosk.pin(), Declined(code)))
    assert kiosk.lane._settings.pins.left(person().subject, kiosk.facts) == left


@pytest.mark.parametrize(
    ("code", "came"),
    [
        ("pin-unset", "pin-unset"), ("pin-blocked", "pin-blocked"), ("account-unknown", "no-subsidies"),
        ("medium-lost", "medium-lost"), ("not-proven", "subsidy-refused"), ("of-a-later-version", "subsidy-refused"),
    ],
)  # fmt: skip
def test_every_no_of_the_platform_is_said_and_ends_the_session(code: str, came: str) -> None:
    kiosk = Kiosk()
    kiosk.tell(Presented(person()))
    assert kiosk.tell(Answered(kiosk.pin(), Declined(code))) == [came]
    assert kiosk.state.session is None
    assert kiosk.has(WipeScreen)


def test_what_could_not_be_recorded_is_not_shown() -> None:
    for ending in (NotRecorded, RecordedLate):
        kiosk = Kiosk()
        kiosk.tell(Presented(person()))
        about = kiosk.pin()
        assert kiosk.tell(ending(b"another")) == []
        assert kiosk.tell(ending(about)) == ["not-recorded"]
        assert kiosk.tell(Answered(about, ANSWER)) == []
        assert not kiosk.has(ShowPrivately)


def test_what_is_no_pin_is_said_and_refusals_are_counted() -> None:
    kiosk = Kiosk()
    for nonsense in (AmountEntered(1200), AmountRefused(AmountProblem.UNREADABLE)):
        assert kiosk.tell(nonsense) == []
        assert kiosk.shown == "A service PIN has 4 to 12 digits; please type it again"
    assert kiosk.tell(Rejected(Reason.CARD_REMOVED)) == ["card-removed"]
    assert kiosk.tell(Rejected(Reason.CARD_REMOVED)) == []
    assert kiosk.restart() == ["repeated"]


def test_names_are_masked_and_an_empty_answer_says_so() -> None:
    assert [masked(name) for name in ("张三", "张小三", "欧阳小三", "张", "")] == ["张*", "张*三", "欧*三", "张*", "*"]
    assert "No subsidies were paid" in [line.en for line in lines_of(Subsidies("张三", "1", ()))]
