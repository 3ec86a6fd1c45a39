"""Hospital and pharmacy (医院与药房): identify, register, pay, settle, collect; each by one showing of a card or code.

The cashier types what it is about, and the patient shows the card or code: a clinic to register at, an amount for
treatment, a prescription and its amount, or that what is owed shall be settled. With nothing typed a cashier's lane
identifies the patient and says what is owed, and a pharmacy's hands out what is paid. Which accounts pay, and in which
order, is a rule (:mod:`profiles.rules.accounts`); what falls to credit is paid later (先就医后付费). The platform knows
what is owed; without it, this terminal knows what it has put on credit itself.

The rules, the first that fails refuses: assurance, admission, schedule, somebody else still paying or being looked up,
a cashier where one has to be there, an amount, an account that may pay; room for one more prescription; at the
pharmacy, that a prescription is paid.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from profiles.amounts import NOTHING_DUE, AmountRefused, FunctionKey, KeyPressed, yuan
from profiles.api import (
    AmountEntered,
    Ask,
    Assurance,
    Credential,
    Event,
    Facts,
    Kind,
    Mark,
    Presented,
    ProfileSettings,
    Reason,
    Record,
    RecordedLate,
    Show,
    StartTimer,
    State,
    Step,
    Subject,
    TimerFired,
    Tone,
)
from profiles.by_hand import TYPED_GONE
from profiles.counter import Counter
from profiles.counter_reasons import CounterReason
from profiles.dates import midnight_ms
from profiles.foreign import ForeignReason, ForeignShown
from profiles.hospital_reasons import BY_COLOUR, HospitalReason, HospitalRule
from profiles.hospital_settings import USE_WORDS, Desk, HospitalSettings, Use
from profiles.hospital_state import Collected, Foreign, HospitalState, Order, Query
from profiles.payers import CREDIT, KIND_WORDS, Payers
from profiles.payment import Bill, Kept, Payment, Settled
from profiles.payment_reasons import PaymentReason
from profiles.questions import Answer, Answered, Balance, NotRecorded, QueryBalance, Resolve, Resolved, Unanswered
from profiles.reasons import ReasonEnum, Sentence
from profiles.rules import prescriptions
from profiles.rules.bills import PaidOnce
from profiles.rules.codes import ForeignCode
from profiles.rules.credit import covered_fen, owes, sure_fen
from profiles.rules.funds import AccountKind
from profiles.rules.tally import count, counted
from profiles.trace import Asked, Rule, RuleEnum, judge
from profiles.waiting import Waiting

ORDER_TIMER = "order"
QUEUE_SCOPE = "hospital.queue"
PRESCRIPTIONS = PaidOnce("hospital.paid", prescriptions.KEPT_MS)
HEALTH_CERTIFICATE = "hcert"
MEDIUM_BYTES = 16
DEBT = "debt"
"""What the platform is asked for, to hear what is owed (docs/contract.md)."""
_SHOW_TO_SETTLE = Sentence("请出示卡或码，结清欠款", "Present a card or code to settle what is owed")
_NEEDS_AMOUNT = Sentence("请输入药费金额", "Enter what the medicine costs")


class Hospital(Counter[HospitalState]):
    """The hospital's reducer."""

    name: ClassVar[str] = "hospital"
    Settings: ClassVar[type[ProfileSettings]] = HospitalSettings
    State: ClassVar[type[State]] = HospitalState
    wants: ClassVar[frozenset[str]] = frozenset()
    rules: ClassVar[type[RuleEnum]] = HospitalRule

    def __init__(self, settings: HospitalSettings) -> None:
        super().__init__(settings)
        self._settings = settings

    def idle(self) -> HospitalState:
        """Nobody is at the counter."""
        return HospitalState()

    def serve(self, state: HospitalState, event: Event, facts: Facts) -> Step[HospitalState]:
        """What comes to this counter, and what all counters make of the rest."""
        query, foreign = state.query, state.foreign
        match event:
            case ForeignShown(kind, text):
                return self._ask_whose(state, kind, text, facts)
            case Answered(about, answer) if foreign is not None and foreign.about == about:
                return self._told_whose(state, foreign, answer, facts)
            case Unanswered(about) | RecordedLate(about) | NotRecorded(about) if foreign and foreign.about == about:
                return self._refuse_foreign(state, foreign, ForeignReason.UNREACHABLE, facts)
            case Presented(credential):
                step = self._presented(state, credential, facts)
                return step.led_by(self._settings.schedule.warning(facts))
            case AmountEntered(amount_fen):
                return self._entered(state, amount_fen, facts)
            case AmountRefused(problem):
                return self._no_order(state, problem.sentence)
            case KeyPressed(key, number) if key in _KEYS:
                return self._typed(state, key, number, facts)
            case TimerFired(name, about) if name == ORDER_TIMER:
                is_due = state.order is not None and state.order.id == about
                return self._no_order(state, TYPED_GONE) if is_due else Step(state)
            case Answered(about, Balance(fen)) if query is not None and query.about == about:
                return self._owed(state, query, fen, facts)
            case Answered(about, _) | Unanswered(about) if query is not None and query.about == about:
                return self._owed(state, query, None, facts)
            case RecordedLate(about) | NotRecorded(about) if query is not None and query.about == about:
                return self._query_gone(state, query, facts)
            case RecordedLate(about) if state.collected is not None and state.collected.record_id == about:
                return self._not_collected(state, state.collected, facts)
            case _:
                return super().serve(state, event, facts)

    def timers(self, before: HospitalState, after: HospitalState, event: Event) -> tuple[StartTimer, ...]:
        """What was typed does not wait for ever: whoever comes much later would pay somebody else's bill."""
        running = super().timers(before, after, event)
        if after.order is None or after.order == before.order:
            return running
        return (*running, StartTimer(ORDER_TIMER, self._settings.order_waits_ms, after.order.id))

    # What is typed --------------------------------------------------------------------------------------------------

    def _typed(self, state: HospitalState, key: FunctionKey, number: int | None, facts: Facts) -> Step[HospitalState]:
        state = state.cleared("pending")
        match key:
            case FunctionKey.REGISTER:
                return self._register(state, number, facts)
            case FunctionKey.MEDICINE if number:
                order = Order(id=facts.new_id(), use=Use.MEDICINE, prescription=number)
                return Step(state.model_copy(update={"order": order}), (Show(_NEEDS_AMOUNT, Tone.WAIT),))
            case FunctionKey.SETTLE:
                order = Order(id=facts.new_id(), use=Use.SETTLEMENT)
                return Step(state.model_copy(update={"order": order}), (Show(_SHOW_TO_SETTLE, Tone.WAIT),))
            case FunctionKey.ACCOUNT:
                return self._choose(state, number)
            case _:
                return self._no_order(state, NOTHING_DUE)

    def _register(self, state: HospitalState, number: int | None, facts: Facts) -> Step[HospitalState]:
        clinic = self._settings.clinic(number)
        if clinic is None:
            listed = [(each.number, each.name) for each in self._settings.clinics]
            return Step(state, (Show(_listed(Sentence("诊室", "Clinics"), listed), Tone.WAIT),))
        order = Order(id=facts.new_id(), use=Use.REGISTRATION, amount_fen=clinic.fee_fen, clinic=clinic.number)
        fee = yuan(clinic.fee_fen)
        told = Sentence(f"{clinic.zh}挂号 {fee} 元，请出示卡或码", f"{clinic.en}: {fee} yuan; present a card or code")
        return Step(state.model_copy(update={"order": order}), (Show(told, Tone.WAIT),))

    def _choose(self, state: HospitalState, number: int | None) -> Step[HospitalState]:
        """The account that the holder wants to pay first; of no such number the list is shown."""
        first = self._settings.accounts.chosen(number)
        if first is None:
            listed = [(place, KIND_WORDS[each.kind]) for place, each in enumerate(self._settings.accounts.order, 1)]
            told = _listed(Sentence("可先用的账户", "Accounts"), listed)
        else:
            word = KIND_WORDS[first]
            told = Sentence(f"先用{word.zh}付款，不足再用其他", f"Pays from {word.en} first, then from the others")
        return Step(state.model_copy(update={"first": first}), (Show(told, Tone.WAIT),))

    def _entered(self, state: HospitalState, amount_fen: int, facts: Facts) -> Step[HospitalState]:
        """The price of the medicine that was named, or of a treatment; 0 takes everything back."""
        if amount_fen == 0:
            return self._no_order(state, NOTHING_DUE)
        named = state.order if state.order is not None and state.order.prescription is not None else None
        use = Use.MEDICINE if named is not None or self._settings.desk is Desk.PHARMACY else Use.TREATMENT
        order = (named or Order(id=b"", use=use)).model_copy(update={"id": facts.new_id(), "amount_fen": amount_fen})
        word, due = USE_WORDS[use], yuan(amount_fen)
        told = Sentence(f"{word.zh}：请付款 {due} 元", f"{word.en}: please pay {due} yuan")
        return Step(state.model_copy(update={"order": order}), (Show(told, Tone.WAIT),))

    def _no_order(self, state: HospitalState, why: Sentence) -> Step[HospitalState]:
        return Step(state.cleared("order", "first"), (Show(why, Tone.NO),))

    # Who shows a card or code ---------------------------------------------------------------------------------------

    def _presented(self, state: HospitalState, credential: Credential, facts: Facts) -> Step[HospitalState]:
        if state.asking is not None and state.asking.medium == credential.medium:
            return Step(state, (Show(PaymentReason.ASKED.citizen, Tone.WAIT),))
        if credential.source == HEALTH_CERTIFICATE:
            return self._health(state, credential, facts)
        order = state.order
        payers = None if order is None else self._payers(state, credential, order.use, facts)
        verdict = judge(self._rules(state, credential, order, payers, facts))
        if verdict.refusal is not None:
            return self.refuse(state, facts, verdict.refusal, credential.medium, credential.subject, verdict.trace)
        if order is None and self._settings.desk is Desk.PHARMACY:
            return self._collect(state, credential, verdict.trace, facts)
        if order is None or order.use is Use.SETTLEMENT:
            return self._query(state, credential, verdict.trace, facts, settles=order is not None)
        if order.amount_fen == 0:
            return self._registered(state, credential, order, verdict.trace, facts)
        return self._charge(state, credential, order, payers, verdict.trace, facts)

    def _health(self, state: HospitalState, credential: Credential, facts: Facts) -> Step[HospitalState]:
        """A health certificate says how somebody is, and not who: nothing that was typed is meant."""
        verdict = judge(self.admission(state, credential, facts))
        if verdict.refusal is not None:
            return self.refuse(state, facts, verdict.refusal, credential.medium, credential.subject, verdict.trace)
        shown = (reason for colour, reason in BY_COLOUR.items() if colour in credential.entitlements)
        reason = next(shown, HospitalReason.HEALTH_RED)
        record = self._seen(credential, reason, facts, verdict.trace)
        tone = Tone.OK if reason is HospitalReason.HEALTH_GREEN else Tone.WAIT
        return Step(state, (record, Show(reason.citizen, tone)))

    # A code of another system ---------------------------------------------------------------------------------------

    def _ask_whose(self, state: HospitalState, kind: ReasonEnum, text: str, facts: Facts) -> Step[HospitalState]:
        """On the record that one was shown, and which kind; its text goes to the platform, sealed, and nowhere else."""
        if state.asking is not None or state.query is not None or state.foreign is not None:
            return self.refuse(state, facts, Reason.BUSY)
        record = Record(facts.new_id(), Kind.DECISION, ForeignReason.ASKED, public={"source": kind.code})
        ask = Ask(Resolve(text), self._pay.ask_deadline_ms, record.id)
        after = state.model_copy(update={"foreign": Foreign(about=record.id, source=kind.code)})
        return Step(after, (record, Show(ForeignReason.ASKED.citizen, Tone.WAIT), ask))

    def _told_whose(self, state: HospitalState, foreign: Foreign, answer: Answer, facts: Facts) -> Step[HospitalState]:
        """Whose it is by the platform's word: no medium of a register, so it pays nothing."""
        if not isinstance(answer, Resolved) or len(answer.subject) != MEDIUM_BYTES:
            return self._refuse_foreign(state, foreign, ForeignReason.UNKNOWN, facts)
        subject = Subject(answer.namespace, answer.subject)
        who = Credential(answer.subject, subject, foreign.source, Assurance.DYNAMIC_CODE)
        return self._presented(state.cleared("foreign"), who, facts)

    def _refuse_foreign(
        self, state: HospitalState, foreign: Foreign, reason: ForeignReason, facts: Facts
    ) -> Step[HospitalState]:
        record = Record(facts.new_id(), Kind.OUTCOME, reason, refers_to=foreign.about)
        return Step(state.cleared("foreign"), (record, Show(reason.citizen, Tone.NO)))

    def _rules(
        self, state: HospitalState, credential: Credential, order: Order | None, payers: Payers | None, facts: Facts
    ) -> Iterator[Asked]:
        yield from self.admission(state, credential, facts)
        yield HospitalRule.NOBODY_ELSE, state.query is None and state.foreign is None, Reason.BUSY
        subject = credential.subject
        if order is None:
            if self._settings.desk is Desk.PHARMACY:
                paid = bool(prescriptions.waiting(subject, facts))
                yield HospitalRule.PAID, paid, HospitalReason.NOTHING_TO_COLLECT
            return
        yield HospitalRule.ATTENDED, self.is_attended(state), CounterReason.NOBODY_AT_THE_TILL
        if order.prescription is not None:
            yield Rule.AMOUNT, order.amount_fen > 0, PaymentReason.NO_AMOUNT
            is_open = PRESCRIPTIONS.is_open(order.named, facts)
            yield HospitalRule.UNPAID, is_open, HospitalReason.PRESCRIPTION_PAID
            yield HospitalRule.ROOM, prescriptions.has_room(subject, facts), HospitalReason.COLLECT_FIRST
        if order.amount_fen > 0 or order.use is Use.SETTLEMENT:
            pays = credential.source not in _FOREIGN
            yield HospitalRule.PAYS, pays, ForeignReason.IDENTIFIES_ONLY
            yield Rule.ACCOUNTS, payers is not None and bool(payers.offers), PaymentReason.NO_SUCH_ACCOUNT

    def _payers(self, state: HospitalState, credential: Credential, use: Use, facts: Facts) -> Payers:
        payers = Payers.of(self._settings.accounts, credential, use.value, facts, state.first)
        return payers.without(AccountKind.CREDIT) if use is Use.SETTLEMENT else payers

    def _charge(
        self,
        state: HospitalState,
        credential: Credential,
        order: Order,
        payers: Payers | None,
        trace: bytes,
        facts: Facts,
    ) -> Step[HospitalState]:
        state, records = self.in_shift(state, self.business_date(facts), facts)
        order, marks = self._drawn(order, facts)
        bill = Bill(
            amount_fen=order.amount_fen,
            **self.booked(state),
            payers=payers,
            number=order.named,
        )
        before = state.model_copy(update={"order": None, "first": None, "asked_order": order, "collected": None})
        marks = (*marks, *PRESCRIPTIONS.taken(order.named, facts))
        step = self.ask(before, credential, bill, trace, facts, order.public(), marks)
        return step.led_by(records)

    def _drawn(self, order: Order, facts: Facts) -> tuple[Order, tuple[Mark, ...]]:
        """With its number in the clinic's queue. One that is drawn and not paid is nobody's."""
        if order.clinic is None or order.number is not None:
            return order, ()
        key = f"{order.clinic}/{self.business_date(facts)}".encode()
        number = counted(QUEUE_SCOPE, key, facts) + 1
        ends_ms = midnight_ms(facts)
        return order.model_copy(update={"number": number}), (count(QUEUE_SCOPE, key, 1, ends_ms, facts),)

    def _registered(
        self, state: HospitalState, credential: Credential, order: Order, trace: bytes, facts: Facts
    ) -> Step[HospitalState]:
        """At a clinic that costs nothing."""
        order, marks = self._drawn(order, facts)
        record = self._seen(credential, HospitalReason.REGISTERED, facts, trace, order.public(), marks)
        after = state.cleared("order", "first")
        told = self._with_number(HospitalReason.REGISTERED.citizen, order)
        return Step(after, (record, Show(told, Tone.OK)))

    # What is owed ---------------------------------------------------------------------------------------------------

    def _query(
        self, state: HospitalState, credential: Credential, trace: bytes, facts: Facts, *, settles: bool
    ) -> Step[HospitalState]:
        """Who it is, on the record; then the platform is asked what is owed."""
        reason = HospitalReason.DEBT_ASKED if settles else HospitalReason.IDENTIFIED
        record = self._seen(credential, reason, facts, trace)
        if self._settings.accounts.credit is None:
            told = HospitalReason.NOTHING_OWED if settles else reason
            return Step(state.cleared("order", "first"), (record, Show(told.citizen, Tone.OK)))
        who = Waiting.of(credential, record.id)
        covered = covered_fen(credential.subject, facts)
        query = Query(about=record.id, who=who, settles=settles, first=state.first, covered_fen=covered)
        ask = Ask(
            QueryBalance(DEBT),
            self._pay.ask_deadline_ms,
            record.id,
            medium=credential.medium,
            subject=credential.subject,
        )
        after = state.model_copy(update={"order": None, "first": None, "query": query})
        return Step(after, (record, Show(reason.citizen, Tone.WAIT), ask))

    def _owed(self, state: HospitalState, query: Query, told_fen: int | None, facts: Facts) -> Step[HospitalState]:
        """The platform's word, or without it what this terminal knows; then it is said, or settled."""
        state, credential = state.cleared("query"), query.who.credential
        fen = sure_fen(credential.subject, facts) if told_fen is None else told_fen
        corrected = () if told_fen is None else self._corrected(query, fen, facts)
        if query.settles and fen:
            return self._settle_all(state, query, credential, fen, facts).led_by(corrected)
        if fen:
            due = yuan(fen)
            told = Sentence(f"身份已核验；待结清 {due} 元", f"You are identified; {due} yuan are to be settled")
            return Step(state, (*corrected, Show(told, Tone.OK)))
        if told_fen is None and query.settles:
            return self.refuse(state, facts, HospitalReason.DEBT_UNKNOWN, credential.medium, credential.subject)
        told = HospitalReason.NOTHING_OWED.citizen if query.settles else _IDENTIFIED
        return Step(state, (*corrected, Show(told, Tone.OK)))

    def _corrected(self, query: Query, fen: int, facts: Facts) -> tuple[Record, ...]:
        marks = owes(fen, query.covered_fen, query.who.credential.subject, facts)
        reason = HospitalReason.DEBT_TOLD if fen else HospitalReason.NOTHING_OWED
        record = Record(id=facts.new_id(), kind=Kind.OUTCOME, reason=reason, refers_to=query.about, marks=marks)
        return (record,) if marks else ()

    def _settle_all(
        self, state: HospitalState, query: Query, credential: Credential, fen: int, facts: Facts
    ) -> Step[HospitalState]:
        """One payment for all that is owed, from the holder's other accounts."""
        state, records = self.in_shift(
            state.model_copy(update={"first": query.first}), self.business_date(facts), facts
        )
        payers = self._payers(state, credential, Use.SETTLEMENT, facts)
        bill = Bill(
            amount_fen=fen,
            **self.booked(state),
            account=CREDIT,
            payers=payers,
        )
        before = state.cleared("first", "asked_order", "collected")
        public = {"use": Use.SETTLEMENT.value}
        step = self.ask(before, credential, bill, b"", facts, public, shown_in=query.about)
        return step.led_by(records)

    def _query_gone(self, state: HospitalState, query: Query, facts: Facts) -> Step[HospitalState]:
        """The citizen was told that it came to nothing."""
        record = Record(facts.new_id(), Kind.OUTCOME, HospitalReason.QUERY_GONE, refers_to=query.about)
        return Step(state.cleared("query"), (record,))

    # What is collected ----------------------------------------------------------------------------------------------

    def _collect(self, state: HospitalState, credential: Credential, trace: bytes, facts: Facts) -> Step[HospitalState]:
        """All that is paid and waits, at once."""
        subject = credential.subject
        numbers = prescriptions.waiting(subject, facts)
        listed = ",".join(map(str, numbers))
        marks = prescriptions.taken(numbers, subject, facts)
        reason = HospitalReason.COLLECTED
        record = self._seen(credential, reason, facts, trace, {"prescriptions": listed}, marks)
        collected = Collected(
            record_id=record.id,
            subject_namespace=subject.namespace,
            subject_id=subject.id,
            provisional=subject.provisional,
            prescriptions=numbers,
        )
        told = Sentence(f"{reason.citizen.zh}：处方 {listed}", f"{reason.citizen.en}: prescription {listed}")
        after = state.model_copy(update={"collected": collected, "latest": None})
        return Step(after, (record, Show(told, Tone.OK)))

    def _not_collected(self, state: HospitalState, was: Collected, facts: Facts) -> Step[HospitalState]:
        marks = prescriptions.put_back(was.prescriptions, was.subject, facts)
        record = Record(
            facts.new_id(), Kind.OUTCOME, HospitalReason.NOT_COLLECTED, refers_to=was.record_id, marks=marks
        )
        return Step(state.cleared("collected"), (record,))

    def _seen(
        self,
        credential: Credential,
        reason: ReasonEnum,
        facts: Facts,
        trace: bytes,
        public: dict[str, str | int | bool] | None = None,
        marks: tuple[Mark, ...] = (),
    ) -> Record:
        """A record of a patient who showed a card or code, with what proves it."""
        return Record(
            id=facts.new_id(),
            kind=Kind.DECISION,
            reason=reason,
            medium=credential.medium,
            subject=credential.subject,
            public={"source": credential.source, "assurance": int(credential.assurance), **(public or {})},
            marks=(*marks, *credential.marks),
            evidence=credential.evidence,
            trace=trace,
        )

    # What goes with a payment ---------------------------------------------------------------------------------------

    def paid(self, state: HospitalState, payment: Payment, facts: Facts) -> Settled:
        """A prescription waits at the pharmacy from now on; what is sold there is handed over at once."""
        changed, marks = super().paid(state, payment, facts)
        if not payment.number or self._settings.desk is Desk.PHARMACY:
            return changed, marks
        return changed, (*prescriptions.paid(int(payment.number), payment.subject, facts), *marks)

    def undone(self, state: HospitalState, payment: Payment, facts: Facts, was_paid: bool) -> Kept[HospitalState]:
        """Another card may pay the same."""
        after, marks = super().undone(state, payment, facts, was_paid)
        if was_paid:
            return after, marks
        again = {"order": state.order or state.asked_order, "asked_order": None}
        return after.model_copy(update=again), (*marks, *PRESCRIPTIONS.opened(payment.number, facts))

    def unsold(self, payment: Payment, facts: Facts) -> tuple[Mark, ...]:
        """Of what was paid and went back nothing waits at the pharmacy, and it may be paid again."""
        if not payment.number:
            return ()
        waits = prescriptions.taken((int(payment.number),), payment.subject, facts)
        return (*waits, *PRESCRIPTIONS.opened(payment.number, facts))

    def said(self, state: HospitalState, what: Sentence, payment: Payment) -> Sentence:
        """With the number in the queue, or where the medicine is."""
        told, order = super().said(state, what, payment), state.asked_order
        if order is None or payment.account == CREDIT:
            return told
        if order.prescription is not None and self._settings.desk is Desk.CASHIER:
            return Sentence(f"{told.zh}；请到药房取药", f"{told.en}; please collect it at the pharmacy")
        return self._with_number(told, order)

    def _with_number(self, told: Sentence, order: Order) -> Sentence:
        clinic = self._settings.clinic(order.clinic)
        if clinic is None or order.number is None:
            return told
        return Sentence(f"{told.zh}；{clinic.zh} {order.number} 号", f"{told.en}; {clinic.en}, number {order.number}")

    def anew(self, state: HospitalState) -> HospitalState:
        """The cashier types again, and whoever was looked up shows the card again."""
        gone: dict[str, None] = dict.fromkeys(("order", "first", "asked_order", "query", "foreign", "collected"))
        return super().anew(state).model_copy(update=gone)


_KEYS = frozenset({FunctionKey.REGISTER, FunctionKey.MEDICINE, FunctionKey.SETTLE, FunctionKey.ACCOUNT})
_FOREIGN = frozenset(code.value for code in ForeignCode)
_IDENTIFIED = Sentence("身份已核验", "You are identified")


def _listed(what: Sentence, items: list[tuple[int, Sentence]]) -> Sentence:
    zh = "，".join(f"{number} {word.zh}" for number, word in items) or "无"
    en = ", ".join(f"{number} {word.en}" for number, word in items) or "none"
    return Sentence(f"{what.zh}：{zh}", f"{what.en}: {en}")
