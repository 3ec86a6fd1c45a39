"""A till handed events: who pays, what is asked, and that every intent ends in one payment or one reversal."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.amounts import NO_SUCH_KEY, AmountProblem, AmountRefused, FunctionKey, KeyPressed
from profiles.api import (
    AmountEntered,
    Ask,
    Assurance,
    Credential,
    Event,
    Kind,
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
    Tone,
)
from profiles.code_reasons import CodeReason
from profiles.payment_reasons import PaymentReason
from profiles.questions import (
    Answered,
    AnsweredLate,
    Authorise,
    Authorised,
    Balance,
    Declined,
    Money,
    NotRecorded,
    Unanswered,
)
from profiles.rules.repeats import WINDOW_MS
from profiles.till import AMOUNT_TIMER, Till, TillSettings, TillState
from tests.profiles.facts import HeldFacts, confirmed

LI, WANG = b"l" * 16, b"w" * 16
DAY_MS = 86_400_000


class Lane:
    """A till with its facts and its journal, as the agent runs it."""

    def __init__(self, **changes: Any) -> None:
        self.till = Till(TillSettings.model_validate({"merchant": "canteen-1", "admit": {"everyone": True}} | changes))
        self.state = self.till.idle()
        self.facts = HeldFacts()
        self.journal: list[Record] = []
        self.shown: list[Show] = []
        self.asks: list[Ask] = []
        self.timers: list[StartTimer] = []
        self.confirms = True

    def tell(self, event: Event) -> None:
        step = self.till.handle(self.state, event, self.facts)
        self.state = TillState.model_validate(cbor2.loads(cbor2.dumps(step.state.model_dump())))
        assert self.state == step.state, "the state does not survive the disk"
        self.facts.keep(step.effects)
        self.state = confirmed(self.till, self.state, step.effects, self.facts) if self.confirms else self.state
        for effect in step.effects:
            match effect:
                case Record():
                    self.journal.append(effect)
                case Show():
                    self.shown.append(effect)
                case Ask():
                    self.asks.append(effect)
                case StartTimer():
                    self.timers.append(effect)

    def present(self, who: bytes = LI, **changes: Any) -> None:
        fields: dict[str, Any] = {"medium": who, "subject": Subject("city", who), "source": "social-security"}
        self.tell(Presented(Credential(**fields | {"assurance": Assurance.READ} | changes)))

    def yes(self, **changes: Any) -> Authorised:
        question = self.asks[-1].question
        assert isinstance(question, Authorise)
        fields: dict[str, Any] = {"intent_id": question.money.intent_id, "amount_fen": question.money.amount_fen}
        return Authorised(**fields | changes)

    def pay(self, who: bytes = LI, amount_fen: int = 1250) -> None:
        """Somebody pays while nobody can be asked."""
        self.tell(AmountEntered(amount_fen))
        self.present(who)
        if self.asks:
            self.tell(Unanswered(self.asks[-1].about))

    def kinds(self) -> list[tuple[Kind, str]]:
        return [(record.kind, record.reason.code) for record in self.journal]


def test_the_intent_is_recorded_before_the_platform_is_asked_and_its_yes_is_a_payment() -> None:
    lane = Lane()
    lane.tell(AmountEntered(1250))
    assert lane.shown[-1].sentence.en == "Please pay 12.50 yuan"
    lane.present(evidence=b"code", marks=(Mark("replay", b"k", 1, 2**50),))
    (asked,) = lane.journal
    (ask,) = lane.asks
    assert (asked.kind, asked.evidence) == (Kind.ASKED, b"code")
    assert [mark.scope for mark in asked.marks] == ["replay"]
    assert isinstance(ask.question, Authorise)
    assert asked.money == ask.question.money == Money(1250, lane.yes().intent_id, "canteen-1", "20261123")
    assert (ask.about, ask.medium, ask.subject) == (asked.id, LI, Subject("city", LI))
    lane.tell(Answered(asked.id, lane.yes()))
    paid = lane.journal[1]
    assert (paid.kind, paid.reason, paid.refers_to) == (Kind.PAYMENT, PaymentReason.PAID, asked.id)
    assert paid.money == asked.money
    assert (lane.shown[-1].sentence.en, lane.shown[-1].tone) == ("Paid: 12.50 yuan", Tone.OK)
    assert lane.state.asking is None
    assert lane.state.amount_fen is None


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("insufficient-funds", "insufficient-funds"),
        ("account-unknown", "no-account"),
        ("account-blocked", "no-account"),
        ("intent-ended", "platform-declined"),
        ("of-a-later-version", "platform-declined"),
    ],
)
def test_a_no_is_a_reversal_and_another_card_may_pay_the_same_amount(code: str, reason: str) -> None:
    lane = Lane()
    lane.tell(AmountEntered(100))
    lane.present()
    lane.tell(Answered(lane.asks[-1].about, Declined(code)))
    assert lane.kinds() == [(Kind.ASKED, "asked"), (Kind.REVERSAL, reason)]
    reversal = lane.journal[-1]
    assert reversal.money is not None
    assert reversal.money.amount_fen == -100
    assert lane.shown[-1].tone is Tone.NO
    lane.present(WANG)
    assert lane.kinds()[-1] == (Kind.ASKED, "asked")


@pytest.mark.parametrize("answer", [None, Declined("expired"), Balance(5)], ids=["silence", "expired", "nonsense"])
def test_without_an_answer_in_time_the_ceilings_decide(answer: Any) -> None:
    lane = Lane()
    for amount_fen in (2000, 2001):
        lane.tell(AmountEntered(amount_fen))
        lane.present(LI if amount_fen == 2000 else WANG)
        about = lane.asks[-1].about
        lane.tell(Unanswered(about) if answer is None else Answered(about, answer))
    asked = (Kind.ASKED, "asked")
    assert lane.kinds() == [asked, (Kind.PAYMENT, "paid-offline"), asked, (Kind.REVERSAL, "offline-ceiling")]


def test_a_yes_to_another_amount_or_intent_is_no_yes() -> None:
    for change in ({"amount_fen": 1}, {"intent_id": b"j" * 16}):
        lane = Lane(offline={"payment_fen": 0})
        lane.tell(AmountEntered(1250))
        lane.present()
        lane.tell(Answered(lane.asks[-1].about, lane.yes(**change)))
        assert lane.kinds()[-1] == (Kind.REVERSAL, "offline-ceiling")


def test_a_person_and_a_terminal_have_a_ceiling_a_day_that_a_restart_keeps() -> None:
    lane = Lane(offline={"payment_fen": 2000, "subject_fen": 3000, "terminal_fen": 5000})
    lane.pay(LI, 2000)
    lane.pay(LI, 1001)
    lane.tell(Restarted())
    lane.pay(LI, 1001)
    lane.pay(LI, 1000)
    lane.pay(WANG, 2000)
    lane.pay(WANG, 1)
    reasons = [record.reason.code for record in lane.journal if record.kind is not Kind.ASKED]
    paid, refused = "paid-offline", "offline-ceiling"
    assert reasons == [paid, refused, refused, paid, paid, refused]
    lane.facts.now_ms += DAY_MS // 2
    lane.pay(WANG, 2000)
    assert lane.journal[-1].reason is PaymentReason.PAID_OFFLINE


def test_a_card_that_no_register_knows_has_the_lower_ceiling() -> None:
    lane = Lane()
    lane.tell(AmountEntered(1001))
    lane.present(subject=Subject("site", LI, provisional=True))
    lane.tell(Unanswered(lane.asks[-1].about))
    assert lane.kinds()[-1] == (Kind.REVERSAL, "offline-ceiling")


def test_a_late_yes_is_journalled_as_a_release_and_nothing_follows_from_it() -> None:
    lane = Lane()
    lane.pay()
    shown = len(lane.shown)
    about = lane.asks[-1].about
    lane.tell(AnsweredLate(about, lane.yes()))
    release = lane.journal[-1]
    assert (release.kind, release.reason, release.refers_to) == (Kind.RELEASE, PaymentReason.ANSWERED_LATE, about)
    assert release.money is not None
    assert (release.money.amount_fen, release.money.intent_id) == (-1250, lane.yes().intent_id)
    assert len(lane.shown) == shown


def test_a_yes_to_what_was_reversed_meanwhile_is_as_late_as_any() -> None:
    lane = Lane()
    lane.tell(AmountEntered(1250))
    lane.present()
    lane.tell(Restarted())
    lane.tell(Answered(lane.asks[-1].about, lane.yes()))
    kinds = [kind for kind, _ in lane.kinds()]
    assert kinds == [Kind.ASKED, Kind.REVERSAL, Kind.RELEASE]


def test_a_restart_between_question_and_decision_reverses_and_forgets_the_amount() -> None:
    lane = Lane()
    lane.tell(AmountEntered(1250))
    lane.present()
    lane.tell(Restarted())
    assert lane.kinds() == [(Kind.ASKED, "asked"), (Kind.REVERSAL, "outcome-unknown")]
    assert lane.journal[1].refers_to == lane.journal[0].id
    assert lane.state == TillState()
    lane.tell(Restarted())
    assert len(lane.journal) == 2


def test_a_restart_takes_back_a_payment_that_nobody_knows_to_have_been_told_in_time() -> None:
    lane = Lane()
    lane.confirms = False
    lane.pay()
    lane.tell(Restarted())
    assert lane.kinds()[1:] == [(Kind.PAYMENT, "paid-offline"), (Kind.REVERSAL, "outcome-unknown")]
    assert lane.journal[-1].money == lane.journal[-2].money.back() if lane.journal[-2].money else False
    assert "not made" in lane.shown[-1].sentence.en
    lane.tell(Restarted())
    assert len(lane.journal) == 3, "once"


def test_a_payment_that_proved_late_is_taken_back_once_also_where_the_restart_comes_first() -> None:
    lane = Lane()
    lane.confirms = False
    lane.pay()
    lane.tell(RecordedLate(lane.journal[0].id))
    lane.tell(Restarted())
    assert [kind for kind, _ in lane.kinds()] == [Kind.ASKED, Kind.PAYMENT, Kind.REVERSAL]


def test_after_a_restart_the_screen_says_that_the_last_payment_was_made() -> None:
    lane = Lane()
    lane.pay()
    lane.tell(Restarted())
    assert lane.shown[-1].sentence.en == "The last payment was made: 12.50 yuan"


@pytest.mark.parametrize("event", [RecordedLate, NotRecorded])
def test_an_intent_that_the_disk_took_too_late_is_reversed(event: type[RecordedLate | NotRecorded]) -> None:
    lane = Lane()
    lane.tell(AmountEntered(1250))
    lane.present()
    shown = len(lane.shown)
    lane.tell(event(lane.journal[0].id))
    assert lane.kinds()[-1] == (Kind.REVERSAL, "not-paid")
    assert len(lane.shown) == shown, "the lane has told the citizen already"
    lane.tell(event(lane.journal[0].id))
    assert len(lane.journal) == 2


def test_a_payment_that_the_disk_took_too_late_is_taken_back_with_what_it_counted() -> None:
    lane = Lane(amount_fen=1500, offline={"subject_fen": 2000, "subject_payments": 1})
    lane.present()
    lane.tell(Unanswered(lane.asks[-1].about))
    lane.tell(RecordedLate(lane.asks[-1].about))
    assert [kind for kind, _ in lane.kinds()] == [Kind.ASKED, Kind.PAYMENT, Kind.REVERSAL]
    lane.present()
    lane.tell(Unanswered(lane.asks[-1].about))
    assert lane.journal[-1].reason is PaymentReason.PAID_OFFLINE


def test_with_one_price_the_same_card_does_not_pay_twice_in_a_moment() -> None:
    lane = Lane(amount_fen=300)
    lane.present()
    lane.tell(Answered(lane.asks[-1].about, lane.yes()))
    lane.present()
    lane.facts.now_ms += 5_000
    lane.present()
    reasons = [record.reason for record in lane.journal]
    assert reasons == [PaymentReason.ASKED, PaymentReason.PAID, PaymentReason.JUST_PAID, PaymentReason.ASKED]


def test_who_may_not_pay_is_refused_before_anything_is_asked() -> None:
    lane = Lane(admit={"entitlements": ["staff"]}, least_assurance="read")
    lane.tell(AmountEntered(5))
    lane.present(assurance=Assurance.UID)
    lane.present(WANG)
    lane.tell(Rejected(Reason.CARD_REMOVED))
    assert [record.reason for record in lane.journal] == [
        Reason.ASSURANCE_TOO_LOW,
        Reason.NOT_ENTITLED,
        Reason.CARD_REMOVED,
    ]
    assert lane.asks == []
    assert lane.state.amount_fen == 5


def test_without_an_amount_nobody_pays_and_while_one_pays_the_next_waits() -> None:
    lane = Lane()
    lane.present()
    lane.tell(AmountEntered(100))
    lane.tell(AmountEntered(0))
    lane.present()
    assert [record.reason for record in lane.journal] == [PaymentReason.NO_AMOUNT]
    assert [show.sentence.en for show in lane.shown if show.tone is Tone.NO] == [
        PaymentReason.NO_AMOUNT.citizen.en,
        "Nothing is to be paid now; please enter it again",
        PaymentReason.NO_AMOUNT.citizen.en,
    ]
    lane.tell(AmountEntered(100))
    lane.present()
    lane.present(WANG)
    assert lane.journal[-1].reason is Reason.BUSY
    assert len(lane.asks) == 1


@pytest.mark.parametrize("problem", AmountProblem)
def test_what_is_no_amount_is_said_and_nobody_pays_the_one_before(problem: AmountProblem) -> None:
    lane = Lane()
    lane.tell(AmountEntered(100))
    lane.tell(AmountRefused(problem))
    assert (lane.shown[-1].sentence, lane.shown[-1].tone) == (problem.sentence, Tone.NO)
    lane.present()
    assert lane.kinds() == [(Kind.DECISION, "no-amount")]


@pytest.mark.parametrize("typed", [AmountEntered(1), AmountEntered(0), AmountRefused(AmountProblem.TOO_MUCH)])
def test_a_fixed_price_is_said_to_whoever_types_another(typed: Event) -> None:
    lane = Lane(amount_fen=300)
    lane.tell(typed)
    assert lane.shown[-1].sentence.en == "One price: 3.00 yuan"
    assert lane.journal == []


def test_an_amount_typed_while_somebody_pays_is_for_the_next() -> None:
    lane = Lane()
    lane.tell(AmountEntered(100))
    lane.present()
    lane.tell(AmountEntered(250))
    lane.tell(Answered(lane.asks[-1].about, Declined("insufficient-funds")))
    lane.present(WANG)
    assert lane.asks[-1].question == Authorise(lane.journal[-1].money)  # type: ignore[arg-type]
    assert lane.journal[-1].money is not None
    assert lane.journal[-1].money.amount_fen == 250


def test_a_fixed_price_hears_no_keypad() -> None:
    lane = Lane(amount_fen=300)
    lane.tell(AmountEntered(1))
    lane.present()
    assert lane.journal[-1].money is not None
    assert lane.journal[-1].money.amount_fen == 300


def test_refusals_that_repeat_are_counted() -> None:
    lane = Lane()
    for _ in range(3):
        lane.present()
    (timer,) = lane.timers
    assert timer.delay_ms == WINDOW_MS
    lane.tell(TimerFired(timer.name, timer.about))
    assert lane.journal[-1].public == {"repeated": 2}


EVENTS = st.sampled_from(
    ["amount", "li", "wang", "yes", "wrong", "no", "silence", "late", "restart", "late-record", "not-recorded"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(EVENTS, max_size=40), st.booleans())
def test_every_intent_ends_in_one_payment_or_one_reversal_and_is_paid_only_after_a_yes_or_within_the_ceilings(
    script: list[str], fixed: bool
) -> None:
    lane = Lane(**({"amount_fen": 900} if fixed else {}), offline={"subject_fen": 2000, "terminal_fen": 3000})
    for word in script:
        about = lane.asks[-1].about if lane.asks else b"?" * 16
        lane.facts.now_ms += 7_000
        match word:
            case "amount":
                lane.tell(AmountEntered(900))
            case "li" | "wang":
                lane.present(LI if word == "li" else WANG)
            case "yes" | "wrong" if lane.asks:
                lane.tell(Answered(about, lane.yes() if word == "yes" else lane.yes(amount_fen=1)))
            case "no":
                lane.tell(Answered(about, Declined("insufficient-funds")))
            case "silence":
                lane.tell(Unanswered(about))
            case "late" if lane.asks:
                lane.tell(AnsweredLate(about, lane.yes()))
            case "restart":
                lane.tell(Restarted())
            case "late-record":
                lane.tell(RecordedLate(about))
            case "not-recorded":
                lane.tell(NotRecorded(about))
    lane.tell(Restarted())
    by_intent: dict[bytes, list[Kind]] = {}
    for record in lane.journal:
        if record.money is not None:
            by_intent.setdefault(record.money.intent_id, []).append(record.kind)
    for kinds in by_intent.values():
        moved = [kind for kind in kinds if kind is not Kind.RELEASE]
        asked = Kind.ASKED
        assert moved in ([asked, Kind.PAYMENT], [asked, Kind.REVERSAL], [asked, Kind.PAYMENT, Kind.REVERSAL])
    offline = [record for record in lane.journal if record.reason is PaymentReason.PAID_OFFLINE]
    undone = {record.refers_to for record in lane.journal if record.reason is PaymentReason.NOT_PAID}
    assert sum(record.money.amount_fen for record in offline if record.money and record.refers_to not in undone) <= 3000


def test_a_code_shown_again_hears_what_became_of_it_and_pays_nothing_more() -> None:
    lane = Lane()
    lane.tell(AmountEntered(1250))
    lane.present(presentation=b"showing")
    again = Rejected(CodeReason.REPLAYED, LI, Subject("city", LI), b"showing")
    lane.tell(again)
    assert (lane.shown[-1].tone, len(lane.journal)) == (Tone.WAIT, 1)
    lane.tell(Answered(lane.asks[-1].about, lane.yes()))
    lane.tell(again)
    assert lane.shown[-1].sentence.en == "The last payment was made: 12.50 yuan"
    assert lane.shown[-1].tone.value == "wait", "a picture of the code opens nobody's way"
    lane.tell(Rejected(CodeReason.REPLAYED, LI, Subject("city", LI), b"another"))
    assert lane.shown[-1].tone is Tone.NO
    assert [kind for kind, _ in lane.kinds()] == [Kind.ASKED, Kind.PAYMENT, Kind.DECISION]


def test_a_key_that_a_till_does_not_have_changes_nothing_and_is_said() -> None:
    lane = Lane()
    lane.tell(AmountEntered(100))
    lane.tell(KeyPressed(FunctionKey.VOID, 1))
    assert lane.shown[-1].sentence == NO_SUCH_KEY
    assert (lane.state.amount_fen, lane.journal) == (100, [])


def test_an_amount_that_nobody_pays_is_taken_back_and_no_other_amount_with_it() -> None:
    lane = Lane()
    lane.tell(AmountEntered(500))
    first = lane.state.typed
    lane.tell(AmountEntered(700))
    second = lane.state.typed
    left = []
    for typed in (first, second, second):
        lane.tell(TimerFired(AMOUNT_TIMER, typed))
        left.append(lane.state.amount_fen)
    assert left == [700, None, None]
    assert lane.shown[-1].sentence.en == "Nobody paid, so it was taken back; please type it again"


def test_an_amount_waits_so_long_from_its_typing_and_anew_for_another_card() -> None:
    lane = Lane(order_waits_ms=60_000)
    lane.tell(AmountEntered(500))
    waits = StartTimer(AMOUNT_TIMER, 60_000, lane.state.typed)
    assert lane.timers == [waits]
    lane.present()
    assert lane.timers == [waits]
    lane.tell(Answered(lane.asks[-1].about, Declined("insufficient-funds")))
    assert (lane.state.amount_fen, lane.timers) == (500, [waits, waits])
