"""What every scene that takes money does alike: one intent at a time, from its question to its end.

A scene decides who pays what (:meth:`Cashier.admission`, :class:`Bill`) and hands that to :meth:`Cashier.ask`. From
there on the four rules of :mod:`profiles.questions` are kept here: the intent is recorded, the platform is asked, and
the answer, or the deadline and the offline ceilings, end it in a ``payment`` or a ``reversal``. What a scene counts
with a payment it adds in :meth:`Cashier.paid` and takes back in :meth:`Cashier.undone`. A code is spent with the record
of the intent: who is refused shows a fresh one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeAlias, TypeVar

from pydantic import Field

from profiles.amounts import NO_SUCH_KEY, KeyPressed, yuan
from profiles.api import (
    Ask,
    Assurance,
    Credential,
    Effect,
    Event,
    Facts,
    Kind,
    Mark,
    ProfileSettings,
    Reason,
    Record,
    RecordedLate,
    Rejected,
    Restarted,
    Show,
    Step,
    Subject,
    Tone,
)
from profiles.dates import compact
from profiles.intents import Bill as Bill  # noqa: PLC0414 -- scenes have both from here
from profiles.intents import Payment as Payment  # noqa: PLC0414
from profiles.intents import divided_by, limit_marks, money_marks
from profiles.payers import CREDIT, shared, with_due
from profiles.payment_reasons import DECLINED, PaymentReason
from profiles.printable import Printable
from profiles.purpose import Purpose
from profiles.questions import (
    Answer,
    Answered,
    AnsweredLate,
    Authorise,
    Authorised,
    Confirmed,
    Declined,
    Money,
    NotRecorded,
    Unanswered,
)
from profiles.reasons import ReasonEnum, Sentence
from profiles.rules import consent, guardian, lease
from profiles.rules.accounts import spread
from profiles.rules.admission import Admission
from profiles.rules.assurance import LeastAssurance
from profiles.rules.codes import CodePolicy
from profiles.rules.double_tap import not_used, used, used_just_now
from profiles.rules.offline_pay import OfflinePay
from profiles.rules.schedule import Schedule
from profiles.scene import Scene, SceneState
from profiles.staff import name_of
from profiles.trace import Asked, Rule, judge

PAID_SCOPE = "till.paid"
_TOO_LATE_FOR_THE_PLATFORM = "expired"
_AGREED = judge([(Rule.PLATFORM, True, None)])
_SILENT = judge([(Rule.PLATFORM, False, None)])


class PaySettings(ProfileSettings):
    """Settings that every scene with payments has."""

    merchant: Printable = Field(min_length=1, max_length=64, description="who is paid, as the platform knows it")
    admit: Admission
    least_assurance: LeastAssurance = Field(
        default=Assurance.READ, description="uid, read, static-code, dynamic-code …"
    )
    schedule: Schedule = Schedule()
    codes: CodePolicy = CodePolicy(purposes=frozenset({Purpose.ANY, Purpose.PAY}))
    ask_deadline_ms: int = Field(
        default=2_500,
        ge=100,
        le=30_000,
        description="so long the citizen waits for the platform",
    )
    offline: OfflinePay = OfflinePay()
    double_tap_ms: int = Field(
        default=5_000, ge=0, le=60_000, description="with one price: the same card again within it pays nothing"
    )


class PayState(SceneState):
    """Base of the state of a scene with payments."""

    asking: Payment | None = Field(default=None, description="recorded and not decided yet")
    latest: Payment | None = Field(default=None, description="the last payment: its record may still prove late")
    unconfirmed: bool = Field(default=False, description="whether its record may have been late for all that is saved")


P = TypeVar("P", bound=PayState)
Kept: TypeAlias = tuple[P, tuple[Mark, ...]]
"""A state, and the marks that go with it."""
Settled: TypeAlias = tuple[dict[str, Any], tuple[Mark, ...]]
"""What a payment changes in the state, by field, and its marks."""


class Cashier(Scene[P], Generic[P]):
    """Base of the reducers that take money."""

    def __init__(self, settings: PaySettings) -> None:
        self._pay = settings

    @property
    def codes(self) -> CodePolicy:
        """Which codes this lane accepts."""
        return self._pay.codes

    def handle(self, state: P, event: Event, facts: Facts) -> Step[P]:
        """What all scenes with payments make of an event; a scene asks here after its own."""
        match event:
            case Rejected(reason, medium, subject, presentation):
                return self._rejected(state, facts, reason, medium, subject, presentation)
            case Answered(about, answer) if state.asking is not None and state.asking.asked_id == about:
                return self._answered(state, state.asking, answer, facts)
            case Answered(about, Authorised() as answer) | AnsweredLate(about, answer):
                return self._late(state, about, answer, facts)
            case Unanswered(about) if state.asking is not None and state.asking.asked_id == about:
                return self._alone(state, state.asking, facts)
            case RecordedLate(about) | NotRecorded(about):
                return self._undo(state, about, facts)
            case Confirmed(about) if state.unconfirmed and state.latest is not None and state.latest.asked_id == about:
                return Step(state.model_copy(update={"unconfirmed": False}))
            case Restarted():
                return self._restarted(state, facts)
            case KeyPressed():
                return Step(state, (Show(NO_SUCH_KEY, Tone.NO),))
            case _:
                return super().handle(state, event, facts)

    # What a scene adds ----------------------------------------------------------------------------------------------

    @property
    def one_price(self) -> bool:
        """Whether one tap pays, so that the same card at once, at any lane, is a second tap and no second sale."""
        return False

    def paid(self, state: P, payment: Payment, facts: Facts) -> Settled:  # noqa: ARG002
        """What a payment changes beside itself, and its marks."""
        return {}, ()

    def undone(self, state: P, payment: Payment, facts: Facts, was_paid: bool) -> Kept[P]:  # noqa: ARG002
        """The state and the marks after an intent came to nothing, or its payment was taken back."""
        return state, ()

    def unpaid(self, step: Step[P], payment: Payment, facts: Facts) -> Step[P]:  # noqa: ARG002
        """What follows where the platform was silent and a ceiling is reached; an exit for people opens."""
        return step

    def said(self, state: P, what: Sentence, payment: Payment) -> Sentence:  # noqa: ARG002
        """What the screen says of a payment: how much, who paid what, and what is left to settle."""
        told = shared(with_amount(what, payment.amount_fen), payment.amount_fen, payment.funds)
        return with_due(told, payment.funds[CREDIT], payment.due) if payment.due else told

    def anew(self, state: P) -> P:
        """The state after a restart: of what stood on the counter nobody knows."""
        return state

    # Who may pay ----------------------------------------------------------------------------------------------------

    def admission(self, state: P, credential: Credential, facts: Facts) -> Iterator[Asked]:
        """The rules that all scenes with payments begin with."""
        pay = self._pay
        yield Rule.ASSURANCE, credential.assurance >= pay.least_assurance, Reason.ASSURANCE_TOO_LOW
        yield Rule.ADMISSION, pay.admit.admits(credential, facts), Reason.NOT_ENTITLED
        yield Rule.SCHEDULE, pay.schedule.is_open(facts.local_time), Reason.OUT_OF_HOURS
        yield from consent.rules(credential.subject, facts)
        yield Rule.LANE_FREE, state.asking is None, Reason.BUSY

    def paid_just_now(self, medium: bytes, facts: Facts) -> bool:
        """Whether the medium paid within the window."""
        return used_just_now(PAID_SCOPE, medium, self._pay.double_tap_ms, facts)

    def just_paid_mark(self, payment: Payment, facts: Facts) -> Mark:
        """The mark that :meth:`paid_just_now` looks for."""
        return used(PAID_SCOPE, payment.medium, self._pay.double_tap_ms, facts)

    def _rejected(
        self,
        state: P,
        facts: Facts,
        reason: ReasonEnum,
        medium: bytes | None,
        subject: Subject | None,
        presentation: bytes | None,
    ) -> Step[P]:
        """A showing that was accepted before is told what became of it, and pays nothing more.

        Not in green: whoever shows a picture of the code that paid last would be waved through by it.
        """
        if presentation is not None and state.asking is not None and state.asking.presentation == presentation:
            return Step(state, (Show(PaymentReason.ASKED.citizen, Tone.WAIT),))
        paid = state.latest if presentation is not None else None
        if paid is None or paid.presentation != presentation:
            return self.refuse(state, facts, reason, medium, subject)
        shown = Show(last_payment(paid).sentence, Tone.WAIT)
        return self.refuse(state, facts, reason, medium, subject, shown=shown)

    # What becomes of an intent --------------------------------------------------------------------------------------

    def ask(
        self,
        state: P,
        credential: Credential,
        bill: Bill,
        trace: bytes,
        facts: Facts,
        public: Mapping[str, str | int | bool] | None = None,
        marks: tuple[Mark, ...] = (),
        shown_in: bytes | None = None,
    ) -> Step[P]:
        """Record the intent, then ask the platform. ``marks`` are the scene's, given back in :meth:`undone`.

        Lease and guardian's limit are asked here, so that no scene can forget them. ``shown_in`` is the record in which
        the holder was seen, where that is another one: it has the evidence.
        """
        subject = credential.subject
        payment = Payment.made(
            asked_id=facts.new_id(),
            intent_id=facts.new_id(),
            amount_fen=bill.amount_fen,
            business_date=bill.business_date,
            medium=credential.medium,
            subject_namespace=subject.namespace,
            subject_id=subject.id,
            provisional=subject.provisional,
            presentation=credential.presentation,
            operator=bill.operator,
            shift=bill.shift,
            account=bill.account,
            funds=dict(bill.funds),
            meal=bill.meal,
            payers=bill.payers,
            shown_in=shown_in,
            ride=bill.ride,
            number=bill.number,
            since_ms=bill.since_ms,
            spent_on=bill.business_date,
        )
        guarded = guardian.rules(subject, payment.guarded_fen, payment.spent_on, facts)
        verdict = judge((*lease.rules(facts), *guarded), trace)
        if verdict.refusal is not None:
            kept, _ = self.undone(state, payment, facts, False)
            return self.refuse(kept, facts, verdict.refusal, payment.medium, subject, verdict.trace)
        money = payment.money(self._pay.merchant)
        claimed = (self.just_paid_mark(payment, facts),) if self.one_price else ()
        record = Record(
            id=payment.asked_id,
            kind=Kind.ASKED,
            reason=PaymentReason.ASKED,
            medium=payment.medium,
            subject=subject,
            refers_to=shown_in,
            public={"source": credential.source, "assurance": int(credential.assurance), **(public or {})},
            marks=(*credential.marks, *limit_marks(payment, facts, 1), *marks, *claimed),
            evidence=credential.evidence,
            money=money,
            trace=verdict.trace,
        )
        offers = () if bill.payers is None else bill.payers.offers
        ask = Ask(
            question=Authorise(money, offers),
            deadline_ms=self._pay.ask_deadline_ms,
            about=payment.asked_id,
            medium=payment.medium,
            subject=subject,
            evidence=credential.evidence,
        )
        after = state.model_copy(update={"asking": payment})
        return Step(after, (record, Show(PaymentReason.ASKED.citizen, Tone.WAIT, name_of(subject, facts)), ask))

    def _answered(self, state: P, payment: Payment, answer: Answer, facts: Facts) -> Step[P]:
        match answer:
            case Authorised(intent_id, amount_fen) if (intent_id, amount_fen) == (
                payment.intent_id,
                payment.amount_fen,
            ) and (paid := divided_by(answer, payment)) is not None:
                return self._settle(state, paid, PaymentReason.PAID, facts, _AGREED.trace)
            case Declined(code) if code != _TOO_LATE_FOR_THE_PLATFORM:
                reason = DECLINED.get(code, PaymentReason.PLATFORM_DECLINED)
                return self._give_up(state, payment, reason, facts, judge([(Rule.PLATFORM, False, reason)]).trace)
            case _:
                return self._alone(state, payment, facts)

    def _alone(self, state: P, payment: Payment, facts: Facts) -> Step[P]:
        """Nobody said yes or no in time: the ceilings decide, those of credit and those of what is paid at once."""
        refusal = PaymentReason.OFFLINE_CEILING
        verdict = _SILENT
        paid = payment
        if payment.payers is not None:
            shares = spread(payment.own_fen, payment.payers.unasked_now(payment.subject, facts))
            verdict = verdict.then([(Rule.OFFLINE_ACCOUNTS, shares is not None, PaymentReason.OFFLINE_ACCOUNTS)])
            paid = payment.by(shares or {})
        verdict = verdict.then(self._pay.offline.rules(paid.at_risk_fen, paid.subject, facts, refusal))
        if verdict.refusal is not None:
            return self.unpaid(self._give_up(state, payment, verdict.refusal, facts, verdict.trace), payment, facts)
        offline = paid.model_copy(update={"offline": True})
        return self._settle(state, offline, PaymentReason.PAID_OFFLINE, facts, verdict.trace)

    def _settle(self, state: P, payment: Payment, reason: PaymentReason, facts: Facts, trace: bytes) -> Step[P]:
        changed, marks = self.paid(state, payment, facts)
        after = state.model_copy(update={"asking": None, "latest": payment, "unconfirmed": True, **changed})
        risk = self._pay.offline
        asked = risk.unasked(payment.subject, facts) if payment.offline else risk.agreed(payment.subject, facts)
        marks = (*money_marks(payment, payment.amount_fen, payment.funds, facts, 1), *asked, *marks)
        money = payment.money(self._pay.merchant)
        public: dict[str, str | int | bool] = {"due": payment.due} if payment.due else {}
        record = self.end(Kind.PAYMENT, reason, payment, money, facts, marks, trace, public)
        told = Show(self.said(after, reason.citizen, payment), Tone.OK, name_of(payment.subject, facts))
        return Step(after, (record, told))

    def _give_up(self, state: P, payment: Payment, reason: ReasonEnum, facts: Facts, trace: bytes = b"") -> Step[P]:
        """Nothing is paid, and nothing may stay held."""
        after, marks = self.undone(state.cleared("asking"), payment, facts, False)
        marks = (*marks, not_used(PAID_SCOPE, payment.medium, facts)) if self.one_price else marks
        marks = (*limit_marks(payment, facts, -1), *marks)
        money = payment.money(self._pay.merchant).back()
        record = self.end(Kind.REVERSAL, reason, payment, money, facts, marks, trace)
        return Step(after, (record, Show(reason.citizen, Tone.NO)))

    def take_back(self, state: P, payment: Payment, reason: ReasonEnum, facts: Facts) -> tuple[P, Record]:
        """Reverse a whole payment: the state after it, and its record."""
        after, marks = self.undone(state, payment, facts, True)
        money_back = money_marks(payment, payment.amount_fen, payment.funds, facts, -1)
        risk = self._pay.offline.went_back(payment.subject, facts) if payment.offline else ()
        marks = (*limit_marks(payment, facts, -1), *money_back, *risk, *marks)
        marks = (*marks, not_used(PAID_SCOPE, payment.medium, facts))
        money = payment.money(self._pay.merchant).back()
        return after, self.end(Kind.REVERSAL, reason, payment, money, facts, marks)

    def _undo(self, state: P, about: bytes, facts: Facts) -> Step[P]:
        """The citizen was told that nothing happened, so nothing has."""
        if state.asking is not None and about in (state.asking.asked_id, state.asking.shown_in):
            step = self._give_up(state, state.asking, PaymentReason.NOT_PAID, facts)
            return Step(step.state, tuple(effect for effect in step.effects if not isinstance(effect, Show)))
        if state.latest is None or state.latest.asked_id != about:
            return Step(state)
        after = state.model_copy(update={"latest": None, "unconfirmed": False})
        after, record = self.take_back(after, state.latest, PaymentReason.NOT_PAID, facts)
        return Step(after, (record,))

    def _late(self, state: P, about: bytes, answer: Authorised, facts: Facts) -> Step[P]:
        """Nothing may be held for an answer that nobody waits for any more."""
        date = compact(facts.local_time)
        money = Money(-answer.amount_fen, answer.intent_id, self._pay.merchant, date)
        record = Record(facts.new_id(), Kind.RELEASE, PaymentReason.ANSWERED_LATE, refers_to=about, money=money)
        return Step(state, (record,))

    def _restarted(self, state: P, facts: Facts) -> Step[P]:
        """Nobody knows what the citizen saw: what was not paid, or not told in time, is not paid; all begins anew."""
        ended = self.end_window(state, facts)
        fresh = ended.state.model_copy(update={"latest": None, "unconfirmed": False})
        effects: tuple[Effect, ...] = ()
        if state.unconfirmed and state.latest is not None:
            fresh, record = self.take_back(fresh, state.latest, Reason.OUTCOME_UNKNOWN, facts)
            effects = (record, not_made(state.latest))
        elif fresh.asking is None and state.latest is not None:
            effects = (last_payment(state.latest),)
        if fresh.asking is not None:
            step = self._give_up(fresh, fresh.asking, Reason.OUTCOME_UNKNOWN, facts)
            fresh, effects = step.state, (*effects, *step.effects)
        return Step(self.anew(fresh), (*effects, *ended.effects))

    def end(
        self,
        kind: Kind,
        reason: ReasonEnum,
        payment: Payment,
        money: Money,
        facts: Facts,
        marks: tuple[Mark, ...] = (),
        trace: bytes = b"",
        public: Mapping[str, str | int | bool] | None = None,
    ) -> Record:
        """A record that ends an intent, or takes something of it back."""
        return Record(
            id=facts.new_id(),
            kind=kind,
            reason=reason,
            medium=payment.medium,
            subject=payment.subject,
            refers_to=payment.asked_id,
            public={**payment.public, **(public or {})},
            marks=marks,
            money=money,
            trace=trace,
        )


def last_payment(payment: Payment) -> Show:
    """Nobody need wonder: what the journal has is paid."""
    sentence = Sentence("上一笔已付款", "The last payment was made")
    return Show(with_amount(sentence, payment.amount_fen), Tone.OK)


def not_made(payment: Payment) -> Show:
    """The same of one that a restart took back: nobody knows that the citizen was told of it."""
    sentence = Sentence("上一笔没有付款，请重新支付", "The last payment was not made; please pay again")
    return Show(with_amount(sentence, payment.amount_fen), Tone.NO)


def with_amount(sentence: Sentence, amount_fen: int) -> Sentence:
    """A sentence, and how much."""
    amount = yuan(amount_fen)
    return Sentence(f"{sentence.zh}：{amount} 元", f"{sentence.en}: {amount} yuan")
