"""Till (收款): a fixed price, or an amount from the keypad; the platform is asked, and small sums are sold without it.

A credential passes the rules in this order, the first that fails refuses: assurance, admission, schedule, an amount,
somebody else still paying, the same card just now. Then the intent is recorded, the platform is asked, and the answer,
or the deadline, decides: a ``payment``, or a ``reversal`` of the same intent (:mod:`profiles.questions` has the rules).
A code is spent with the record of the intent: who is refused shows a fresh one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from profiles.amounts import MAX_AMOUNT_FEN, NOTHING_DUE, AmountRefused, yuan
from profiles.api import (
    AmountEntered,
    Ask,
    Assurance,
    Credential,
    Effect,
    Event,
    Facts,
    InputChanged,
    Kind,
    Mark,
    Presented,
    ProfileSettings,
    Reason,
    Record,
    RecordedLate,
    Rejected,
    Restarted,
    Show,
    StartTimer,
    State,
    Step,
    Subject,
    TimerFired,
    Tone,
)
from profiles.purpose import Purpose
from profiles.questions import (
    Answer,
    Answered,
    AnsweredLate,
    Authorise,
    Authorised,
    Declined,
    Money,
    NotRecorded,
    Unanswered,
)
from profiles.reasons import ReasonEnum, Sentence
from profiles.rules.admission import Admission
from profiles.rules.assurance import LeastAssurance
from profiles.rules.codes import CodePolicy
from profiles.rules.double_tap import used, used_just_now
from profiles.rules.offline_pay import OfflinePay, sold
from profiles.rules.repeats import WINDOW_MS, Repeats
from profiles.rules.schedule import Schedule
from profiles.trace import Asked, Rule, RuleEnum, judge

_S = Sentence
REPEATS_TIMER = "repeats"
PAID_SCOPE = "till.paid"


class TillReason(ReasonEnum):
    """What only a till knows."""

    ASKED = ("asked", _S("正在付款，请稍候", "Paying; please wait"), _S("已询问平台", "the platform was asked"))
    PAID = ("paid", _S("付款成功", "Paid"), _S("平台已同意", "the platform agreed"))
    PAID_OFFLINE = (
        "paid-offline",
        _S("付款成功", "Paid"),
        _S("平台无应答，在离线限额内收款", "the platform did not answer; within the offline ceilings"),
    )
    OFFLINE_CEILING = (
        "offline-ceiling",
        _S("暂时无法付款，请换一种方式付款", "It cannot be paid this way now; please pay in another way"),
        _S("平台无应答，且超出离线限额", "the platform did not answer, and an offline ceiling is reached"),
        True,
    )
    INSUFFICIENT_FUNDS = (
        "insufficient-funds",
        _S(
            "余额不足，请换一种方式付款",
            "Not enough money in the account; please pay in another way",
        ),
        _S("平台：余额不足", "the platform: the account does not cover it"),
    )
    NO_ACCOUNT = (
        "no-account",
        _S("没有可用的账户，请到服务台办理", "There is no account to pay from; please go to the service desk"),
        _S("平台：没有账户或账户停用", "the platform: no account, or a blocked one"),
    )
    PLATFORM_DECLINED = (
        "platform-declined",
        _S("无法付款，请换一种方式付款", "It cannot be paid; please pay in another way"),
        _S("平台拒绝", "the platform declined"),
    )
    NO_AMOUNT = (
        "no-amount",
        _S("请等收银员输入金额", "Please wait until the cashier has entered the amount"),
        _S("还没有输入金额", "no amount was entered"),
        True,
    )
    JUST_PAID = (
        "just-paid",
        _S("您刚刚已付款，请勿重复刷卡", "You have just paid; please do not pay twice"),
        _S("同一凭证在防重窗口内再次付款", "the same medium again inside the double-tap window"),
    )
    NOT_PAID = (
        "not-paid",
        _S("没有付款，请重新出示", "Nothing was paid; please present it again"),
        _S("结果没有及时落盘，已冲正", "the outcome was not recorded in time; it was reversed"),
        True,
    )
    ANSWERED_LATE = (
        "answered-late",
        _S("请以屏幕显示的结果为准", "What the screen said before holds"),
        _S("平台的同意来得太迟，不予采用", "the platform agreed too late; nothing follows from it"),
    )


_DECLINED = {
    "insufficient-funds": TillReason.INSUFFICIENT_FUNDS,
    "account-unknown": TillReason.NO_ACCOUNT,
    "account-blocked": TillReason.NO_ACCOUNT,
}
_TOO_LATE_FOR_THE_PLATFORM = "expired"


class TillSettings(ProfileSettings):
    """Settings of one till."""

    merchant: str = Field(min_length=1, max_length=64, description="who is paid, as the platform knows it")
    amount_fen: int | None = Field(
        default=None, ge=1, le=MAX_AMOUNT_FEN, description="the one price; null: the keypad of this lane gives it"
    )
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


class Payment(State):
    """One intent of this till."""

    asked_id: bytes
    intent_id: bytes
    amount_fen: int
    business_date: str
    medium: bytes
    subject_namespace: str
    subject_id: bytes
    provisional: bool
    offline: bool = False

    @property
    def subject(self) -> Subject:
        """The person who pays."""
        return Subject(self.subject_namespace, self.subject_id, self.provisional)


class TillState(State):
    """State of one till, saved with every record."""

    amount_fen: int | None = Field(default=None, description="what the cashier typed, for whoever pays next")
    asking: Payment | None = Field(default=None, description="recorded and not decided yet")
    latest: Payment | None = Field(default=None, description="the last payment: its record may still prove late")
    repeats: Repeats = Repeats()


class Till:
    """The till's reducer."""

    name: ClassVar[str] = "till"
    Settings: ClassVar[type[ProfileSettings]] = TillSettings
    State: ClassVar[type[State]] = TillState
    wants: ClassVar[frozenset[str]] = frozenset()
    rules: ClassVar[type[RuleEnum]] = RuleEnum

    def __init__(self, settings: TillSettings) -> None:
        self._settings = settings

    @property
    def codes(self) -> CodePolicy:
        """Which codes this lane accepts."""
        return self._settings.codes

    def idle(self) -> TillState:
        """Nobody is paying."""
        return TillState()

    def urgent(self, event: InputChanged) -> ReasonEnum | None:  # noqa: ARG002 -- the protocol's
        """A till has no inputs."""
        return None

    def handle(self, state: TillState, event: Event, facts: Facts) -> Step[TillState]:
        """One event in, one step out."""
        match event:
            case Presented(credential):
                step = self._presented(state, credential, facts)
                return Step(step.state, (*self._settings.schedule.warning(facts), *step.effects))
            case Rejected(reason, medium, subject):
                return self._refuse(state, facts, reason, medium, subject)
            case AmountEntered() | AmountRefused() if self._settings.amount_fen is not None:
                price = yuan(self._settings.amount_fen)
                return Step(state, (Show(Sentence(f"价格固定：{price} 元", f"One price: {price} yuan"), Tone.WAIT),))
            case AmountEntered(amount_fen):
                return self._entered(state, amount_fen)
            case AmountRefused(problem):
                # Whoever typed another amount wants the former one no more.
                return self._no_amount(state, problem.sentence)
            case Answered(about, answer) if state.asking is not None and state.asking.asked_id == about:
                return self._answered(state, state.asking, answer, facts)
            case Answered(about, Authorised() as answer) | AnsweredLate(about, answer):
                return self._late(state, about, answer, facts)
            case Unanswered(about) if state.asking is not None and state.asking.asked_id == about:
                return self._alone(state, state.asking, facts)
            case RecordedLate(about) | NotRecorded(about):
                return self._undo(state, about, facts)
            case TimerFired(name, about) if name == REPEATS_TIMER and about == state.repeats.window:
                return self._end_window(state, facts)
            case Restarted():
                return self._restarted(state, facts)
            case _:
                return Step(state)

    # Who may pay ----------------------------------------------------------------------------------------------------

    def _presented(self, state: TillState, credential: Credential, facts: Facts) -> Step[TillState]:
        amount_fen = self._settings.amount_fen or state.amount_fen
        verdict = judge(self._rules(state, credential, amount_fen, facts))
        if verdict.refusal is not None or amount_fen is None:
            reason = verdict.refusal or TillReason.NO_AMOUNT
            return self._refuse(state, facts, reason, credential.medium, credential.subject, verdict.trace)
        payment = Payment(
            asked_id=facts.new_id(),
            intent_id=facts.new_id(),
            amount_fen=amount_fen,
            business_date=facts.local_time.strftime("%Y%m%d"),
            medium=credential.medium,
            subject_namespace=credential.subject.namespace,
            subject_id=credential.subject.id,
            provisional=credential.subject.provisional,
        )
        record = Record(
            id=payment.asked_id,
            kind=Kind.ASKED,
            reason=TillReason.ASKED,
            medium=payment.medium,
            subject=payment.subject,
            public={"source": credential.source, "assurance": int(credential.assurance)},
            marks=credential.marks,
            evidence=credential.evidence,
            money=self._money(payment),
            trace=verdict.trace,
        )
        question = Authorise(self._money(payment))
        ask = Ask(question, self._settings.ask_deadline_ms, payment.asked_id, payment.medium, payment.subject)
        after = state.model_copy(update={"asking": payment, "amount_fen": None})
        return Step(after, (record, Show(TillReason.ASKED.citizen, Tone.WAIT), ask))

    def _rules(self, state: TillState, credential: Credential, amount_fen: int | None, facts: Facts) -> Iterator[Asked]:
        settings = self._settings
        yield Rule.ASSURANCE, credential.assurance >= settings.least_assurance, Reason.ASSURANCE_TOO_LOW
        yield Rule.ADMISSION, settings.admit.admits(credential, facts), Reason.NOT_ENTITLED
        yield Rule.SCHEDULE, settings.schedule.is_open(facts.local_time), Reason.OUT_OF_HOURS
        yield Rule.LANE_FREE, state.asking is None, Reason.BUSY
        yield Rule.AMOUNT, amount_fen is not None, TillReason.NO_AMOUNT
        yield Rule.NOT_REPEATED, not self._paid_just_now(credential.medium, facts), TillReason.JUST_PAID

    def _paid_just_now(self, medium: bytes, facts: Facts) -> bool:
        return used_just_now(PAID_SCOPE, medium, self._settings.double_tap_ms, facts)

    def _refuse(
        self,
        state: TillState,
        facts: Facts,
        reason: ReasonEnum,
        medium: bytes | None,
        subject: Subject | None,
        trace: bytes = b"",
    ) -> Step[TillState]:
        """Refuse and record, unless the same stands in the window already; the citizen is told each time."""
        record = Record(facts.new_id(), Kind.DECISION, reason, medium=medium, subject=subject, trace=trace)
        repeats, is_first = state.repeats.note(reason.code, medium, record.id)
        after, shown = state.model_copy(update={"repeats": repeats}), Show(reason.citizen, Tone.NO)
        if not is_first:
            return Step(after, (shown,))
        begin = () if state.repeats.window else (StartTimer(REPEATS_TIMER, WINDOW_MS, record.id),)
        return Step(after, (record, shown, *begin))

    def _end_window(self, state: TillState, facts: Facts) -> Step[TillState]:
        records = (
            Record(facts.new_id(), Kind.OUTCOME, Reason.REPEATED, refers_to=first, public={"repeated": repeated})
            for first, repeated in state.repeats.counted()
        )
        return Step(state.model_copy(update={"repeats": Repeats()}), tuple(records))

    def _entered(self, state: TillState, amount_fen: int) -> Step[TillState]:
        """The amount for whoever pays next; 0 takes it back."""
        if amount_fen == 0:
            return self._no_amount(state, NOTHING_DUE)
        due = Sentence(f"请付款 {yuan(amount_fen)} 元", f"Please pay {yuan(amount_fen)} yuan")
        return Step(state.model_copy(update={"amount_fen": amount_fen}), (Show(due, Tone.WAIT),))

    def _no_amount(self, state: TillState, why: Sentence) -> Step[TillState]:
        return Step(state.model_copy(update={"amount_fen": None}), (Show(why, Tone.NO),))

    # What becomes of an intent --------------------------------------------------------------------------------------

    def _answered(self, state: TillState, payment: Payment, answer: Answer, facts: Facts) -> Step[TillState]:
        match answer:
            case Authorised(intent_id, amount_fen) if (intent_id, amount_fen) == (
                payment.intent_id,
                payment.amount_fen,
            ):
                return self._paid(state, payment, TillReason.PAID, facts, judge([(Rule.PLATFORM, True, None)]).trace)
            case Declined(code) if code != _TOO_LATE_FOR_THE_PLATFORM:
                reason = _DECLINED.get(code, TillReason.PLATFORM_DECLINED)
                return self._give_up(state, payment, reason, facts, judge([(Rule.PLATFORM, False, reason)]).trace)
            case _:
                return self._alone(state, payment, facts)

    def _alone(self, state: TillState, payment: Payment, facts: Facts) -> Step[TillState]:
        """Nobody said yes or no in time: the ceilings decide."""
        ceilings = self._settings.offline.rules(payment.amount_fen, payment.subject, facts, TillReason.OFFLINE_CEILING)
        verdict = judge([(Rule.PLATFORM, False, None)]).then(ceilings)
        if verdict.refusal is not None:
            return self._give_up(state, payment, verdict.refusal, facts, verdict.trace)
        offline = payment.model_copy(update={"offline": True})
        return self._paid(state, offline, TillReason.PAID_OFFLINE, facts, verdict.trace)

    def _paid(
        self, state: TillState, payment: Payment, reason: TillReason, facts: Facts, trace: bytes
    ) -> Step[TillState]:
        marks = sold(payment.amount_fen, payment.subject, facts) if payment.offline else ()
        if self._settings.amount_fen is not None:
            marks = (*marks, used(PAID_SCOPE, payment.medium, self._settings.double_tap_ms, facts))
        record = self._record(Kind.PAYMENT, reason, payment, self._money(payment), facts, marks, trace)
        paid = yuan(payment.amount_fen)
        said = Sentence(f"{reason.citizen.zh}：{paid} 元", f"{reason.citizen.en}: {paid} yuan")
        after = state.model_copy(update={"asking": None, "latest": payment})
        return Step(after, (record, Show(said, Tone.OK)))

    def _give_up(
        self, state: TillState, payment: Payment, reason: ReasonEnum, facts: Facts, trace: bytes = b""
    ) -> Step[TillState]:
        """Nothing is paid, and nothing may stay held; another card may pay the same amount."""
        record = self._record(Kind.REVERSAL, reason, payment, self._money(payment).back(), facts, trace=trace)
        typed = self._settings.amount_fen is None and state.amount_fen is None
        again = payment.amount_fen if typed else state.amount_fen
        after = state.model_copy(update={"asking": None, "amount_fen": again})
        return Step(after, (record, Show(reason.citizen, Tone.NO)))

    def _undo(self, state: TillState, about: bytes, facts: Facts) -> Step[TillState]:
        """The citizen was told that nothing happened, so nothing has."""
        if state.asking is not None and state.asking.asked_id == about:
            step = self._give_up(state, state.asking, TillReason.NOT_PAID, facts)
            return Step(step.state, tuple(effect for effect in step.effects if not isinstance(effect, Show)))
        payment = state.latest
        if payment is None or payment.asked_id != about:
            return Step(state)
        marks = sold(-payment.amount_fen, payment.subject, facts) if payment.offline else ()
        marks = (*marks, Mark(PAID_SCOPE, payment.medium, None, facts.now_ms))
        record = self._record(Kind.REVERSAL, TillReason.NOT_PAID, payment, self._money(payment).back(), facts, marks)
        return Step(state.model_copy(update={"latest": None}), (record,))

    def _late(self, state: TillState, about: bytes, answer: Authorised, facts: Facts) -> Step[TillState]:
        """Nothing may be held for an answer that nobody waits for any more."""
        date = facts.local_time.strftime("%Y%m%d")
        money = Money(-answer.amount_fen, answer.intent_id, self._settings.merchant, date)
        record = Record(facts.new_id(), Kind.RELEASE, TillReason.ANSWERED_LATE, refers_to=about, money=money)
        return Step(state, (record,))

    def _restarted(self, state: TillState, facts: Facts) -> Step[TillState]:
        """Nobody knows what the citizen saw: what was not paid is not paid, and the cashier begins anew."""
        counts = self._end_window(state, facts)
        fresh = counts.state.model_copy(update={"amount_fen": None, "latest": None})
        if fresh.asking is None:
            last = () if state.latest is None else (_last(state.latest),)
            return Step(fresh, (*counts.effects, *last))
        step = self._give_up(fresh, fresh.asking, Reason.OUTCOME_UNKNOWN, facts)
        effects: tuple[Effect, ...] = (*step.effects, *counts.effects)
        return Step(step.state.model_copy(update={"amount_fen": None}), effects)

    def _record(
        self,
        kind: Kind,
        reason: ReasonEnum,
        payment: Payment,
        money: Money,
        facts: Facts,
        marks: tuple[Mark, ...] = (),
        trace: bytes = b"",
    ) -> Record:
        return Record(
            id=facts.new_id(),
            kind=kind,
            reason=reason,
            medium=payment.medium,
            subject=payment.subject,
            refers_to=payment.asked_id,
            marks=marks,
            money=money,
            trace=trace,
        )

    def _money(self, payment: Payment) -> Money:
        return Money(payment.amount_fen, payment.intent_id, self._settings.merchant, payment.business_date)


def _last(payment: Payment) -> Show:
    """After a restart nobody need wonder: what the journal has is paid."""
    paid = yuan(payment.amount_fen)
    return Show(Sentence(f"上一笔已付款：{paid} 元", f"The last payment was made: {paid} yuan"), Tone.OK)
