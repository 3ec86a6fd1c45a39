"""A shop's till: promotions that the record names, bills that are paid once, and the account that the holder chose."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from pydantic import ValidationError

from profiles.amounts import AmountProblem, AmountRefused, FunctionKey, KeyPressed
from profiles.api import (
    AmountEntered,
    Ask,
    Assurance,
    Credential,
    Event,
    Kind,
    Presented,
    Record,
    RecordedLate,
    Restarted,
    Show,
    Subject,
)
from profiles.barcodes import Barcode
from profiles.paper import Print
from profiles.person import Person
from profiles.published import Item, Prices, Promotion, Tariff, Window
from profiles.questions import Answered, Authorise, Authorised, Declined, Money, Unanswered
from profiles.reasons import ReasonEnum, Sentence
from profiles.shop import Shop, ShopState
from profiles.shop_reasons import ShopReason, ShopRule
from profiles.shop_settings import ShopSettings
from profiles.trace import OBJECTED
from tests.profiles.facts import NOON_MS, HeldFacts

LI, WANG, OPERATOR = b"l" * 16, b"w" * 16, b"o" * 16
DAY_MS = 86_400_000
TENTH = Promotion("tenth", Window(NOON_MS - 1, NOON_MS + DAY_MS), Sentence("九折", "a tenth off"), percent=10)
FOR_ELDERS = Promotion("elders", TENTH.window, Sentence("敬老", "for elders"), whose="elder", percent=30)
BILL = "8820261128001"
SETTINGS: dict[str, Any] = {
    "merchant": "shop-1",
    "admit": {"everyone": True},
    "price_list": {"bundle": "shop-1"},
    "tariff": "city",
    "bills": {"prefix": "88", "min_digits": 6, "max_digits": 20},
    "operators": {"entitlements": ["cashier"]},
}


class Till:
    """The reducer, its state through the disk after every event, and all that it did."""

    def __init__(self, **changes: Any) -> None:
        self.shop = Shop(ShopSettings.model_validate(SETTINGS | changes))
        self.state = self.shop.idle()
        self.facts = HeldFacts()
        self.facts.price_lists["shop-1"] = Prices("shop-1", 4, {"690": Item("690", Sentence("茶", "Tea"), 1_900)})
        self.facts.tariffs["city"] = Tariff("city", 7, (FOR_ELDERS, TENTH))
        self.journal: list[Record] = []
        self.shown: list[Show] = []
        self.asks: list[Ask] = []
        self.slips: list[Print] = []

    def tell(self, event: Event) -> None:
        step = self.shop.handle(self.state, event, self.facts)
        read = ShopState.model_validate(cbor2.loads(cbor2.dumps(step.state.model_dump())))
        assert read.model_dump() == step.state.model_dump(), "the state does not survive the disk"
        self.state = step.state
        self.facts.keep(step.effects)
        for effect in step.effects:
            match effect:
                case Record():
                    self.journal.append(effect)
                case Show():
                    self.shown.append(effect)
                case Ask():
                    self.asks.append(effect)
                case Print():
                    self.slips.append(effect)

    def key(self, key: FunctionKey, number: int | None = None) -> None:
        self.tell(KeyPressed(key, number))

    def bill(self, digits: str) -> None:
        self.tell(KeyPressed(FunctionKey.BILL, digits=digits))

    def present(self, who: bytes = LI, *entitlements: str) -> None:
        subject = Subject("city", who)
        held = frozenset(entitlements)
        self.tell(Presented(Credential(who, subject, "social-security", Assurance.READ, entitlements=held)))

    def agree(self, **accounts: int) -> None:
        question = self.asks[-1].question
        assert isinstance(question, Authorise)
        answer = Authorised(question.money.intent_id, question.money.amount_fen, accounts=accounts or None)
        self.tell(Answered(self.asks[-1].about, answer))

    def decline(self) -> None:
        self.tell(Answered(self.asks[-1].about, Declined("insufficient-funds")))

    def money(self) -> Money:
        money = self.journal[-1].money
        assert money is not None
        return money

    def asked(self) -> Record:
        """The last record of an intent."""
        return [record for record in self.journal if record.kind is Kind.ASKED][-1]

    def reasons(self) -> list[str]:
        return [record.reason.code for record in self.journal]

    @property
    def said(self) -> str:
        return self.shown[-1].sentence.en


def test_the_record_says_what_it_would_have_cost_and_by_which_promotion_of_which_tariff_it_did_not() -> None:
    till = Till()
    till.tell(Barcode("690"))
    till.present()
    till.agree()
    assert till.said == "Paid: 17.10 yuan; no. 1; 19.00 less 1.90 (a tenth off)"
    assert (till.money().amount_fen, dict(till.money().funds)) == (1_710, {"account": 1_710})
    stated = {"use": "goods", "items": "690", "price_list": "shop-1/4"}
    reduced = {"list_fen": 1_900, "promotion": "tenth", "tariff": "city/7"}
    assert (stated | reduced).items() <= till.asked().public.items()


@pytest.mark.parametrize("by", ["entitlement", "roster"])
def test_whoever_is_entitled_to_more_gets_the_promotion_that_takes_more_off(by: str) -> None:
    till = Till()
    if by == "roster":
        till.facts.people[Subject("city", WANG)] = Person(price_class="elder")
    till.tell(AmountEntered(1_000))
    till.present(WANG, *(["elder"] if by == "entitlement" else []))
    assert till.asked().public["promotion"] == "elders"
    assert till.money().amount_fen == 700


@pytest.mark.parametrize("why", ["not installed", "over", "over before the clock was lost", "no tariff here"])
def test_without_a_promotion_the_price_is_the_price_and_the_trace_says_so(why: str) -> None:
    till = Till(**({"tariff": None} if why == "no tariff here" else {}))
    if why == "not installed":
        till.facts.tariffs.clear()
    if why == "over":
        till.facts.now_ms += DAY_MS
    if why == "over before the clock was lost":
        till.facts.floor_ms = till.facts.now_ms + DAY_MS
    till.tell(AmountEntered(1_000))
    till.present()
    assert till.money().amount_fen == 1_000
    assert not {"promotion", "list_fen", "tariff"} & till.asked().public.keys()
    assert till.asked().trace[-1] == ShopRule.PROMOTION.number | OBJECTED
    till.agree()
    assert till.said == "Paid: 10.00 yuan; no. 1"


def test_a_bill_is_paid_at_its_face_value_and_once() -> None:
    till = Till()
    till.tell(Barcode(BILL))
    till.present()
    assert till.reasons() == ["no-amount"]
    till.tell(AmountEntered(1_840))
    till.present()
    till.agree()
    assert till.money().amount_fen == 1_840
    assert {"use": "utilities", "bill": BILL}.items() <= till.asked().public.items()
    till.tell(Barcode(BILL))
    assert till.reasons()[-1] == "bill-paid"
    assert till.state.order is None


@pytest.mark.parametrize("end", ["declined", "late", "restarted", "voided", "refunded in parts"])
def test_a_bill_of_which_nothing_came_is_open_again(end: str) -> None:
    till = Till()
    till.bill("88000001")
    till.tell(AmountEntered(1_840))
    till.present()
    match end:
        case "declined":
            till.decline()
            till.tell(AmountEntered(0))
        case "late":
            till.agree()
            till.tell(RecordedLate(till.asked().id))
        case "restarted":
            till.tell(Restarted())
        case _:
            till.agree()
            till.key(FunctionKey.OPERATOR)
            till.present(OPERATOR, "cashier")
            if end == "refunded in parts":
                till.key(FunctionKey.REFUND, 1)
                till.tell(AmountEntered(40))
            till.key(FunctionKey.VOID, 1)
    till.bill("88000001")
    assert till.said == "Bill 88000001: please enter its amount"


def test_a_bill_is_the_same_typed_or_scanned() -> None:
    till = Till(bills={"prefix": "00"})
    till.bill("00126000000123456789")
    till.tell(AmountEntered(1_840))
    till.present()
    till.agree()
    assert till.asked().public["bill"] == "00126000000123456789"
    till.tell(Barcode("00126000000123456789"))
    assert till.reasons()[-1] == "bill-paid"
    till.bill("126000000123456789")
    assert till.said == "Bill 126000000123456789: please enter its amount", "another one"


def test_a_second_till_takes_no_bill_that_is_being_paid() -> None:
    till, other = Till(), Till()
    other.facts = till.facts
    for each in (till, other):
        each.bill("88000001")
        each.tell(AmountEntered(1_840))
    till.present()
    other.present(WANG)
    assert other.reasons() == ["bill-paid"]


def test_another_card_may_pay_the_bill_that_one_could_not() -> None:
    till = Till()
    till.tell(Barcode(BILL))
    till.tell(AmountEntered(1_840))
    till.present()
    till.decline()
    till.present(WANG)
    till.agree()
    assert (till.journal[-1].subject, till.asked().public["bill"]) == (Subject("city", WANG), BILL)


ACCOUNTS = {
    "order": [{"kind": "account", "offline_fen": 2_000}, {"kind": "wallet"}, {"kind": "bank", "uses": ["goods"]}]
}


def offered(till: Till) -> list[str]:
    question = till.asks[-1].question
    assert isinstance(question, Authorise)
    return [kind for kind, _ in question.accounts]


def test_the_holder_says_which_account_goes_first_and_the_rules_which_may() -> None:
    till = Till(accounts=ACCOUNTS, tariff=None)
    till.tell(AmountEntered(1_000))
    till.key(FunctionKey.ACCOUNT, 3)
    assert till.said == "Pays first: bank"
    till.present()
    assert offered(till) == ["bank", "account", "wallet"]
    till.agree(bank=600, account=400)
    assert dict(till.money().funds) == {"bank": 600, "account": 400}
    till.tell(Barcode(BILL))
    till.tell(AmountEntered(1_000))
    till.key(FunctionKey.ACCOUNT, 2)
    till.present()
    assert offered(till) == ["wallet", "account"], "a bank account does not pay bills here"
    till.tell(Unanswered(till.asks[-1].about))
    assert dict(till.money().funds) == {"account": 1_000}, "offline the first that may"


@pytest.mark.parametrize("number", [None, 0, 4])
def test_an_account_that_is_not_there_is_not_chosen(number: int | None) -> None:
    till = Till(accounts=ACCOUNTS)
    till.tell(AmountEntered(1_000))
    till.key(FunctionKey.ACCOUNT, number)
    assert till.said == "There is no such account; please choose again"


def test_where_no_account_may_pay_the_holder_is_told_so() -> None:
    till = Till(accounts={"order": [{"kind": "bank", "uses": ["goods"]}]})
    till.tell(Barcode(BILL))
    till.tell(AmountEntered(1_000))
    till.present()
    assert till.reasons() == ["no-account-here"]


def test_an_order_is_things_or_an_amount_or_a_bill_and_never_two_of_them() -> None:
    till = Till()
    till.tell(Barcode("690"))
    till.tell(AmountEntered(500))
    assert till.said.startswith("There are things in the order")
    till.tell(Barcode(BILL))
    assert till.said.startswith("There are things in the order")
    till.tell(AmountEntered(0))
    till.tell(AmountEntered(500))
    till.tell(Barcode("690"))
    assert till.said == "Please pay 5.00 yuan"
    till.tell(Barcode(BILL))
    till.tell(Barcode("690"))
    assert till.said == f"Bill {BILL}: please enter its amount"
    till.tell(AmountRefused(AmountProblem.UNREADABLE))
    assert till.state.order is None


@pytest.mark.parametrize(
    ("text", "symbology", "read"),
    [
        ("6901234567892", "ean-13", Barcode("6901234567892")),
        ("6901234567892", "serial", Barcode("6901234567892")),
        (BILL, "code-128", Barcode(BILL)),
        ("88" + "0" * 18, "serial", Barcode("88" + "0" * 18)),
        ("1" * 15, "serial", None),
        ("1" * 15, "code-128", ShopReason.NO_SUCH_BARCODE),
        ("ABC-1", "code-39", ShopReason.NO_SUCH_BARCODE),
        ("EC1:ABC", "code-128", ShopReason.CODE_AS_BARCODE),
        ("EC1:ABC", "qr", None),
        ("٣٣٣", "serial", None),
        ("", "serial", None),
    ],
)
def test_a_barcode_is_told_from_a_persons_code(text: str, symbology: str, read: Barcode | ReasonEnum | None) -> None:
    assert Till().shop.barcode(text, symbology) == read


@pytest.mark.parametrize("number", ["", "0", "12345", "1" * 21])
def test_a_bills_number_has_its_length(number: str) -> None:
    till = Till()
    till.bill(number)
    assert till.said == "A bill's number is not so long; please enter it again"


def test_where_no_bills_are_paid_the_key_does_nothing() -> None:
    till = Till(bills=None)
    till.bill("88000001")
    assert till.said == "This till has no such function; please choose another key"


@pytest.mark.parametrize(
    "changes", [{"tariff": "City"}, {"bills": {"min_digits": 9, "max_digits": 8}}, {"bills": {"prefix": "A"}}]
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ShopSettings.model_validate(SETTINGS | changes)
