"""What a cashier types: amounts, their range and what is said when one is none; and function keys."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

from profiles.reasons import Sentence

MAX_AMOUNT_FEN = 10_000_000


def yuan(amount_fen: int) -> str:
    """``1250`` → ``12.50``."""
    return f"{amount_fen // 100}.{amount_fen % 100:02d}"


_MAX_YUAN = yuan(MAX_AMOUNT_FEN)


class AmountProblem(Enum):
    """Why what was typed is no amount, with the sentence for whoever typed it."""

    UNREADABLE = (
        f"金额不可用：请输入 0.01 至 {_MAX_YUAN} 元，最多两位小数",
        f"This is no amount: please enter 0.01 to {_MAX_YUAN} yuan, with at most two decimals",
    )
    TOO_MUCH = (
        f"金额过大：最多 {_MAX_YUAN} 元，请重新输入",
        f"This is too much: at most {_MAX_YUAN} yuan; please enter it again",
    )

    @property
    def sentence(self) -> Sentence:
        """For the screen."""
        return Sentence(*self.value)


class FunctionKey(StrEnum):
    """What a cashier can say beside amounts."""

    DISH = "dish"
    WEIGHT = "weight"
    GUESTS = "guests"
    PAY = "pay"
    SALES = "sales"
    RECEIPT = "receipt"
    VOID = "void"
    REFUND = "refund"
    OPERATOR = "operator"
    SHIFT = "shift"
    STATION = "station"
    CHECK = "check"
    NEXT = "next"
    ACCOUNT = "account"
    BILL = "bill"
    REGISTER = "register"
    MEDICINE = "medicine"
    SETTLE = "settle"
    ASSIST = "assist"


NO_SUCH_KEY = Sentence("此处没有这个功能，请选择其他键", "This till has no such function; please choose another key")
NOTHING_DUE = Sentence("没有应付金额，请重新输入", "Nothing is to be paid now; please enter it again")


def due(amount_fen: int) -> Sentence:
    """What is to be paid."""
    return Sentence(f"请付款 {yuan(amount_fen)} 元", f"Please pay {yuan(amount_fen)} yuan")


@dataclass(frozen=True, slots=True)
class AmountRefused:
    """The cashier typed what is no amount."""

    problem: AmountProblem


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """The cashier pressed a function key, after a number or none. Scenes without such a key make nothing of it."""

    key: FunctionKey
    number: int | None = None
    digits: str = ""
    """Of a number that is a name, a bill's: as they were typed, with the zeros before it."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """What lies still on the scale, in grams; it is said again while it lies there."""

    grams: int


Typed = AmountRefused | KeyPressed
