"""Canteen (食堂): meals by period, subsidised and limited, at a fixed price, by keypad, by dish, or counted.

A credential passes the rules in this order, the first that fails refuses: assurance, admission, schedule, somebody else
still paying, a cashier where one has to be there, a meal time, an amount, the same card just now, the limits of meals
and money. Whether the meal is subsidised refuses nobody. What it takes of the limits, and the claim to the subsidy, are
marks of the record of the intent, so that no second till of this terminal gives them twice; they are given back when
nothing comes of it. The way of the payment is every scene's (:mod:`profiles.payment`), that of the cashier every
counter's (:mod:`profiles.counter`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from profiles.amounts import NOTHING_DUE, AmountProblem, AmountRefused, FunctionKey, KeyPressed, due, yuan
from profiles.api import (
    AmountEntered,
    Credential,
    Event,
    Facts,
    Kind,
    Presented,
    ProfileSettings,
    Record,
    RecordedLate,
    Show,
    StartTimer,
    State,
    Step,
    TimerFired,
    Tone,
)
from profiles.basket import NO_ORDER, Basket
from profiles.canteen_reasons import BY_LIMIT, CanteenReason, CanteenRule
from profiles.canteen_settings import MAX_GUESTS, CanteenSettings, Pricing
from profiles.canteen_state import CanteenState
from profiles.counter_reasons import CounterReason
from profiles.meal import Meal
from profiles.ordering import Ordering
from profiles.payment import PAID_SCOPE, Bill, Payment, Settled
from profiles.payment_reasons import PaymentReason
from profiles.reasons import Sentence
from profiles.rules.double_tap import not_used, used
from profiles.rules.meals import MealPeriod
from profiles.rules.subsidy import split, subsidy_of
from profiles.staff import name_of
from profiles.trace import Asked, Rule, RuleEnum, judge
from profiles.waiting import Waiting

WAITING_TIMER = "waiting"
ENTER_THE_AMOUNT = Sentence("请输入金额", "Please enter the amount")


class Canteen(Ordering[CanteenState]):
    """The canteen's reducer."""

    name: ClassVar[str] = "canteen"
    Settings: ClassVar[type[ProfileSettings]] = CanteenSettings
    State: ClassVar[type[State]] = CanteenState
    wants: ClassVar[frozenset[str]] = frozenset()
    rules: ClassVar[type[RuleEnum]] = CanteenRule

    def __init__(self, settings: CanteenSettings) -> None:
        super().__init__(settings)
        self._settings = settings

    def idle(self) -> CanteenState:
        """Nobody is paying."""
        return CanteenState()

    def serve(self, state: CanteenState, event: Event, facts: Facts) -> Step[CanteenState]:
        """What comes to this counter, and what all counters make of the rest."""
        match event:
            case Presented(credential):
                step = self._presented(state, credential, facts)
                return step.led_by(self._settings.schedule.warning(facts))
            case AmountEntered(amount_fen):
                return self._entered(state, amount_fen, facts)
            case AmountRefused(problem):
                return self.no_order(state, problem.sentence)
            case KeyPressed(FunctionKey.PAY, _) if self._settings.pricing is Pricing.DISHES:
                return self._order_is_whole(state, facts)
            case KeyPressed(FunctionKey.GUESTS, number) if self._settings.pricing is Pricing.FIXED:
                return self._guests(state, number or 0, facts)
            case TimerFired(name, about) if name == WAITING_TIMER:
                is_due = state.waiting is not None and state.waiting.id == about
                return Step(state.cleared("waiting")) if is_due else Step(state)
            case RecordedLate(about) if state.counted is not None and state.counted.about == about:
                return self._uncount(state, state.counted, facts)
            case _:
                return super().serve(state, event, facts)

    def business_date(self, facts: Facts) -> str:
        """The canteen's own."""
        return self._settings.meals.business_date(facts.local_time)

    # Who may eat ----------------------------------------------------------------------------------------------------

    def _presented(self, state: CanteenState, credential: Credential, facts: Facts) -> Step[CanteenState]:
        if state.asking is not None and state.asking.medium == credential.medium:
            return Step(state, (Show(PaymentReason.ASKED.citizen, Tone.WAIT),))
        order, date = state.order or NO_ORDER, self.business_date(facts)
        period = self._settings.meals.at(facts.local_time)
        amount_fen = self._amount(order, period, credential, facts)
        verdict = judge(self._rules(state, credential, period, amount_fen, date, facts))
        if verdict.refusal is PaymentReason.NO_AMOUNT and credential.evidence is None:
            return self._wait(state, credential, facts)
        if verdict.refusal is not None or period is None or amount_fen is None:
            reason = verdict.refusal or CanteenReason.NO_MEAL_NOW
            return self.refuse(state, facts, reason, credential.medium, credential.subject, verdict.trace)
        state, records = self.in_shift(state, date, facts)
        if self._settings.pricing is Pricing.COUNT:
            step = self._count(state, credential, period, date, verdict.trace, facts)
        else:
            step = self._sell(state, credential, period, date, order, amount_fen, verdict.trace, facts)
        return step.led_by(records)

    def _sell(
        self,
        state: CanteenState,
        credential: Credential,
        period: MealPeriod,
        date: str,
        order: Basket,
        amount_fen: int,
        trace: bytes,
        facts: Facts,
    ) -> Step[CanteenState]:
        """A guest's meal has no subsidy, and is no meal of the one who pays it."""
        subsidies = self._settings.subsidies
        subsidy = None if order.guests else subsidy_of(subsidies, credential, period.name, date, facts)
        trace = judge([(CanteenRule.SUBSIDY, subsidy is not None, None)], trace).trace
        meals = 0 if order.guests else 1
        meal = self._meal(b"", credential, period, date, facts, amount_fen, meals, subsidised=subsidy is not None)
        bill = Bill(
            amount_fen=amount_fen,
            **self.booked(state),
            funds=split(amount_fen, subsidy),
            meal=meal,
        )
        before = state.model_copy(update={"order": None, "asked_order": state.order, "waiting": None})
        return self.ask(before, credential, bill, trace, facts, {"period": period.name, **order.public()})

    def _rules(
        self,
        state: CanteenState,
        credential: Credential,
        period: MealPeriod | None,
        amount_fen: int | None,
        date: str,
        facts: Facts,
    ) -> Iterator[Asked]:
        yield from self.admission(state, credential, facts)
        yield CanteenRule.ATTENDED, self.is_attended(state), CounterReason.NOBODY_AT_THE_TILL
        yield CanteenRule.MEAL_TIME, period is not None, CanteenReason.NO_MEAL_NOW
        yield Rule.AMOUNT, amount_fen is not None, PaymentReason.NO_AMOUNT
        again = self.paid_just_now(credential.medium, facts) and not (state.order and state.order.guests)
        yield Rule.NOT_REPEATED, not again, PaymentReason.JUST_PAID
        reached = self._settings.limits.reached(
            credential.subject,
            "" if period is None else period.name,
            date,
            facts,
            amount_fen=amount_fen or 0,
            meals=0 if state.order and state.order.guests else 1,
        )
        yield CanteenRule.LIMITS, reached is None, None if reached is None else BY_LIMIT[reached]

    def _amount(self, order: Basket, period: MealPeriod | None, credential: Credential, facts: Facts) -> int | None:
        """What is to be paid; 0 where meals are counted, and ``None`` while the cashier has not said."""
        match self._settings.pricing:
            case Pricing.COUNT:
                return 0
            case Pricing.KEYPAD | Pricing.DISHES:
                return order.amount_fen or None
            case Pricing.FIXED if period is None:
                return None
            case Pricing.FIXED if order.guests:
                return order.guests * (period.guest_price_fen or 0) or None
            case Pricing.FIXED:
                person = facts.person(credential.subject)
                classes = credential.entitlements | ({person.price_class} if person is not None else frozenset())
                return period.price(classes)

    def _meal(
        self,
        about: bytes,
        credential: Credential,
        period: MealPeriod,
        date: str,
        facts: Facts,
        amount_fen: int = 0,
        meals: int = 1,
        *,
        subsidised: bool = False,
    ) -> Meal:
        return Meal.made(
            about=about,
            medium=credential.medium,
            subject_namespace=credential.subject.namespace,
            subject_id=credential.subject.id,
            period=period.name,
            business_date=date,
            ends_ms=facts.now_ms + self._settings.meals.day_left_ms(facts.local_time),
            amount_fen=amount_fen,
            meals=meals,
            subsidised=subsidised,
        )

    # What the cashier types -----------------------------------------------------------------------------------------

    def _entered(self, state: CanteenState, amount_fen: int, facts: Facts) -> Step[CanteenState]:
        """The amount for the card that waits, or for whoever pays next; 0 takes everything back."""
        if amount_fen == 0:
            return self.no_order(state, NOTHING_DUE)
        if self._settings.pricing is not Pricing.KEYPAD:
            return Step(state, (Show(self._no_keypad(facts), Tone.WAIT),))
        after = state.model_copy(update={"order": Basket(id=facts.new_id(), amount_fen=amount_fen)})
        return self._order_is_whole(after, facts)

    def _order_is_whole(self, state: CanteenState, facts: Facts) -> Step[CanteenState]:
        if state.order is None or state.order.amount_fen == 0:
            return Step(state, (Show(NOTHING_DUE, Tone.NO),))
        if state.waiting is not None and state.asking is None:
            return self._presented(state.cleared("waiting"), state.waiting.credential, facts)
        return Step(state, (Show(due(state.order.amount_fen), Tone.WAIT),))

    def _guests(self, state: CanteenState, guests: int, facts: Facts) -> Step[CanteenState]:
        """So many guests' meals for the host's card; only a cashier can say so."""
        period = self._settings.meals.at(facts.local_time)
        if state.operator is None:
            return self.refuse(state, facts, CounterReason.NOBODY_AT_THE_TILL)
        if period is None or guests == 0:
            nothing = CanteenReason.NO_MEAL_NOW.citizen if period is None else NOTHING_DUE
            return Step(state.cleared("order"), (Show(nothing, Tone.NO),))
        if guests > MAX_GUESTS:
            return Step(state, (Show(AmountProblem.TOO_MUCH.sentence, Tone.NO),))
        price = due(guests * (period.guest_price_fen or 0))
        told = Sentence(f"客餐 {guests} 份，{price.zh}", f"{guests} guests: {price.en}")
        return Step(
            state.model_copy(update={"order": Basket(id=facts.new_id(), guests=guests)}), (Show(told, Tone.WAIT),)
        )

    def no_order(self, state: CanteenState, why: Sentence) -> Step[CanteenState]:
        """Nor does a card wait for it any more."""
        return super().no_order(state.cleared("waiting"), why)

    def _wait(self, state: CanteenState, credential: Credential, facts: Facts) -> Step[CanteenState]:
        """Card first: it waits for the amount, in place of a card that waited before."""
        waiting = Waiting.of(credential, facts.new_id())
        timer = StartTimer(WAITING_TIMER, self._settings.wait_for_amount_ms, waiting.id)
        return Step(state.model_copy(update={"waiting": waiting}), (Show(ENTER_THE_AMOUNT, Tone.WAIT), timer))

    def _no_keypad(self, facts: Facts) -> Sentence:
        period = self._settings.meals.at(facts.local_time)
        if self._settings.pricing is Pricing.COUNT:
            return Sentence("此处计次，不收金额", "Meals are counted here; no amount is taken")
        if self._settings.pricing is Pricing.DISHES:
            return Sentence("请输入菜号并按菜品键", "Enter a dish's number and the dish key")
        if period is None or period.price_fen is None:
            return CanteenReason.NO_MEAL_NOW.citizen
        price = yuan(period.price_fen)
        return Sentence(f"价格固定：{price} 元", f"One price: {price} yuan")

    # By count -------------------------------------------------------------------------------------------------------

    def _count(
        self, state: CanteenState, credential: Credential, period: MealPeriod, date: str, trace: bytes, facts: Facts
    ) -> Step[CanteenState]:
        """A meal that is counted and costs nothing: no platform is asked."""
        meal = self._meal(facts.new_id(), credential, period, date, facts)
        record = Record(
            id=meal.about,
            kind=Kind.COUNTER,
            reason=CanteenReason.MEAL_COUNTED,
            medium=credential.medium,
            subject=credential.subject,
            public={"period": meal.period, "business_date": meal.business_date, "meals": meal.meals},
            marks=(
                *credential.marks,
                *meal.marks(facts, 1),
                used(PAID_SCOPE, credential.medium, self._settings.double_tap_ms, facts),
            ),
            evidence=credential.evidence,
            trace=trace,
        )
        after = self._with_count(state, meal.meals).model_copy(update={"latest": None, "counted": meal})
        return Step(after, (record, Show(record.reason.citizen, Tone.OK, name_of(credential.subject, facts))))

    def _uncount(self, state: CanteenState, meal: Meal, facts: Facts) -> Step[CanteenState]:
        """The record became durable too late, and the citizen was told that nothing was counted."""
        record = Record(
            id=facts.new_id(),
            kind=Kind.COUNTER,
            reason=CanteenReason.MEAL_NOT_COUNTED,
            refers_to=meal.about,
            public={"period": meal.period, "business_date": meal.business_date, "meals": -meal.meals},
            marks=(*meal.marks(facts, -1), not_used(PAID_SCOPE, meal.medium, facts)),
        )
        return Step(self._with_count(state, -meal.meals).cleared("counted"), (record,))

    def _with_count(self, state: CanteenState, meals: int) -> CanteenState:
        if state.shift is None:
            return state
        shift = state.shift.model_copy(update={"sums": state.shift.sums.with_count(meals)})
        return state.model_copy(update={"shift": shift})

    @property
    def sells_items(self) -> bool:
        """Where meals are priced by dish."""
        return self._settings.pricing is Pricing.DISHES

    # What goes with a payment ---------------------------------------------------------------------------------------

    @property
    def one_price(self) -> bool:
        """A meal of the period."""
        return self._settings.pricing is Pricing.FIXED

    def paid(self, state: CanteenState, payment: Payment, facts: Facts) -> Settled:
        """The moment in which the same card pays nothing begins anew."""
        changed, marks = super().paid(state, payment, facts)
        again = (self.just_paid_mark(payment, facts),) if self.one_price else ()
        return {**changed, "counted": None}, (*marks, *again)

    def anew(self, state: CanteenState) -> CanteenState:
        """The cashier types again, and a card that waited is presented again."""
        return super().anew(state).cleared("waiting", "counted")
