"""Counters where the cashier puts an order together, and whoever presents a card next pays it.

The keys *dish* and *weight*, after a number, add a thing of the price list; a scale, where there is one, says what lies
on it. An order belongs to one version of the price list: when another comes into force it is typed again. It is paid,
taken back by ``0``, or waits too long.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import Field

from profiles.amounts import FunctionKey, KeyPressed, Weighed
from profiles.api import Event, Facts, Show, StartTimer, Step, TimerFired, Tone
from profiles.basket import MAX_GRAMS, Basket
from profiles.counter import Counter
from profiles.counter_state import CounterSettings, CounterState, Sale, SoldItem
from profiles.ordering_reasons import OrderingReason
from profiles.payment import Kept, Payment, Settled
from profiles.reasons import Sentence
from profiles.rules.price_list import PriceList

ORDER_TIMER = "order"
WEIGHT_TIMER = "weight"
SCALE_SAYS_MS = 5_000
"""What a scale said counts for so long; it says it again while the thing lies there."""
ORDER_GONE = Sentence("等候太久，已取消，请重新输入", "Nobody paid, so it was taken back; please type it again")
_NEW_PRICES = Sentence("价目表已更新，请重新输入", "The price list has changed; please type the order again")
_NO_WEIGHT = Sentence(f"请输入 1 至 {MAX_GRAMS} 克", f"Please enter 1 to {MAX_GRAMS} grams")


class OrderSettings(CounterSettings):
    """Settings of every counter with orders."""

    price_list: PriceList = PriceList()
    order_waits_ms: int = Field(
        default=120_000, ge=5_000, le=1_800_000, description="so long an order waits for whoever pays it"
    )


class OrderState(CounterState):
    """State of a counter with orders, saved with every record."""

    order: Basket | None = Field(default=None, description="of whoever pays next")
    asked_order: Basket | None = Field(default=None, description="of whoever is paying: another card may pay it")
    on_scale_grams: int = Field(default=0, exclude=True)
    weighings: int = Field(default=0, exclude=True)


O = TypeVar("O", bound=OrderState)  # noqa: E741 -- an order's


class Ordering(Counter[O], Generic[O]):
    """Base of the reducers of counters with orders."""

    def __init__(self, settings: OrderSettings) -> None:
        super().__init__(settings)
        self._orders = settings

    @property
    def sells_items(self) -> bool:
        """Whether things of a price list are sold here."""
        return self._orders.price_list.is_given

    def serve(self, state: O, event: Event, facts: Facts) -> Step[O]:
        """What the cashier puts together, and what all counters make of the rest."""
        match event:
            case KeyPressed(FunctionKey.DISH, number) if self.sells_items:
                return self.add_item(state, str(number or 0), facts)
            case KeyPressed(FunctionKey.WEIGHT, grams) if self.sells_items:
                return self._typed_weight(state, grams or 0, facts)
            case Weighed(grams):
                changed = {"on_scale_grams": min(grams, MAX_GRAMS), "weighings": (state.weighings + 1) % 256}
                return Step(state.model_copy(update=changed))
            case TimerFired(name, about) if name == WEIGHT_TIMER:
                is_old = about == bytes([state.weighings])
                return Step(state.model_copy(update={"on_scale_grams": 0}) if is_old else state)
            case TimerFired(name, about) if name == ORDER_TIMER:
                is_due = state.order is not None and state.order.id == about
                return self.no_order(state, ORDER_GONE) if is_due else Step(state)
            case _:
                return super().serve(state, event, facts)

    def timers(self, before: O, after: O, event: Event) -> tuple[StartTimer, ...]:
        """Neither an order nor a weight counts for ever: whoever comes later would pay for somebody else's."""
        running = super().timers(before, after, event)
        if isinstance(event, Weighed) and after.on_scale_grams:
            running = (*running, StartTimer(WEIGHT_TIMER, SCALE_SAYS_MS, bytes([after.weighings])))
        if after.order is None or after.order == before.order:
            return running
        return (*running, StartTimer(ORDER_TIMER, self._orders.order_waits_ms, after.order.id))

    def add_item(self, state: O, code: str, facts: Facts) -> Step[O]:
        """One thing more of this order, by its number or barcode."""
        prices = self._orders.price_list.in_force(facts)
        if prices is None:
            return self.refuse(state, facts, OrderingReason.NO_PRICE_LIST)
        basket = state.order or Basket(id=facts.new_id())
        if basket.lines and basket.prices != prices:
            return self.no_order(state, _NEW_PRICES)
        item = self._orders.price_list.item(code, facts)
        if item is None:
            return Step(state, (Show(no_such_number(code), Tone.NO),))
        more = basket.model_copy(update={"prices": prices}).with_item(item, state.on_scale_grams)
        if isinstance(more, Sentence):
            return Step(state, (Show(more, Tone.NO),))
        return Step(state.model_copy(update={"order": more}), (Show(more.told(item), Tone.WAIT),))

    def _typed_weight(self, state: O, grams: int, facts: Facts) -> Step[O]:
        if not 1 <= grams <= MAX_GRAMS:
            return Step(state, (Show(_NO_WEIGHT, Tone.NO),))
        basket = (state.order or Basket(id=facts.new_id())).model_copy(update={"grams": grams})
        told = Sentence(f"{grams} 克，请输入编号", f"{grams} g: now its number")
        return Step(state.model_copy(update={"order": basket}), (Show(told, Tone.WAIT),))

    def no_order(self, state: O, why: Sentence) -> Step[O]:
        """Nothing waits to be paid any more."""
        return Step(state.cleared("order"), (Show(why, Tone.NO),))

    # What goes with a payment ---------------------------------------------------------------------------------------

    def details(self, state: O, sale: Sale) -> Sale:
        """With the things that were sold."""
        lines = () if state.asked_order is None else state.asked_order.lines
        if not lines:
            return sale
        items = (SoldItem(label=line.label, zh=line.zh, en=line.en, amount_fen=line.amount_fen) for line in lines)
        return sale.model_copy(update={"items": tuple(items)})

    def paid(self, state: O, payment: Payment, facts: Facts) -> Settled:
        """The order is paid."""
        changed, marks = super().paid(state, payment, facts)
        return {**changed, "asked_order": None}, marks

    def undone(self, state: O, payment: Payment, facts: Facts, was_paid: bool) -> Kept[O]:
        """Another card may pay the same order; but guests are their host's, and no bill of who stands behind him."""
        after, marks = super().undone(state, payment, facts, was_paid)
        if was_paid:
            return after, marks
        same = None if state.asked_order is not None and state.asked_order.guests else state.asked_order
        return after.model_copy(update={"order": state.order or same, "asked_order": None}), marks

    def anew(self, state: O) -> O:
        """The cashier types again."""
        return super().anew(state).cleared("order", "asked_order")


def no_such_number(code: str) -> Sentence:
    """The price list has no such thing."""
    return Sentence(f"没有编号 {code}，请重新输入", f"Nothing has the number {code}; please enter it again")
