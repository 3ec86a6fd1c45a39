"""Shop and utilities (商店与公用事业缴费): things and amounts at a till, promotions, bills, and the account that pays.

The cashier types an amount, adds things of the price list by number or barcode, or enters a bill's number and its
amount. Whoever presents a card next passes the rules in this order, the first that fails refuses: assurance, admission,
schedule, somebody else still paying, a cashier where one has to be there, an amount, a bill not paid before, an account
that may pay. Whether a promotion fits refuses nobody: of a signed tariff's the one that takes most off counts, and its
id, the tariff's version and the list price stand in the record of the intent. A bill is paid at its face value.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from profiles.amounts import NOTHING_DUE, AmountRefused, FunctionKey, KeyPressed, due, yuan
from profiles.api import (
    AmountEntered,
    Credential,
    Event,
    Facts,
    Mark,
    Presented,
    ProfileSettings,
    Show,
    State,
    Step,
    Tone,
)
from profiles.barcodes import ONE_DIMENSIONAL, Barcode
from profiles.basket import NO_ORDER, Basket
from profiles.counter_reasons import CounterReason
from profiles.counter_state import Sale
from profiles.ordering import Ordering, OrderState
from profiles.payers import KIND_WORDS, Payers
from profiles.payment import Bill, Kept, Payment
from profiles.payment_reasons import PaymentReason
from profiles.published import Promotion
from profiles.reasons import ReasonEnum, Sentence
from profiles.rules.bills import PaidOnce
from profiles.rules.funds import ACCOUNT, AccountKind
from profiles.shop_reasons import ShopReason, ShopRule
from profiles.shop_settings import GOODS, UTILITIES, ShopSettings
from profiles.trace import Asked, Rule, RuleEnum, judge

BILLS = PaidOnce("shop.bill", 400 * 86_400_000)
MAX_ITEM_DIGITS = 14
_CODE_PREFIXES = ("EC1:", "HC1:")
_THINGS_FIRST = Sentence(
    "已有商品，请先收款（按 0 取消）",
    "There are things in the order; please let them be paid first (0 takes them back)",
)
_NO_BILL = Sentence("账单编号的位数不对，请重新输入", "A bill's number is not so long; please enter it again")
_NO_SUCH_ACCOUNT = Sentence("没有这个账户，请重新选择", "There is no such account; please choose again")


class Deal(State):
    """What a promotion takes off, for the screen."""

    zh: str
    en: str
    off_fen: int


class ShopState(OrderState):
    """State of one shop till, saved with every record."""

    deal: Deal | None = Field(default=None, description="of the intent that was asked about last")


class Shop(Ordering[ShopState]):
    """The shop's reducer."""

    name: ClassVar[str] = "shop"
    Settings: ClassVar[type[ProfileSettings]] = ShopSettings
    State: ClassVar[type[State]] = ShopState
    wants: ClassVar[frozenset[str]] = frozenset()
    rules: ClassVar[type[RuleEnum]] = ShopRule

    def __init__(self, settings: ShopSettings) -> None:
        super().__init__(settings)
        self._settings = settings

    def idle(self) -> ShopState:
        """Nobody is paying."""
        return ShopState()

    def barcode(self, text: str, symbology: str) -> Barcode | ReasonEnum | None:
        """A thing's or a bill's number, told from a person's code; see :class:`profiles.barcodes.ReadsBarcodes`."""
        is_number = text.isascii() and text.isdigit()
        if is_number and (len(text) <= MAX_ITEM_DIGITS or self._is_bill(text)):
            return Barcode(text)
        if symbology not in ONE_DIMENSIONAL:
            return None
        return ShopReason.CODE_AS_BARCODE if text.startswith(_CODE_PREFIXES) else ShopReason.NO_SUCH_BARCODE

    def serve(self, state: ShopState, event: Event, facts: Facts) -> Step[ShopState]:
        """What comes to this counter, and what all counters make of the rest."""
        match event:
            case Presented(credential):
                step = self._presented(state, credential, facts)
                return step.led_by(self._settings.schedule.warning(facts))
            case AmountEntered(amount_fen):
                return self._entered(state, amount_fen, facts)
            case AmountRefused(problem):
                return self.no_order(state, problem.sentence)
            case Barcode(number) if self._is_bill(number):
                return self._bill(state, number, facts)
            case Barcode(number):
                return self.add_item(state, number, facts)
            case KeyPressed(FunctionKey.BILL, _, digits) if self._settings.bills is not None:
                return self._bill(state, digits, facts)
            case KeyPressed(FunctionKey.ACCOUNT, number) if self._settings.accounts is not None:
                return self._choose(state, number, facts)
            case _:
                return super().serve(state, event, facts)

    # What the cashier types -----------------------------------------------------------------------------------------

    def _entered(self, state: ShopState, amount_fen: int, facts: Facts) -> Step[ShopState]:
        """The amount for whoever pays next, of the bill if one was named; 0 takes everything back."""
        if amount_fen == 0:
            return self.no_order(state, NOTHING_DUE)
        order = state.order or Basket(id=facts.new_id())
        if order.lines:
            return Step(state, (Show(_THINGS_FIRST, Tone.NO),))
        typed = order.model_copy(update={"amount_fen": amount_fen})
        return Step(state.model_copy(update={"order": typed}), (Show(due(amount_fen), Tone.WAIT),))

    def add_item(self, state: ShopState, code: str, facts: Facts) -> Step[ShopState]:
        """One thing more; not onto an amount that was typed, nor onto a bill."""
        order = state.order
        if order is not None and not order.lines and (order.amount_fen or order.bill):
            return Step(state, (Show(due(order.amount_fen) if order.amount_fen else _amount_of(order.bill), Tone.NO),))
        return super().add_item(state, code, facts)

    def _is_bill(self, number: str) -> bool:
        return self._settings.bills is not None and self._settings.bills.is_scanned(number)

    def _bill(self, state: ShopState, number: str, facts: Facts) -> Step[ShopState]:
        """A bill begins an order of its own."""
        if self._settings.bills is None or not self._settings.bills.fits(number):
            return Step(state, (Show(_NO_BILL, Tone.NO),))
        if state.order is not None and state.order.lines:
            return Step(state, (Show(_THINGS_FIRST, Tone.NO),))
        if not BILLS.is_open(number, facts):
            return self.refuse(state.cleared("order"), facts, ShopReason.BILL_PAID)
        order = Basket(id=facts.new_id(), bill=number)
        return Step(state.model_copy(update={"order": order}), (Show(_amount_of(number), Tone.WAIT),))

    def _choose(self, state: ShopState, number: int | None, facts: Facts) -> Step[ShopState]:
        """The holder's choice of the account that goes first."""
        accounts = self._settings.accounts
        first = None if accounts is None else accounts.chosen(number)
        if first is None:
            return Step(state, (Show(_NO_SUCH_ACCOUNT, Tone.NO),))
        order = (state.order or Basket(id=facts.new_id())).model_copy(update={"first": first.value})
        word = KIND_WORDS[first]
        told = Sentence(f"先用：{word.zh}", f"Pays first: {word.en}")
        return Step(state.model_copy(update={"order": order}), (Show(told, Tone.WAIT),))

    # Who may pay ----------------------------------------------------------------------------------------------------

    def _presented(self, state: ShopState, credential: Credential, facts: Facts) -> Step[ShopState]:
        if state.asking is not None and state.asking.medium == credential.medium:
            return Step(state, (Show(PaymentReason.ASKED.citizen, Tone.WAIT),))
        order = state.order or NO_ORDER
        payers = self._payers(order, credential, facts)
        verdict = judge(self._rules(state, credential, order, payers, facts))
        if verdict.refusal is not None:
            return self.refuse(state, facts, verdict.refusal, credential.medium, credential.subject, verdict.trace)
        promotion = self._promotion(order, credential, facts)
        trace = judge([(ShopRule.PROMOTION, promotion is not None, None)], verdict.trace).trace
        state, records = self.in_shift(state, self.business_date(facts), facts)
        off_fen = 0 if promotion is None else promotion.discount_fen(order.amount_fen)
        bill = Bill(
            amount_fen=order.amount_fen - off_fen,
            **self.booked(state),
            funds={} if payers is not None else {ACCOUNT: order.amount_fen - off_fen},
            payers=payers,
            number=order.bill,
        )
        deal = None if promotion is None else Deal(zh=promotion.name.zh, en=promotion.name.en, off_fen=off_fen)
        before = state.model_copy(update={"order": None, "asked_order": state.order, "deal": deal})
        public: dict[str, str | int | bool] = {"use": _use(order), **order.public()}
        public |= self._reduced(order, promotion, facts)
        step = self.ask(before, credential, bill, trace, facts, public, BILLS.taken(order.bill, facts))
        return step.led_by(records)

    def _rules(
        self, state: ShopState, credential: Credential, order: Basket, payers: Payers | None, facts: Facts
    ) -> Iterator[Asked]:
        yield from self.admission(state, credential, facts)
        yield ShopRule.ATTENDED, self.is_attended(state), CounterReason.NOBODY_AT_THE_TILL
        yield Rule.AMOUNT, order.amount_fen > 0, PaymentReason.NO_AMOUNT
        if order.bill:
            yield ShopRule.BILL_OPEN, BILLS.is_open(order.bill, facts), ShopReason.BILL_PAID
        if payers is not None:
            yield ShopRule.ACCOUNTS, bool(payers.offers), ShopReason.NO_ACCOUNT_HERE

    def _payers(self, order: Basket, credential: Credential, facts: Facts) -> Payers | None:
        accounts = self._settings.accounts
        return (
            None
            if accounts is None
            else Payers.of(accounts, credential, _use(order), facts, AccountKind(order.first) if order.first else None)
        )

    def _promotion(self, order: Basket, credential: Credential, facts: Facts) -> Promotion | None:
        name = self._settings.tariff
        tariff = None if name is None or order.bill else facts.tariff(name)
        if tariff is None:
            return None
        person = facts.person(credential.subject)
        classes = credential.entitlements | ({person.price_class} if person is not None else frozenset())
        return tariff.promotion(order.amount_fen, classes, facts.least_ms)

    def _reduced(self, order: Basket, promotion: Promotion | None, facts: Facts) -> dict[str, str | int | bool]:
        """What the record says of a promotion: what the purchase costs without it, which one, and of which version."""
        tariff = None if self._settings.tariff is None else facts.tariff(self._settings.tariff)
        if promotion is None or tariff is None:
            return {}
        return {
            "list_fen": order.amount_fen,
            "promotion": promotion.id,
            "tariff": f"{tariff.name}/{tariff.version}",
        }

    # What goes with a payment ---------------------------------------------------------------------------------------

    def said(self, state: ShopState, what: Sentence, payment: Payment) -> Sentence:
        """With what was taken off."""
        told, deal = super().said(state, what, payment), state.deal
        if deal is None:
            return told
        list_price, off = yuan(payment.amount_fen + deal.off_fen), yuan(deal.off_fen)
        return Sentence(
            f"{told.zh}；原价 {list_price}，{deal.zh}减 {off}", f"{told.en}; {list_price} less {off} ({deal.en})"
        )

    def details(self, state: ShopState, sale: Sale) -> Sale:
        """With what was taken off."""
        told, deal = super().details(state, sale), state.deal
        if deal is None:
            return told
        return told.model_copy(update={"off": f"{deal.zh} {deal.en}", "off_fen": deal.off_fen})

    def undone(self, state: ShopState, payment: Payment, facts: Facts, was_paid: bool) -> Kept[ShopState]:
        """A bill of which nothing came is open again."""
        after, marks = super().undone(state, payment, facts, was_paid)
        return after, marks if was_paid else (*marks, *BILLS.opened(payment.number, facts))

    def unsold(self, payment: Payment, facts: Facts) -> tuple[Mark, ...]:
        """So is one that was paid and went back."""
        return BILLS.opened(payment.number, facts)


def _use(order: Basket) -> str:
    return UTILITIES if order.bill else GOODS


def _amount_of(number: str) -> Sentence:
    return Sentence(f"账单 {number}：请输入金额", f"Bill {number}: please enter its amount")
