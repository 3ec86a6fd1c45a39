"""Till (收款): a fixed price, or an amount from the keypad; the platform is asked, and small sums are sold without it.

A credential passes the rules in this order, the first that fails refuses: assurance, admission, schedule, somebody else
still paying, an amount, the same card just now. What follows is every scene's (:mod:`profiles.payment`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from profiles.amounts import MAX_AMOUNT_FEN, NOTHING_DUE, AmountRefused, due, yuan
from profiles.api import (
    AmountEntered,
    Credential,
    Event,
    Facts,
    Presented,
    ProfileSettings,
    Show,
    StartTimer,
    State,
    Step,
    TimerFired,
    Tone,
)
from profiles.dates import compact
from profiles.payment import Bill, Cashier, Kept, Payment, PaySettings, PayState, Settled
from profiles.payment_reasons import PaymentReason
from profiles.reasons import Sentence
from profiles.trace import Asked, Rule, RuleEnum, judge

AMOUNT_TIMER = "amount"
_NOBODY_PAID = Sentence("等候太久，已取消，请重新输入", "Nobody paid, so it was taken back; please type it again")


class TillSettings(PaySettings):
    """Settings of one till."""

    amount_fen: int | None = Field(
        default=None, ge=1, le=MAX_AMOUNT_FEN, description="the one price; null: the keypad of this lane gives it"
    )

    order_waits_ms: int = Field(
        default=120_000, ge=5_000, le=1_800_000, description="so long a typed amount waits for whoever pays it"
    )


class TillState(PayState):
    """State of one till, saved with every record."""

    amount_fen: int | None = Field(default=None, description="what the cashier typed, for whoever pays next")
    typed: bytes = Field(default=b"", description="names the amount that was typed last")


class Till(Cashier[TillState]):
    """The till's reducer."""

    name: ClassVar[str] = "till"
    Settings: ClassVar[type[ProfileSettings]] = TillSettings
    State: ClassVar[type[State]] = TillState
    wants: ClassVar[frozenset[str]] = frozenset()
    rules: ClassVar[type[RuleEnum]] = RuleEnum

    def __init__(self, settings: TillSettings) -> None:
        super().__init__(settings)
        self._settings = settings

    def idle(self) -> TillState:
        """Nobody is paying."""
        return TillState()

    def handle(self, state: TillState, event: Event, facts: Facts) -> Step[TillState]:
        """One event in, one step out. No amount waits for ever: whoever comes later would pay for somebody else."""
        step = self._serve(state, event, facts)
        after, before = step.state, (state.typed, state.amount_fen)
        if after.amount_fen is None or before == (after.typed, after.amount_fen):
            return step
        return Step(after, (*step.effects, StartTimer(AMOUNT_TIMER, self._settings.order_waits_ms, after.typed)))

    def _serve(self, state: TillState, event: Event, facts: Facts) -> Step[TillState]:
        match event:
            case Presented(credential):
                step = self._presented(state, credential, facts)
                return step.led_by(self._settings.schedule.warning(facts))
            case AmountEntered() | AmountRefused() if self._settings.amount_fen is not None:
                price = yuan(self._settings.amount_fen)
                return Step(state, (Show(Sentence(f"价格固定：{price} 元", f"One price: {price} yuan"), Tone.WAIT),))
            case AmountEntered(amount_fen):
                return self._entered(state, amount_fen, facts)
            case TimerFired(name, about) if name == AMOUNT_TIMER:
                is_due = state.amount_fen is not None and state.typed == about
                return self._no_amount(state, _NOBODY_PAID) if is_due else Step(state)
            case AmountRefused(problem):
                # Whoever typed another amount wants the former one no more.
                return self._no_amount(state, problem.sentence)
            case _:
                return super().handle(state, event, facts)

    def _presented(self, state: TillState, credential: Credential, facts: Facts) -> Step[TillState]:
        amount_fen = self._settings.amount_fen or state.amount_fen
        verdict = judge(self._rules(state, credential, amount_fen, facts))
        if verdict.refusal is not None or amount_fen is None:
            reason = verdict.refusal or PaymentReason.NO_AMOUNT
            return self.refuse(state, facts, reason, credential.medium, credential.subject, verdict.trace)
        bill = Bill(amount_fen, compact(facts.local_time))
        return self.ask(state.cleared("amount_fen"), credential, bill, verdict.trace, facts)

    def _rules(self, state: TillState, credential: Credential, amount_fen: int | None, facts: Facts) -> Iterator[Asked]:
        yield from self.admission(state, credential, facts)
        yield Rule.AMOUNT, amount_fen is not None, PaymentReason.NO_AMOUNT
        yield Rule.NOT_REPEATED, not self.paid_just_now(credential.medium, facts), PaymentReason.JUST_PAID

    def _entered(self, state: TillState, amount_fen: int, facts: Facts) -> Step[TillState]:
        """The amount for whoever pays next; 0 takes it back."""
        if amount_fen == 0:
            return self._no_amount(state, NOTHING_DUE)
        changed = {"amount_fen": amount_fen, "typed": facts.new_id()}
        return Step(state.model_copy(update=changed), (Show(due(amount_fen), Tone.WAIT),))

    def _no_amount(self, state: TillState, why: Sentence) -> Step[TillState]:
        return Step(state.cleared("amount_fen"), (Show(why, Tone.NO),))

    @property
    def one_price(self) -> bool:
        """With a price of its own."""
        return self._settings.amount_fen is not None

    def paid(self, state: TillState, payment: Payment, facts: Facts) -> Settled:  # noqa: ARG002
        """The moment in which the same card pays nothing begins anew."""
        return {}, (self.just_paid_mark(payment, facts),) if self.one_price else ()

    def undone(self, state: TillState, payment: Payment, facts: Facts, was_paid: bool) -> Kept[TillState]:  # noqa: ARG002
        """Another card may pay the same amount."""
        if was_paid or self._settings.amount_fen is not None or state.amount_fen is not None:
            return state, ()
        return state.model_copy(update={"amount_fen": payment.amount_fen}), ()

    def anew(self, state: TillState) -> TillState:
        """The cashier types again."""
        return state.model_copy(update={"amount_fen": None, "typed": b""})
