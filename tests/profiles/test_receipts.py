"""Receipts: what the journal has of a sale and nothing else, once, and again only as a copy."""

from __future__ import annotations

import threading
from pathlib import Path

from drivers.printer import BEGIN, CUT, PrinterSettings, TextPrinter
from drivers.virtual.pty import VirtualPort
from profiles.amounts import FunctionKey, KeyPressed, yuan
from profiles.api import Record, RecordedLate
from profiles.barcodes import Barcode
from profiles.paper import MAX_LINES, NotPrinted, Print
from profiles.published import Item, Per, Prices
from profiles.questions import Unanswered
from profiles.reasons import Sentence
from profiles.receipts import WIDTH
from profiles.return_numbers import return_number
from tests.profiles.canteens import Lane
from tests.profiles.test_shop import ACCOUNTS, OPERATOR, Till


class Printing(Till):
    """A shop with a printer."""

    def sell(self) -> None:
        """A packet of tea, at a tenth less."""
        self.tell(Barcode("690"))
        self.present()
        self.agree()

    def sign(self) -> None:
        self.key(FunctionKey.OPERATOR)
        self.present(OPERATOR, "cashier")


def amounts(slip: Print) -> dict[str, str]:
    """Every label of a slip with its amount."""
    rows = (line.rsplit(maxsplit=1) for line in slip.slip.lines)
    return {row[0].strip(): row[1] for row in rows if len(row) == 2 and "." in row[1]}


def test_a_receipt_says_what_the_record_of_the_payment_says() -> None:
    till = Printing()
    till.sell()
    (slip,) = till.slips
    money, asked = till.money(), till.asked()
    assert amounts(slip) == {
        "690 茶 Tea": yuan(int(asked.public["list_fen"])),
        "原价 List price": yuan(int(asked.public["list_fen"])),
        "九折 a tenth off": f"-{yuan(int(asked.public['list_fen']) - money.amount_fen)}",
        "实付 Paid": yuan(money.amount_fen),
    }
    assert slip.slip.lines[:2] == (money.merchant, "收据 Receipt")
    assert slip.slip.lines[3] == "2026-11-23 12:00:00"
    assert slip.slip.lines[-1] == money.intent_id.hex()
    assert money.business_date in slip.slip.lines[-3]
    assert slip.slip.lines[-2] == f"退款号 Refund no. {return_number(money.intent_id)}"
    assert slip.about == till.journal[-1].id, "nothing is printed before this record is on the disk"


def test_a_receipt_says_which_accounts_paid_and_that_nobody_was_asked() -> None:
    till = Printing(accounts=ACCOUNTS, tariff=None)
    till.tell(Barcode("690"))
    till.present()
    till.agree(wallet=900, account=1_000)
    assert {"钱包 wallet": "9.00", "账户 account": "10.00", "实付 Paid": "19.00"}.items() <= amounts(
        till.slips[-1]
    ).items()
    till.tell(Barcode("690"))
    till.present()
    till.tell(Unanswered(till.asks[-1].about))
    assert "离线收款 Sold offline" in till.slips[-1].slip.lines


def test_no_card_and_no_person_stands_on_a_receipt() -> None:
    till = Printing()
    till.sell()
    text = "\n".join(till.slips[0].slip.lines)
    subject = till.journal[-1].subject
    assert subject is not None
    assert subject.id.hex() not in text
    assert subject.id.decode() not in text


def test_a_copy_is_marked_and_recorded_and_else_the_same_receipt() -> None:
    till = Printing()
    till.sell()
    till.facts.now_ms += 3_600_000
    till.key(FunctionKey.RECEIPT)
    first, copy = till.slips
    marked = list(copy.slip.lines)
    marked.remove("*** 副本 COPY ***")
    assert tuple(marked) == first.slip.lines
    assert (till.reasons()[-1], till.journal[-1].refers_to) == ("receipt-copied", till.asked().id)
    till.key(FunctionKey.RECEIPT, 7)
    assert till.reasons()[-1] == "sale-unknown"
    assert len(till.slips) == 2


def test_what_is_given_back_is_on_paper_too_and_on_later_copies() -> None:
    till = Printing()
    till.sell()
    till.sign()
    till.key(FunctionKey.REFUND, 1)
    till.tell(KeyPressed(FunctionKey.SALES))
    till.key(FunctionKey.VOID, 1)
    slip = till.slips[-1]
    assert slip.slip.lines[1] == "退款 Refund"
    assert amounts(slip) == {"退回 Given back": "17.10", "此笔余额 Left of this sale": "0.00"}
    till.key(FunctionKey.RECEIPT, 1)
    assert amounts(till.slips[-1])["其后已退 Returned since"] == "17.10"


def test_a_payment_that_came_to_nothing_prints_nothing_more() -> None:
    till = Printing()
    till.tell(Barcode("690"))
    till.present()
    till.decline()
    assert till.slips == []
    till.present()
    till.agree()
    till.tell(RecordedLate(till.asked().id))
    assert len(till.slips) == 1, "its own slip was never carried out: the record came too late"
    assert isinstance(till.journal[-1], Record)


def test_without_paper_the_cashier_hears_what_to_do_and_the_sale_stands() -> None:
    till = Printing()
    till.sell()
    till.tell(NotPrinted(till.slips[0].about, "not-found"))
    assert till.said == "The receipt was not printed: see to the printer, then press the receipt key"
    assert till.state.sold == 1


def test_where_receipts_are_not_wanted_there_are_none() -> None:
    till = Printing(receipts=False)
    till.sell()
    till.key(FunctionKey.RECEIPT)
    assert till.slips == []
    assert till.said == "This till has no such function; please choose another key"


def test_the_longest_receipt_fits_its_paper_and_only_the_latest_sales_keep_their_lines() -> None:
    lane = Lane(pricing="dishes", price_list={"bundle": "canteen-1"})
    name = Sentence("饭" * 32, "R" * 32)
    lane.facts.price_lists["canteen-1"] = Prices("canteen-1", 1, {"9" * 14: Item("9" * 14, name, 1, Per.PIECE)})
    for number in range(7):
        for _ in range(40):
            lane.tell(Barcode("0"))
            lane.state = lane.canteen.add_item(lane.state, "9" * 14, lane.facts).state
        lane.present(bytes([number]) * 16)
        lane.agree()
    assert [len(sale.items) for sale in lane.state.sales] == [0, 0, 40, 40, 40, 40, 40]
    slips = lane.canteen.handle(lane.state, KeyPressed(FunctionKey.RECEIPT), lane.facts).effects
    (slip,) = (effect for effect in slips if isinstance(effect, Print))
    assert all(sum(2 if ord(each) > 0x2E80 else 1 for each in line) <= WIDTH for line in slip.slip.lines)
    assert len(slip.slip.lines) <= MAX_LINES


def test_a_printer_on_a_serial_line_gets_every_character_of_a_receipt(tmp_path: Path) -> None:
    till = Printing()
    till.sell()
    received, arrived = bytearray(), threading.Event()

    def hear(data: bytes) -> None:
        received.extend(data)
        if received.endswith(CUT):
            arrived.set()

    port = VirtualPort(tmp_path / "printer", hear)
    port.plug()
    printer = TextPrinter("printer", PrinterSettings(port=str(port.path)))
    printer.open()
    printer.print_lines(till.slips[0].slip.lines)
    assert arrived.wait(20.0)
    printer.close()
    port.unplug()
    text = bytes(received).removeprefix(BEGIN).removesuffix(CUT).decode("gb18030")
    assert tuple(text.splitlines()) == till.slips[0].slip.lines
