"""Canteen (食堂): meals by period, subsidised and limited, at a fixed price, by keypad, or counted.

A credential passes the rules in this order, the first that fails refuses: assurance, admission, schedule, somebody else
still paying, a meal time, an amount, the same card just now, the limits of meals and money. Whether the meal is
subsidised refuses nobody. What it takes of the limits, and the claim to the subsidy, are marks of the record of the
intent, so that no second till of this terminal gives them twice; they are given back when nothing comes of it. The way
of the payment is every scene's (:mod:`profiles.payment`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from profiles.amounts import NOTHING_DUE, AmountRefused, yuan
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
from profiles.canteen_reasons import BY_LIMIT, CanteenReason, CanteenRule
from profiles.canteen_settings import CanteenSettings, Pricing
from profiles.canteen_state import CanteenState, Meal, Waiting
from profiles.payment import PAID_SCOPE, Bill, Cashier, Kept, Payment, with_amount
from profiles.payment_reasons import PaymentReason
from profiles.reasons import Sentence
from profiles.rules.double_tap import not_used, used
from profiles.rules.meals import MealPeriod
from profiles.rules.subsidy import ACCOUNT, split, subsidy_of
from profiles.trace import Asked, Rule, RuleEnum, judge

WAITING_TIMER = "waiting"
ENTER_THE_AMOUNT = Sentence("请输入金额", "Please enter the amount")
OFFLINE_IS_SAFE = Sentence("；离线收款，记录已安全保存", "; sold offline, and safely recorded")


class Canteen(Cashier[CanteenState]):
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

    def handle(self, state: CanteenState, event: Event, facts: Facts) -> Step[CanteenState]:
        """One event in, one step out."""
        match event:
            case Presented(credential):
                step = self._presented(state, credential, facts)
                return Step(step.state, (*self._settings.schedule.warning(facts), *step.effects))
            case AmountEntered() | AmountRefused() if self._settings.pricing is not Pricing.KEYPAD:
                return Step(state, (Show(self._no_keypad(facts), Tone.WAIT),))
            case AmountEntered(amount_fen):
                return self._entered(state, amount_fen, facts)
            case AmountRefused(problem):
                return self._no_amount(state, problem.sentence)
            case TimerFired(name, about) if name == WAITING_TIMER:
                is_due = state.waiting is not None and state.waiting.id == about
                return Step(state.model_copy(update={"waiting": None})) if is_due else Step(state)
            case RecordedLate(about) if state.latest_meal is not None and state.latest_meal.about == about:
                return self._uncount(state, state.latest_meal, facts)
            case _:
                return super().handle(state, event, facts)

    # Who may eat ----------------------------------------------------------------------------------------------------

    def _presented(self, state: CanteenState, credential: Credential, facts: Facts) -> Step[CanteenState]:
        if state.asking is not None and state.asking.medium == credential.medium:
            return Step(state, (Show(PaymentReason.ASKED.citizen, Tone.WAIT),))
        meals, moment = self._settings.meals, facts.local_time
        period = meals.at(moment)
        amount_fen = self._amount(state, period, credential, facts)
        verdict = judge(self._rules(state, credential, period, amount_fen, facts))
        if verdict.refusal is PaymentReason.NO_AMOUNT and credential.evidence is None:
            return self._wait(state, credential, facts)
        if verdict.refusal is not None or period is None or amount_fen is None:
            reason = verdict.refusal or CanteenReason.NO_MEAL_NOW
            return self.refuse(state, facts, reason, credential.medium, credential.subject, verdict.trace)
        if self._settings.pricing is Pricing.COUNT:
            return self._count(state, credential, period, verdict.trace, facts)
        date = meals.business_date(moment)
        subsidy = subsidy_of(self._settings.subsidies, credential, period.name, date, facts)
        trace = verdict.then([(CanteenRule.SUBSIDY, subsidy is not None, None)]).trace
        meal = self._meal(b"", credential, period, facts, amount_fen=amount_fen, subsidised=subsidy is not None)
        bill = Bill(amount_fen, date, funds=split(amount_fen, subsidy))
        before = state.model_copy(update={"amount_fen": None, "waiting": None, "asking_meal": meal})
        return self.ask(before, credential, bill, trace, facts, meal.marks(facts, 1), {"period": meal.period})

    def _rules(
        self,
        state: CanteenState,
        credential: Credential,
        period: MealPeriod | None,
        amount_fen: int | None,
        facts: Facts,
    ) -> Iterator[Asked]:
        yield from self.admission(state, credential, facts)
        yield CanteenRule.MEAL_TIME, period is not None, CanteenReason.NO_MEAL_NOW
        yield Rule.AMOUNT, amount_fen is not None, PaymentReason.NO_AMOUNT
        yield Rule.NOT_REPEATED, not self.paid_just_now(credential.medium, facts), PaymentReason.JUST_PAID
        date = self._settings.meals.business_date(facts.local_time)
        name = "" if period is None else period.name
        reached = self._settings.limits.reached(credential.subject, name, date, facts, amount_fen=amount_fen or 0)
        yield CanteenRule.LIMITS, reached is None, None if reached is None else BY_LIMIT[reached]

    def _amount(
        self, state: CanteenState, period: MealPeriod | None, credential: Credential, facts: Facts
    ) -> int | None:
        """What the meal costs this person; 0 where meals are counted."""
        match self._settings.pricing:
            case Pricing.COUNT:
                return 0
            case Pricing.KEYPAD:
                return state.amount_fen
            case Pricing.FIXED:
                person = facts.person(credential.subject)
                classes = credential.entitlements | ({person.price_class} if person is not None else frozenset())
                return None if period is None else period.price(classes)

    def _meal(
        self,
        about: bytes,
        credential: Credential,
        period: MealPeriod,
        facts: Facts,
        *,
        amount_fen: int = 0,
        subsidised: bool = False,
    ) -> Meal:
        meals, moment = self._settings.meals, facts.local_time
        return Meal(
            about=about,
            medium=credential.medium,
            subject_namespace=credential.subject.namespace,
            subject_id=credential.subject.id,
            period=period.name,
            business_date=meals.business_date(moment),
            ends_ms=facts.now_ms + meals.day_left_ms(moment),
            amount_fen=amount_fen,
            subsidised=subsidised,
        )

    # With a keypad --------------------------------------------------------------------------------------------------

    def _entered(self, state: CanteenState, amount_fen: int, facts: Facts) -> Step[CanteenState]:
        """The amount for the card that waits, or for whoever pays next; 0 takes it back."""
        if amount_fen == 0:
            return self._no_amount(state, NOTHING_DUE)
        after = state.model_copy(update={"amount_fen": amount_fen})
        if state.waiting is not None and state.asking is None:
            return self._presented(after.model_copy(update={"waiting": None}), state.waiting.credential, facts)
        due = Sentence(f"请付款 {yuan(amount_fen)} 元", f"Please pay {yuan(amount_fen)} yuan")
        return Step(after, (Show(due, Tone.WAIT),))

    def _no_amount(self, state: CanteenState, why: Sentence) -> Step[CanteenState]:
        return Step(state.model_copy(update={"amount_fen": None, "waiting": None}), (Show(why, Tone.NO),))

    def _wait(self, state: CanteenState, credential: Credential, facts: Facts) -> Step[CanteenState]:
        """Card first: it waits for the amount, in place of a card that waited before."""
        waiting = Waiting.of(credential, facts.new_id())
        timer = StartTimer(WAITING_TIMER, self._settings.wait_for_amount_ms, waiting.id)
        return Step(state.model_copy(update={"waiting": waiting}), (Show(ENTER_THE_AMOUNT, Tone.WAIT), timer))

    def _no_keypad(self, facts: Facts) -> Sentence:
        period = self._settings.meals.at(facts.local_time)
        if self._settings.pricing is Pricing.COUNT:
            return Sentence("此处计次，不收金额", "Meals are counted here; no amount is taken")
        if period is None or period.price_fen is None:
            return CanteenReason.NO_MEAL_NOW.citizen
        price = yuan(period.price_fen)
        return Sentence(f"价格固定：{price} 元", f"One price: {price} yuan")

    # By count -------------------------------------------------------------------------------------------------------

    def _count(
        self, state: CanteenState, credential: Credential, period: MealPeriod, trace: bytes, facts: Facts
    ) -> Step[CanteenState]:
        """A meal that is counted and costs nothing: no platform is asked."""
        meal = self._meal(facts.new_id(), credential, period, facts)
        record = Record(
            id=meal.about,
            kind=Kind.DECISION,
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
        after = state.model_copy(update={"latest": None, "latest_meal": meal})
        return Step(after, (record, Show(record.reason.citizen, Tone.OK)))

    def _uncount(self, state: CanteenState, meal: Meal, facts: Facts) -> Step[CanteenState]:
        """The record became durable too late, and the citizen was told that nothing was counted."""
        record = Record(
            id=facts.new_id(),
            kind=Kind.OUTCOME,
            reason=CanteenReason.MEAL_NOT_COUNTED,
            refers_to=meal.about,
            public={"period": meal.period, "business_date": meal.business_date, "meals": -meal.meals},
            marks=(*meal.marks(facts, -1), not_used(PAID_SCOPE, meal.medium, facts)),
        )
        return Step(state.model_copy(update={"latest_meal": None}), (record,))

    # What goes with a payment ---------------------------------------------------------------------------------------

    def paid(self, state: CanteenState, payment: Payment, facts: Facts) -> Kept[CanteenState]:
        """With one price, the same card pays once in a moment."""
        after = state.model_copy(update={"asking_meal": None, "latest_meal": state.asking_meal})
        return after, (self.just_paid_mark(payment, facts),) if self._settings.pricing is Pricing.FIXED else ()

    def undone(self, state: CanteenState, payment: Payment, facts: Facts, was_paid: bool) -> Kept[CanteenState]:
        """The limits and the subsidy are given back; another card may pay the same amount."""
        meal = state.latest_meal if was_paid else state.asking_meal
        after = state.model_copy(update={"latest_meal" if was_paid else "asking_meal": None})
        if not was_paid and self._settings.pricing is Pricing.KEYPAD and state.amount_fen is None:
            after = after.model_copy(update={"amount_fen": payment.amount_fen})
        return after, () if meal is None else meal.marks(facts, -1)

    def said(self, what: Sentence, payment: Payment) -> Sentence:
        """How much, who paid what of it, and that a payment without the platform is not lost."""
        told = with_amount(what, payment.amount_fen)
        own_fen = payment.funds.get(ACCOUNT, 0)
        if own_fen < payment.amount_fen:
            other, own = yuan(payment.amount_fen - own_fen), yuan(own_fen)
            told = Sentence(f"{told.zh}（补贴 {other}，账户 {own}）", f"{told.en} (subsidy {other}, account {own})")
        if payment.offline:
            told = Sentence(told.zh + OFFLINE_IS_SAFE.zh, told.en + OFFLINE_IS_SAFE.en)
        return told

    def anew(self, state: CanteenState) -> CanteenState:
        """The cashier types again, and a card that waited is presented again."""
        gone = ("amount_fen", "waiting", "asking_meal", "latest_meal")
        return state.model_copy(update=dict.fromkeys(gone))
