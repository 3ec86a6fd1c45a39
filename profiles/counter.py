"""A counter with a cashier: who is signed in, shifts with their sums, and what is given back of which sale.

A cashier signs in and out by the key *operator* and a card that ``operators`` admits. A shift begins by the key
*shift*, or by itself with the first sale, and ends by the key or with the business date; its last record has its sums.
The keys *void* and *refund*, after a sale's number, give back the whole or a part of one of the latest sales: never
more than is left of what each fund paid, never by the one who paid it, and booked on the shift that gives it back.
Whatever waits for the cashier's next act ends by itself. A restart signs out, and so does it to do nothing for a while.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from profiles import elsewhere
from profiles.amounts import NOTHING_DUE, AmountRefused, FunctionKey, KeyPressed, yuan
from profiles.api import (
    AmountEntered,
    Credential,
    Effect,
    Event,
    Facts,
    Kind,
    Mark,
    Presented,
    Reason,
    Record,
    RecordedLate,
    Restarted,
    Show,
    StartTimer,
    Step,
    Subject,
    TimerFired,
    Tone,
)
from profiles.counter_reasons import CounterReason
from profiles.counter_state import (
    SALES_KEPT,
    SALES_SHOWN,
    CounterSettings,
    CounterState,
    Operator,
    Pending,
    Sale,
    Shift,
)
from profiles.dates import MILLISECOND, compact
from profiles.elsewhere import GivenBack, Returning
from profiles.intents import Booked, money_marks
from profiles.paper import NotPrinted, Print
from profiles.payers import CREDIT, own_share_fen, shared
from profiles.payment import Cashier, Kept, Payment, Settled
from profiles.questions import Answer, Answered, Declined, Money, NotRecorded, ReturnClaimed, Unanswered
from profiles.reasons import ReasonEnum, Sentence
from profiles.receipts import Receipt, Returned
from profiles.return_numbers import is_return_number
from profiles.rules import guardian, lease
from profiles.rules.subsidy import share_back

COUNTER_TIMER = "counter"
SIGN_OUT_TIMER = "sign-out"
PATIENCE_MS = 30_000
_ON_PAPER = (Kind.PAYMENT, Kind.REVERSAL, Kind.REFUND)
_CASHIERS_CARD = Sentence("请收银员出示卡", "Cashier, please present your card")
_ITS_AMOUNT = Sentence("请输入退款金额", "Enter the refund")
_NOT_PRINTED = Sentence(
    "收据没有打印：请查看打印机，再按收据键",
    "The receipt was not printed: see to the printer, then press the receipt key",
)
_NO_SALES = Sentence("还没有销售", "There are no sales yet")

C = TypeVar("C", bound=CounterState)


class Counter(Cashier[C], Generic[C]):
    """Base of the reducers of scenes with a cashier."""

    def __init__(self, settings: CounterSettings) -> None:
        super().__init__(settings)
        self._counter = settings

    def handle(self, state: C, event: Event, facts: Facts) -> Step[C]:
        """One event in, one step out, with the timers of what must not wait for ever.

        What the cashier's last key asked for goes before all that the scene would make of it.
        """
        step = self._awaited(state, event, facts) or self.serve(state, event, facts)
        follow: tuple[Effect, ...] = (*self._slips(step, facts), *self.timers(state, step.state, event))
        return Step(step.state, (*step.effects, *follow)) if follow else step

    def _awaited(self, state: C, event: Event, facts: Facts) -> Step[C] | None:
        """The card, or the amount, that a key asked for."""
        match event:
            case Presented(credential) if state.awaits_card:
                return self._sign(_done(state), credential, facts)
            case AmountEntered(amount_fen) if state.pending is not None and state.awaits_refund:
                step = self._refund(_done(state), state.pending.refund, amount_fen, facts)
                # A slip of the finger is typed again, and is no price for whoever comes next.
                moved = any(isinstance(each, Record) and each.money for each in step.effects)
                is_over = amount_fen == 0 or moved or step.state.returning is not None
                pending = None if is_over else state.pending
                return Step(step.state.model_copy(update={"pending": pending}), step.effects)
            case AmountRefused(problem) if state.awaits_refund:
                return Step(state, (Show(problem.sentence, Tone.NO),))
            case _:
                return None

    def timers(self, before: C, after: C, event: Event) -> tuple[StartTimer, ...]:
        """What begins to run out anew. Keys are a cashier's work; where somebody has to be there, sales are too."""
        if after.operator is None:
            return ()
        is_work = isinstance(event, KeyPressed | AmountEntered | AmountRefused) or after.operator is not before.operator
        if not (is_work or (self._counter.attended and after.sold > before.sold)):
            return ()
        return (StartTimer(SIGN_OUT_TIMER, self._counter.sign_out_after_ms, after.operator.signed_in),)

    def serve(self, state: C, event: Event, facts: Facts) -> Step[C]:
        """The cashier's acts, and what all scenes with payments make of the rest."""
        match event:
            case KeyPressed(key, number):
                return self._key(_done(state), key, number, facts)
            case TimerFired(name, about) if name == COUNTER_TIMER:
                is_due = state.pending is not None and state.pending.id == about
                return Step(_done(state) if is_due else state)
            case TimerFired(name, about) if name == SIGN_OUT_TIMER:
                return self._sign_out_idle(state, about, facts)
            case Answered(about, answer) if state.returning is not None and state.returning.asked_id == about:
                return self._claimed(state, state.returning, answer, facts)
            case Unanswered(about) | NotRecorded(about) | RecordedLate(about) if (
                state.returning is not None and state.returning.asked_id == about
            ):
                return self._no_return(state, state.returning, CounterReason.RETURN_NOT_NOW, facts)
            case NotPrinted():
                return Step(state, (Show(_NOT_PRINTED, Tone.WAIT),))
            case RecordedLate(about) if (gone := state.given_back) is not None and gone.asked_id == about:
                return Step(state, (Show(_given_back(gone.number, sum(gone.funds.values()), gone.funds), Tone.OK),))
            case RecordedLate(about) if state.latest is None and _went_back(state, about):
                return Step(state, (self._sales(state),))
            case Restarted() if state.returning is not None:
                step = self._no_return(state, state.returning, Reason.OUTCOME_UNKNOWN, facts)
                begun = self.serve(step.state, event, facts)
                return Step(begun.state, (*step.effects, *begun.effects))
            case Restarted():
                step = super().handle(state, event, facts)
                told = any(isinstance(effect, Show) for effect in step.effects)
                return step if told or not state.sales else Step(step.state, (*step.effects, self._sales(state)))
            case _:
                return super().handle(state, event, facts)

    def _key(self, state: C, key: FunctionKey, number: int | None, facts: Facts) -> Step[C]:
        match key:
            case FunctionKey.OPERATOR if self._counter.operators is not None:
                return self._wait_for(state, None, _CASHIERS_CARD, facts)
            case FunctionKey.SHIFT:
                return self._shift(state, facts)
            case FunctionKey.SALES:
                return Step(state, (self._sales(state),))
            case FunctionKey.RECEIPT if self._counter.receipts:
                return self._copy(state, state.sold if number is None else number, facts)
            case FunctionKey.VOID | FunctionKey.REFUND if is_return_number(number) and state.returnable(number) is None:
                return self._elsewhere(state, number or 0, None, facts, asks=key is FunctionKey.REFUND)
            case FunctionKey.VOID:
                sale = self._returnable(state, number)
                return self._void(state, sale, facts) if isinstance(sale, Sale) else self.refuse(state, facts, sale)
            case FunctionKey.REFUND:
                sale = self._returnable(state, number)
                if not isinstance(sale, Sale):
                    return self.refuse(state, facts, sale)
                left = yuan(sale.left_fen)
                ask = Sentence(
                    f"第 {sale.number} 笔可退 {left} 元，请输入退款金额",
                    f"No. {sale.number}: enter the refund, at most {left} yuan",
                )
                return self._wait_for(state, sale.number, ask, facts)
            case _:
                return super().handle(state, KeyPressed(key, number), facts)

    def _wait_for(self, state: C, refund: int | None, ask: Sentence, facts: Facts) -> Step[C]:
        pending = Pending(id=facts.new_id(), refund=refund)
        effects = (Show(ask, Tone.WAIT), StartTimer(COUNTER_TIMER, PATIENCE_MS, pending.id))
        return Step(state.model_copy(update={"pending": pending}), effects)

    # Who works here -------------------------------------------------------------------------------------------------

    def _sign(self, state: C, credential: Credential, facts: Facts) -> Step[C]:
        """In; or out, for whoever is in already."""
        operators, subject = self._counter.operators, credential.subject
        if credential.assurance < self._counter.least_assurance:
            return self.refuse(state, facts, Reason.ASSURANCE_TOO_LOW, credential.medium, subject)
        if operators is None or not operators.admits(credential, facts):
            return self.refuse(state, facts, CounterReason.NOT_A_CASHIER, credential.medium, subject)
        leaves = state.operator is not None and state.operator.is_(subject)
        reason = CounterReason.SIGNED_OUT if leaves else CounterReason.SIGNED_IN
        name = facts.new_id()
        operator = None if leaves else Operator(namespace=subject.namespace, id=subject.id, signed_in=name)
        record = Record(
            id=name,
            kind=Kind.COUNTER,
            reason=reason,
            medium=credential.medium,
            subject=subject,
            marks=credential.marks,
            evidence=credential.evidence,
        )
        return Step(state.model_copy(update={"operator": operator}), (record, Show(reason.citizen, Tone.OK)))

    def _sign_out_idle(self, state: C, about: bytes, facts: Facts) -> Step[C]:
        """Whoever went away without signing out: nobody voids in his name."""
        who = state.operator
        if who is None or who.signed_in != about:
            return Step(state)
        reason = CounterReason.SIGNED_OUT_IDLE
        record = Record(
            facts.new_id(), Kind.COUNTER, reason, subject=Subject(who.namespace, who.id), refers_to=about or None
        )
        return Step(_done(state).cleared("operator"), (record, Show(reason.citizen, Tone.WAIT)))

    def is_attended(self, state: C) -> bool:
        """Whether somebody is there to sell, where somebody has to be."""
        return state.operator is not None or not self._counter.attended

    # Shifts ---------------------------------------------------------------------------------------------------------

    def business_date(self, facts: Facts) -> str:
        """On which day something is booked now."""
        return compact(facts.local_time)

    def in_shift(self, state: C, date: str, facts: Facts) -> tuple[C, tuple[Record, ...]]:
        """The state within a shift of this business date, and the records of what ended and began for that.

        No payment of a shift that ended may still prove late: what is late is told before anything else is heard. Nor
        does one end while somebody pays, whose payment names it: not even at midnight, for another till's return.
        """
        if state.shift is not None and (state.shift.business_date == date or state.asking is not None):
            return state, ()
        ended = () if state.shift is None else (self._shift_record(state, state.shift, facts, is_over=True),)
        shift = Shift(number=state.shifts + 1, business_date=date)
        after = state.model_copy(update={"shift": shift, "shifts": shift.number, "latest": None})
        return after, (*ended, self._shift_record(state, shift, facts, is_over=False))

    def _shift(self, state: C, facts: Facts) -> Step[C]:
        """Begin one, or end it: then whoever worked it is signed out."""
        if state.operator is None:
            return self.refuse(state, facts, CounterReason.NOBODY_AT_THE_TILL)
        if state.asking is not None:
            return Step(state, (Show(Reason.BUSY.citizen, Tone.WAIT),))
        if state.shift is None:
            after, records = self.in_shift(state, self.business_date(facts), facts)
            return Step(after, (*records, Show(CounterReason.SHIFT_OPENED.citizen, Tone.OK)))
        record = self._shift_record(state, state.shift, facts, is_over=True)
        after = state.cleared("shift", "operator", "latest")
        return Step(after, (record, Show(state.shift.sentence(), Tone.OK)))

    def _shift_record(self, state: C, shift: Shift, facts: Facts, *, is_over: bool) -> Record:
        who = state.operator
        return Record(
            id=facts.new_id(),
            kind=Kind.COUNTER,
            reason=CounterReason.SHIFT_CLOSED if is_over else CounterReason.SHIFT_OPENED,
            subject=None if who is None else Subject(who.namespace, who.id),
            public=shift.report() if is_over else {"shift": shift.name, "business_date": shift.business_date},
        )

    # What is given back ---------------------------------------------------------------------------------------------

    def _returnable(self, state: C, number: int | None) -> Sale | ReasonEnum:
        """The sale of this number, or why nothing of it is given back now."""
        sale = state.returnable(number)
        if state.operator is None:
            return CounterReason.NOBODY_AT_THE_TILL
        if state.asking is not None:
            return Reason.BUSY
        if sale is None:
            return CounterReason.SALE_UNKNOWN
        if sale.left_fen == 0:
            return CounterReason.SALE_RETURNED
        return CounterReason.OWN_SALE if state.operator.is_(sale.payment.subject) else sale

    def _refund(self, state: C, number: int | None, amount_fen: int, facts: Facts) -> Step[C]:
        """The amount that was typed, of the sale that was named before."""
        if amount_fen == 0:
            return Step(state, (Show(NOTHING_DUE, Tone.NO),))
        if is_return_number(number) and state.returnable(number) is None:
            return self._elsewhere(state, number or 0, amount_fen, facts, asks=False)
        sale = self._returnable(state, number)
        if not isinstance(sale, Sale):
            return self.refuse(state, facts, sale)
        if amount_fen > sale.left_fen:
            return self.refuse(state, facts, CounterReason.REFUND_TOO_MUCH)
        return self._give_back(state, sale, amount_fen, facts)

    def _void(self, state: C, sale: Sale, facts: Facts) -> Step[C]:
        return self._give_back(state, sale, sale.left_fen, facts)

    def _give_back(self, state: C, sale: Sale, amount_fen: int, facts: Facts) -> Step[C]:
        """The whole of a sale by a reversal, a part by a refund; with the last of it the meal's limits. On this shift.

        What was given back can no more prove late: that would have been told before.
        """
        if (ended := lease.refusal(facts)) is not None:
            return self.refuse(state, facts, ended)
        state, records = self.in_shift(state.cleared("latest"), self.business_date(facts), facts)
        payment = self._as_it_goes_back(state, sale, facts)
        if amount_fen == payment.amount_fen:
            after, record = self.take_back(state, payment, CounterReason.VOIDED, facts)
            funds = payment.funds
        else:
            funds = share_back(sale.left, amount_fen)
            back = {fund: -fen for fund, fen in funds.items()}
            money = payment.money(self._pay.merchant)._replace(amount_fen=-amount_fen, funds=back)
            own_fen = 0 if payment.account == CREDIT else own_share_fen(amount_fen, funds)
            guarded = guardian.spent(payment.subject, -own_fen, payment.spent_on, facts)
            marks = (*money_marks(payment, amount_fen, funds, facts, -1), *guarded)
            if amount_fen == sale.left_fen:
                meal = () if payment.meal is None else payment.meal.marks(facts, -1)
                marks = (*meal, *marks, *self.unsold(payment, facts))
            record = self.end(Kind.REFUND, CounterReason.REFUNDED, payment, money, facts, marks)
            after = _returned(state, payment, funds)
        told = _given_back(sale.number, amount_fen, funds)
        effects: tuple[Effect, ...] = (*records, record, Show(told, Tone.OK))
        return Step(after, effects)

    def _elsewhere(self, state: C, number: int, amount_fen: int | None, facts: Facts, *, asks: bool) -> Step[C]:
        """Of another till's sale, by the number on its receipt: the amount first (``asks``), then the platform."""
        who = state.operator
        if who is None:
            return self.refuse(state, facts, CounterReason.NOBODY_AT_THE_TILL)
        if (ended := lease.refusal(facts)) is not None:
            return self.refuse(state, facts, ended)
        if state.returning is not None or state.asking is not None:
            return self.refuse(state, facts, Reason.BUSY)
        if asks:
            return self._wait_for(state, number, _ITS_AMOUNT, facts)
        returning = Returning(asked_id=facts.new_id(), return_id=facts.new_id(), number=number, amount_fen=amount_fen)
        cashier = Subject(who.namespace, who.id)
        about = (self._pay.merchant, self.business_date(facts), cashier, self._pay.ask_deadline_ms)
        return Step(state.model_copy(update={"returning": returning}), elsewhere.ask(returning, *about))

    def _claimed(self, state: C, returning: Returning, answer: Answer, facts: Facts) -> Step[C]:
        match answer:
            case ReturnClaimed(return_id, funds) if return_id == returning.return_id and state.operator is not None:
                return self._give_back_elsewhere(state, returning, dict(funds), facts)
            case Declined(code) if code in elsewhere.DECLINED:
                return self.refuse(state.cleared("returning"), facts, elsewhere.DECLINED[code])
            case _:
                return self._no_return(state, returning, CounterReason.RETURN_NOT_NOW, facts)

    def _give_back_elsewhere(self, state: C, returning: Returning, funds: dict[str, int], facts: Facts) -> Step[C]:
        """Booked on this shift, under the claim's id."""
        state, records = self.in_shift(state.cleared("returning"), self.business_date(facts), facts)
        amount_fen = sum(funds.values())
        money = Money(
            amount_fen=-amount_fen,
            intent_id=returning.return_id,
            merchant=self._pay.merchant,
            **self.booked(state),
            funds={fund: -fen for fund, fen in funds.items()},
        )
        reason = CounterReason.REFUNDED
        record = Record(facts.new_id(), Kind.REFUND, reason, refers_to=returning.asked_id, money=money)
        told = _given_back(returning.number, amount_fen, funds)
        gone = GivenBack(asked_id=returning.asked_id, number=returning.number, funds=funds)
        after = _with_return(state, funds).model_copy(update={"given_back": gone})
        return Step(after, (*records, record, Show(told, Tone.OK)))

    def _no_return(self, state: C, returning: Returning, reason: ReasonEnum, facts: Facts) -> Step[C]:
        record = elsewhere.give_up(returning, self._pay.merchant, self.business_date(facts), reason, facts)
        return Step(state.cleared("returning"), (record, Show(reason.citizen, Tone.NO)))

    def _as_it_goes_back(self, state: C, sale: Sale, facts: Facts) -> Payment:
        """The payment as it goes back now. What was sold offline on another day is in no ceiling of today."""
        ago = max(0, facts.now_ms - sale.sold_ms) * MILLISECOND
        today = (facts.local_time - ago).date() == facts.local_time.date()
        return sale.payment.model_copy(update={**self.booked(state), "offline": sale.payment.offline and today})

    def booked(self, state: C) -> Booked:
        """Whose work, which shift and which business date what is booked now belongs to, within a shift."""
        shift = state.shift
        return Booked(
            operator=None if state.operator is None else state.operator.name,
            shift=None if shift is None else shift.name,
            business_date="" if shift is None else shift.business_date,
        )

    # What goes with a payment ---------------------------------------------------------------------------------------

    def paid(self, state: C, payment: Payment, facts: Facts) -> Settled:
        """It has a number, and is in the shift's sums."""
        sale = self.details(state, Sale.made(number=state.sold + 1, payment=payment, sold_ms=facts.now_ms))
        earlier = [old.model_copy(update={"items": ()}) if old.items else old for old in state.sales[: 1 - SALES_SHOWN]]
        sales = (*earlier, *state.sales[1 - SALES_SHOWN :], sale)[-SALES_KEPT:]
        shift = state.shift
        if shift is not None:
            shift = shift.model_copy(update={"sums": shift.sums.with_sale(payment)})
        return {"sold": sale.number, "sales": sales, "shift": shift}, ()

    def details(self, state: C, sale: Sale) -> Sale:  # noqa: ARG002 -- for those who override it
        """The sale with what a receipt says of it beside the money."""
        return sale

    def undone(self, state: C, payment: Payment, facts: Facts, was_paid: bool) -> Kept[C]:
        """What was paid and taken back is a return of all of it."""
        if not was_paid:
            return state, ()
        return _returned(state, payment, payment.funds), self.unsold(payment, facts)

    def unsold(self, payment: Payment, facts: Facts) -> tuple[Mark, ...]:  # noqa: ARG002
        """The marks that nobody has any more what a sale was for: all of it went back, at once or in parts."""
        return ()

    def said(self, state: C, what: Sentence, payment: Payment) -> Sentence:
        """With who paid what, that a payment without the platform is not lost, and the number that takes it back."""
        told = super().said(state, what, payment)
        if payment.offline:
            told = Sentence(f"{told.zh}；离线收款，记录已安全保存", f"{told.en}; sold offline, and safely recorded")
        return Sentence(f"{told.zh}；第 {state.sold} 笔", f"{told.en}; no. {state.sold}")

    def anew(self, state: C) -> C:
        """After a restart nobody is signed in."""
        return _done(state).cleared("operator")

    # On paper -------------------------------------------------------------------------------------------------------

    def _slips(self, step: Step[C], facts: Facts) -> tuple[Print, ...]:
        """Of each payment and of what was given back: printed once the record is on the disk."""
        if not self._counter.receipts:
            return ()
        slips: list[Print] = []
        for effect in step.effects:
            if isinstance(effect, Record) and effect.kind in _ON_PAPER:
                slip = self._slip(step.state, effect, facts)
                slips += () if slip is None else (slip,)
        return tuple(slips)

    def _slip(self, state: C, record: Record, facts: Facts) -> Print | None:
        money = record.money
        sale = None if money is None else state.sale_of(money.intent_id)
        if money is None or (sale is None and record.kind is not Kind.REFUND):
            return None
        if sale is not None and record.kind is Kind.PAYMENT:
            return Print(Receipt(sale, money.merchant, facts.local_time), record.id)
        if record.reason in (CounterReason.VOIDED, CounterReason.REFUNDED):
            return Print(Returned(sale, money, facts.local_time), record.id)
        return None

    def _copy(self, state: C, number: int, facts: Facts) -> Step[C]:
        """The receipt of one of the latest sales again, marked as a copy."""
        sale = state.sale(number)
        if sale is None:
            return self.refuse(state, facts, CounterReason.SALE_UNKNOWN)
        reason = CounterReason.RECEIPT_COPIED
        record = Record(facts.new_id(), Kind.COUNTER, reason, refers_to=sale.payment.asked_id)
        sold = facts.local_time - max(0, facts.now_ms - sale.sold_ms) * MILLISECOND
        paper = Print(Receipt(sale, self._pay.merchant, sold, copy=True), record.id)
        return Step(state, (record, paper, Show(reason.citizen, Tone.OK)))

    def _sales(self, state: C) -> Show:
        lines = [sale.line() for sale in reversed(state.sales[-SALES_SHOWN:])]
        if not lines:
            return Show(_NO_SALES, Tone.WAIT)
        return Show(Sentence("；".join(line.zh for line in lines), "; ".join(line.en for line in lines)), Tone.WAIT)


def _done(state: C) -> C:
    """Nothing waits for the cashier."""
    return state.cleared("pending")


def _went_back(state: C, asked_id: bytes) -> bool:
    """Whether something of this sale was given back, as who was told that it was not recorded must hear."""
    return any(sale.payment.asked_id == asked_id and sale.returned for sale in state.sales)


def _returned(state: C, payment: Payment, funds: dict[str, int]) -> C:
    """After something of a payment went back: in its sale, and in the sums of the shift."""
    sales = tuple(
        sale.model_copy(update={"returned": _sum(sale.returned, funds)})
        if sale.payment.intent_id == payment.intent_id
        else sale
        for sale in state.sales
    )
    return _with_return(state.model_copy(update={"sales": sales}), funds)


def _with_return(state: C, funds: dict[str, int]) -> C:
    """The shift's sums after something went back."""
    if state.shift is None:
        return state
    shift = state.shift.model_copy(update={"sums": state.shift.sums.with_return(funds)})
    return state.model_copy(update={"shift": shift})


def _sum(returned: dict[str, int], funds: dict[str, int]) -> dict[str, int]:
    return {fund: returned.get(fund, 0) + funds.get(fund, 0) for fund in sorted({*returned, *funds})}


def _given_back(number: int, amount_fen: int, funds: dict[str, int]) -> Sentence:
    zh, en = f"第 {number} 笔已退 {yuan(amount_fen)} 元", f"No. {number}: {yuan(amount_fen)} yuan were given back"
    return shared(Sentence(zh, en), amount_fen, funds)
