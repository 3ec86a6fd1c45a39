"""Receipts, in Chinese and English: what the journal has of a sale, and nothing that it has not.

A slip has :data:`WIDTH` columns, in which a Chinese character takes two. Whose money it was stands on no receipt; the
number at its end is the intent's, by which the journal and the platform find the sale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from unicodedata import east_asian_width

from profiles.amounts import yuan
from profiles.counter_state import Sale
from profiles.payers import KIND_WORDS
from profiles.questions import Money
from profiles.reasons import Sentence
from profiles.return_numbers import return_number

WIDTH = 32
_SUBSIDY = Sentence("补贴", "subsidy")


@dataclass(frozen=True, slots=True)
class Receipt:
    """The slip of a sale; ``sold`` is when, in local time. ``copy`` marks one that is printed again."""

    sale: Sale = field(repr=False)
    merchant: str
    sold: datetime
    copy: bool = False

    @property
    def lines(self) -> tuple[str, ...]:
        """See :class:`profiles.paper.Slip`."""
        sale, payment = self.sale, self.sale.payment
        lines = [
            *_head(_both("收据", "Receipt"), self.merchant, sale, self.sold),
            *((_both("*** 副本", "COPY ***"),) if self.copy else ()),
        ]
        for item in sale.items:
            name = _both(item.zh, item.en)
            lines.append(_row(f"{item.label} {name}", item.amount_fen))
        if sale.off_fen:
            list_fen = payment.amount_fen + sale.off_fen
            lines += [_row(_both("原价", "List price"), list_fen), _row(sale.off, -sale.off_fen)]
        lines += [_row(_both("实付", "Paid"), payment.amount_fen), *_shares(payment.funds)]
        if payment.due:
            lines.append(_both(f"请于 {payment.due} 前结清", "Settle by then"))
        if payment.offline:
            lines.append(_both("离线收款", "Sold offline"))
        returned_fen = sum(sale.returned.values())
        if self.copy and returned_fen:
            lines.append(_row(_both("其后已退", "Returned since"), returned_fen))
        return (*lines, *_foot(payment.business_date, payment.shift, payment.intent_id))


@dataclass(frozen=True, slots=True)
class Returned:
    """The slip of what was given back just now, of a sale of this till or, without ``sale``, of another."""

    sale: Sale | None = field(repr=False)
    money: Money
    now: datetime

    @property
    def lines(self) -> tuple[str, ...]:
        """See :class:`profiles.paper.Slip`."""
        sale, money = self.sale, self.money
        lines = [*_head(_both("退款", "Refund"), money.merchant, sale, self.now)]
        lines += [_row(_both("退回", "Given back"), -money.amount_fen), *_shares(money.back().funds)]
        if sale is not None:
            lines.append(_row(_both("此笔余额", "Left of this sale"), sale.left_fen))
        return (*lines, *_foot(money.business_date, money.shift, money.intent_id, is_sale=sale is not None))


def _head(title: str, merchant: str, sale: Sale | None, moment: datetime) -> tuple[str, ...]:
    number = () if sale is None else (_both(f"第 {sale.number} 笔", f"No. {sale.number}"),)
    return (_fit(merchant), title, *number, moment.isoformat(" ", "seconds")[: len("YYYY-MM-DD HH:MM:SS")])


def _shares(funds: Mapping[str, int]) -> list[str]:
    """Who paid what; nothing where the holder's one account paid it all."""
    if set(funds) <= {"account"}:
        return []
    named = ((KIND_WORDS.get(fund, _SUBSIDY), fen) for fund, fen in funds.items())
    return [_row(f"  {_both(word.zh, word.en)}", fen) for word, fen in named]


def _foot(business_date: str, shift: str | None, intent_id: bytes, *, is_sale: bool = True) -> tuple[str, ...]:
    booked = _both("营业日", f"Booked {business_date}") + ("" if shift is None else f" #{shift.rpartition('-')[2]}")
    number = (_both("退款号", f"Refund no. {return_number(intent_id)}"),) if is_sale else ()
    return (booked, *number, intent_id.hex())


def _both(zh: str, en: str) -> str:
    """One line for readers of either language; a name that is the same in both stands there once."""
    return zh if zh == en else f"{zh} {en}"


def _row(label: str, amount_fen: int) -> str:
    """A label, and an amount at the right margin."""
    amount = yuan(amount_fen) if amount_fen >= 0 else f"-{yuan(-amount_fen)}"
    room, wide = WIDTH - len(amount) - 1, _wide(label)
    if len(label) + wide > room:
        label = _fit(label, room)
        wide = _wide(label)
    return f"{label.ljust(room - wide)} {amount}"


def _fit(text: str, width: int = WIDTH) -> str:
    """As much of a text as fits."""
    while len(text) + _wide(text) > width:
        text = text[:-1]
    return text


def _wide(text: str) -> int:
    """How many of its characters take two columns."""
    if text.isascii():
        return 0
    widths = list(map(east_asian_width, text))
    return widths.count("W") + widths.count("F")
