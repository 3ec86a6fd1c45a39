"""The connection to a library's system, over real TCP, with a system that answers well, badly, and not at all."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from agent.sip2.errors import Sip2Error, Sip2Fault
from agent.sip2.line import checksum
from agent.sip2.link import Sip2Link
from agent.sip2.messages import (
    AcsStatus,
    Checkout,
    CheckoutResponse,
    ItemInformation,
    ItemInformationResponse,
    ScStatus,
)
from drivers.virtual.library import Send, VirtualLibrary

AT = datetime(2026, 11, 26, 12, 30, 0)  # noqa: DTZ001 -- SIP2's local time
BOOK = "310000000001"
PATIENCE_S = 20.0
CHECKOUT = Checkout(
    renewal_policy=False, no_block=False, transaction_date=AT, no_block_due_date=None,
    institution="city", patron="p1", item=BOOK,
)  # fmt: skip


@pytest.fixture
def library(tmp_path: Path) -> Iterator[VirtualLibrary]:
    library = VirtualLibrary(tmp_path / "sip2.address")
    library.plug()
    yield library
    library.unplug()


async def connected(library: VirtualLibrary, *, encoding: str = "utf-8", checked: bool = True) -> Sip2Link:
    return await Sip2Link.open(("127.0.0.1", library.port), encoding, PATIENCE_S, checked=checked)


async def status(link: Sip2Link, deadline_s: float = PATIENCE_S) -> AcsStatus:
    return await link.ask(ScStatus(), AcsStatus, deadline_s)


async def fault_of(link: Sip2Link, deadline_s: float = PATIENCE_S) -> Sip2Fault:
    """Ask, and say why nothing came of it; the connection must have ended with that."""
    with pytest.raises(Sip2Error) as raised:
        await link.ask(CHECKOUT, CheckoutResponse, deadline_s)
    assert not link.is_open
    await link.wait_closed()
    return raised.value.fault


def once(wrong: Send) -> Send:
    """Answer wrongly the first time."""
    first = [True]

    def send(link: socket.socket, answer: bytes) -> None:
        if first[0]:
            first[0] = False
            wrong(link, answer)
        else:
            link.sendall(answer)

    return send


def with_sequence(answer: bytes, digit: bytes) -> bytes:
    body = answer[:-1][:-9] + b"AY" + digit + b"AZ"
    return body + checksum(body) + b"\r"


def off_by_one(answer: bytes) -> bytes:
    return answer[:5] + bytes([answer[5] ^ 1]) + answer[6:]


async def test_an_item_is_charged_and_asked_about_and_more_than_ten_questions_go_round(library: VirtualLibrary) -> None:
    link = await connected(library)
    charged = await link.ask(CHECKOUT, CheckoutResponse, PATIENCE_S)
    assert (charged.ok, charged.title, charged.desensitize) == (True, "红楼梦", True)
    for _ in range(25):
        item = await link.ask(ItemInformation(AT, "city", BOOK), ItemInformationResponse, PATIENCE_S)
        assert item.circulation_status == "04"
    link.close()
    await link.wait_closed()
    assert [move.act for move in library.shelves.moves] == ["out"]


async def test_without_error_detection_neither_number_nor_checksum_is_sent_or_wanted(library: VirtualLibrary) -> None:
    link = await connected(library, checked=False)
    assert (await status(link)).on_line
    link.close()
    await link.wait_closed()


async def test_answers_that_come_a_byte_at_a_time_are_whole_in_the_end(library: VirtualLibrary) -> None:
    def slowly(link: socket.socket, answer: bytes) -> None:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(len(answer)):
            link.sendall(answer[place : place + 1])

    library.send = slowly
    link = await connected(library)
    assert (await link.ask(CHECKOUT, CheckoutResponse, PATIENCE_S)).ok
    link.close()
    await link.wait_closed()


async def test_an_answer_with_a_wrong_checksum_is_asked_for_again_and_nothing_is_done_twice(
    library: VirtualLibrary,
) -> None:
    library.send = once(lambda link, answer: link.sendall(off_by_one(answer)))
    link = await connected(library)
    assert (await link.ask(CHECKOUT, CheckoutResponse, PATIENCE_S)).ok
    assert len(library.shelves.moves) == 1
    link.close()
    await link.wait_closed()


async def test_checksums_that_stay_wrong_end_the_connection(library: VirtualLibrary) -> None:
    library.send = lambda link, answer: link.sendall(off_by_one(answer))
    assert await fault_of(await connected(library)) is Sip2Fault.CHECKSUM
    assert len(library.shelves.moves) == 1


async def test_the_system_may_ask_for_the_question_again(library: VirtualLibrary) -> None:
    library.send = once(lambda link, answer: link.sendall(b"96AZFEF6\r"))
    link = await connected(library)
    assert (await link.ask(CHECKOUT, CheckoutResponse, PATIENCE_S)).ok
    assert len(library.shelves.moves) == 1, "the same number is the same question"
    link.close()
    await link.wait_closed()


async def test_a_late_answer_with_another_number_is_skipped(library: VirtualLibrary) -> None:
    library.send = once(lambda link, answer: link.sendall(with_sequence(answer, b"7") + answer))
    link = await connected(library)
    assert (await link.ask(CHECKOUT, CheckoutResponse, PATIENCE_S)).ok
    link.close()
    await link.wait_closed()


async def test_a_system_that_answers_other_numbers_only_is_left(library: VirtualLibrary) -> None:
    library.send = lambda link, answer: link.sendall(with_sequence(answer, b"7") * 5)
    assert await fault_of(await connected(library)) is Sip2Fault.SEQUENCE


async def test_an_answer_without_a_checksum_is_no_answer_where_they_were_agreed(library: VirtualLibrary) -> None:
    library.send = lambda link, answer: link.sendall((answer[:-7] + b"\r") * 5)
    assert await fault_of(await connected(library)) is Sip2Fault.SEQUENCE


async def test_a_system_that_stops_in_mid_answer_is_waited_for_until_the_deadline(library: VirtualLibrary) -> None:
    library.send = lambda link, answer: link.sendall(answer[:20])
    assert await fault_of(await connected(library), deadline_s=0.3) is Sip2Fault.SILENT


async def test_a_system_that_breaks_off_in_mid_answer_is_gone_at_once(library: VirtualLibrary) -> None:
    def break_off(link: socket.socket, answer: bytes) -> None:
        link.sendall(answer[:20])
        link.shutdown(socket.SHUT_RDWR)

    library.send = break_off
    assert await fault_of(await connected(library)) is Sip2Fault.CLOSED


async def test_a_megabyte_without_an_end_is_not_read(library: VirtualLibrary) -> None:
    library.send = lambda link, answer: link.sendall(b"12" + b"x" * 1_048_576)
    assert await fault_of(await connected(library)) is Sip2Fault.TOO_LONG


async def test_an_answer_to_another_question_is_refused(library: VirtualLibrary) -> None:
    def about_something_else(link: socket.socket, answer: bytes) -> None:
        link.sendall(with_sequence(b"36Y20261126    120000AO|AAp1|" + b"AY0AZ0000\r", b"0"))

    library.send = about_something_else
    assert await fault_of(await connected(library)) is Sip2Fault.UNEXPECTED


async def test_a_port_where_nobody_listens_is_unreachable(library: VirtualLibrary) -> None:
    library.unplug()
    with pytest.raises(Sip2Error) as raised:
        await connected(library)
    assert raised.value.fault is Sip2Fault.UNREACHABLE


async def test_over_a_line_that_spoils_answers_at_random_each_question_has_its_own_answer_or_none(
    library: VirtualLibrary,
) -> None:
    chance = random.Random(20261126)
    faults: set[Sip2Fault] = set()
    books = list(library.shelves.items)[:8]

    def spoil(link: socket.socket, answer: bytes) -> None:
        place = chance.randrange(len(answer))
        match chance.randrange(6):
            case 0:
                answer = answer[:place] + bytes([chance.randrange(256)]) + answer[place + 1 :]
            case 1:
                answer = bytes(chance.choices(range(256), k=40)) + b"\r" + answer
            case 2:
                link.sendall(answer[:place])
                link.shutdown(socket.SHUT_RDWR)
                return
            case 3:
                answer = with_sequence(answer, b"%d" % chance.randrange(10)) + answer
        link.sendall(answer)

    library.send = spoil
    link = await connected(library)
    answered = 0
    for _ in range(300):
        if not link.is_open:
            await link.wait_closed()
            link = await connected(library)
        book = chance.choice(books)
        try:
            item = await link.ask(ItemInformation(AT, "city", book), ItemInformationResponse, 0.3)
        except Sip2Error as error:
            faults.add(error.fault)
        else:
            answered += 1
            assert item.item == book
    link.close()
    await link.wait_closed()
    assert answered > 100
    assert {Sip2Fault.CLOSED, Sip2Fault.MALFORMED} <= faults
