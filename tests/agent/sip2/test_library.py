"""The library's system as lanes have it: answers in closed words, and silence at once while it is away or behind."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest

from agent.backoff import Backoff
from agent.clock import RecordIds
from agent.config import ConfigError, parse
from agent.devices import DeviceState
from agent.sip2.errors import Sip2Error, Sip2Fault
from agent.sip2.library import Library
from agent.sip2.settings import LibraryConfig
from agent.sip2.system import LibrarySystem, due_ms, fen
from agent.sip2.upload import Uploader
from drivers.virtual.bench import LIBRARY_FILE
from drivers.virtual.library import Send, VirtualLibrary, VirtualPatron
from drivers.virtual.place import virtual_dir
from offline_store.journal import Append, Journal
from offline_store.loans import Loan, waiting
from offline_store.writer import InlineWriter
from profiles.loans import (
    Account,
    Act,
    AskLibrary,
    Block,
    Cause,
    ClosePatron,
    Demand,
    Done,
    Handle,
    LibraryAnswer,
    LibraryAnswered,
    LibrarySilent,
    NotDone,
    OpenPatron,
)
from tests.agent.sip2.held_clock import HeldClock
from tests.agent.sip2.test_upload import AT_MS, CHINA, LI, book, row
from tests.offline_store.parts import BOOT_ID, SeededRandom, SteppingClock
from tools.cli.presets import preset_text

WAIT_S = 20.0
REFERENCE, RESERVED = "310000000090", "310000000091"


@pytest.fixture
def virtual(tmp_path: Path) -> VirtualLibrary:
    return VirtualLibrary(tmp_path / "sip2.address")


def settings(virtual: VirtualLibrary, **changes: object) -> LibraryConfig:
    fields: dict[str, object] = {"address": str(virtual.path), "institution": "city", "deadline_ms": 5_000}
    return LibraryConfig.model_validate(fields | changes)


async def answers(virtual: VirtualLibrary, *demands: Demand, **changes: object) -> list[LibraryAnswer | None]:
    virtual.plug()
    try:
        system = await LibrarySystem.open(settings(virtual, **changes), CHINA)
        ends_s = asyncio.get_running_loop().time() + WAIT_S
        try:
            return [await system.answer(demand, AT_MS, ends_s) for demand in demands]
        finally:
            system.close()
    finally:
        virtual.unplug()


def handle(act: Act, item: str, patron: str | None = LI) -> Handle:
    return Handle(act, item, patron, AT_MS)


async def test_a_loan_a_renewal_and_a_return_are_done_and_the_account_shows_them(virtual: VirtualLibrary) -> None:
    out, account, again, back, left = await answers(
        virtual,
        handle(Act.CHECKOUT, book(1)),
        OpenPatron(LI),
        handle(Act.RENEW, book(1)),
        handle(Act.CHECKIN, book(1), None),
        ClosePatron(LI),
    )
    assert isinstance(out, Done)
    assert out.desensitise
    assert out.due_ms is not None
    assert account == Account(frozenset({book(1)}), 1, 0, 0, None)
    assert isinstance(again, Done)
    assert again.due_ms is not None
    assert again.due_ms > out.due_ms
    assert (back, left) == (Done(resensitise=True), None)


@pytest.mark.parametrize(
    ("item", "act", "cause"),
    [
        (REFERENCE, Act.CHECKOUT, Cause.ITEM_NOT_LENDABLE),
        (RESERVED, Act.CHECKOUT, Cause.ITEM_RESERVED),
        (book(2), Act.CHECKOUT, Cause.ITEM_AWAY),
        ("310000000000", Act.CHECKOUT, Cause.ITEM_UNKNOWN),
        ("310000000000", Act.CHECKIN, Cause.ITEM_UNKNOWN),
        (book(2), Act.RENEW, Cause.NOT_RENEWABLE),
    ],
)
async def test_a_refusal_has_its_cause(virtual: VirtualLibrary, item: str, act: Act, cause: Cause) -> None:
    virtual.shelves.items[book(2)].holder = "somebody"
    assert await answers(virtual, handle(act, item)) == [NotDone(cause)]


async def test_a_refusal_whose_cause_cannot_be_asked_for_stands(virtual: VirtualLibrary) -> None:
    def only_the_refusal(link: socket.socket, answer: bytes) -> None:
        if answer.startswith(b"18"):
            link.shutdown(socket.SHUT_RDWR)
        else:
            link.sendall(answer)

    virtual.send = only_the_refusal
    assert await answers(virtual, handle(Act.CHECKOUT, RESERVED)) == [NotDone(Cause.OTHER)]


def status(*places: int) -> str:
    return "".join("Y" if place in places else " " for place in range(14))


@pytest.mark.parametrize(
    ("patron", "block"),
    [
        (status(), None),
        (status(0), Block.DENIED),
        (status(0, 4), Block.CARD_LOST),
        (status(4), Block.CARD_LOST),
        (status(0, 6, 10), Block.OVERDUE),
        (status(6), None),
        (status(0, 10), Block.FINES),
        (status(0, 11), Block.FINES),
        (status(0, 5), Block.TOO_MANY),
        (status(5), Block.TOO_MANY),
    ],
)
async def test_a_block_is_read_from_the_patron_status(
    virtual: VirtualLibrary, patron: str, block: Block | None
) -> None:
    virtual.shelves.patrons[LI] = VirtualPatron(status=patron, fee="12.5")
    (account,) = await answers(virtual, OpenPatron(LI))
    assert isinstance(account, Account)
    assert (account.block, account.fine_fen) == (block, 1250)


async def test_an_answer_about_another_reader_or_another_item_is_none(virtual: VirtualLibrary) -> None:
    def about_another(link: socket.socket, answer: bytes) -> None:
        body = answer[:-5].replace(b"AAreader-li", b"AAreader-xx").replace(b"AB310000000001", b"AB310000000009")
        link.sendall(body + b"%04X" % (-sum(body) & 0xFFFF) + b"\r")

    virtual.send = about_another
    for demand in (OpenPatron(LI), handle(Act.CHECKOUT, book(1)), handle(Act.CHECKIN, book(1), None)):
        with pytest.raises(Sip2Error) as raised:
            await answers(virtual, demand)
        assert raised.value.fault is Sip2Fault.UNEXPECTED


async def test_a_login_is_sent_where_there_is_one_and_its_refusal_is_said(
    virtual: VirtualLibrary, tmp_path: Path
) -> None:
    (tmp_path / "word").write_text("pass\n")
    said: list[bytes] = []

    def refuse(link: socket.socket, answer: bytes) -> None:
        said.append(answer)
        body = answer[:-5].replace(b"941", b"940")
        link.sendall(body + b"%04X" % (-sum(body) & 0xFFFF) + b"\r")

    virtual.send = refuse
    with pytest.raises(Sip2Error) as raised:
        await answers(virtual, OpenPatron(LI), user="desk", password_file=tmp_path / "word")
    assert raised.value.fault is Sip2Fault.REFUSED
    assert said[0].startswith(b"941")


async def test_a_system_that_says_it_is_off_line_is_not_used(virtual: VirtualLibrary) -> None:
    virtual.shelves.on_line = False
    with pytest.raises(Sip2Error) as raised:
        await answers(virtual, OpenPatron(LI))
    assert raised.value.fault is Sip2Fault.OFF_LINE


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("20261226    235959", "2026-12-26"),
        ("20261226   Z120000", "2026-12-26"),
        ("2026-12-26", "2026-12-26"),
        ("2026/12/26 23:59", "2026-12-26"),
        ("20261226", "2026-12-26"),
        ("2026-13-45", None),
        ("26 Dec", None),
        ("202612261", None),
        ("99991231   Z235959", None),
        ("00010101    000000", None),
        ("19691231   Z235959", None),
        ("", None),
        (None, None),
    ],
)
def test_due_dates_are_read_as_libraries_write_them(text: str | None, day: str | None) -> None:
    moment = due_ms(text, CHINA)
    read = None if moment is None else f"{datetime.fromtimestamp(moment / 1000, CHINA):%Y-%m-%d}"
    assert read == day


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("2.50", 250), ("2.5", 250), ("0", 0), ("", None), (None, None), ("-1", None), ("1e9", None), ("9" * 30, None)],
)
def test_fines_are_fen_or_unknown(amount: str | None, expected: int | None) -> None:
    assert fen(amount) == expected


# The service ----------------------------------------------------------------------------------------------------------


class Running:
    """A service on a store, and what it said."""

    def __init__(self, directory: Path, virtual: VirtualLibrary) -> None:
        self.store = directory / "store"
        self.writer = InlineWriter(
            Journal.open(self.store, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1))
        )  # fmt: skip
        self.reports: list[DeviceState] = []
        clock = HeldClock(AT_MS)
        uploader = Uploader(
            self._waiting, self.writer, clock, RecordIds(clock, SeededRandom(2)), lambda seq: None, lambda *alarm: None
        )
        backoff = Backoff(SeededRandom(3), first_ms=5, cap_ms=20)
        self.library = Library(
            settings(virtual, deadline_ms=2_000), CHINA, uploader, clock, backoff, self.reports.append, self._recover
        )

    async def _waiting(self, most: int) -> list[Loan]:
        return waiting(self.store, most)

    async def _recover(self) -> None:
        self.writer.reload(AT_MS).result()

    async def ask(self, demand: Demand, deadline_ms: int = 5_000) -> LibraryAnswered | LibrarySilent:
        told: asyncio.Future[LibraryAnswered | LibrarySilent] = asyncio.get_running_loop().create_future()
        self.library.ask(AskLibrary(demand, deadline_ms, b"about"), told.set_result)
        return await asyncio.wait_for(told, WAIT_S)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():  # noqa: ASYNC110 -- a condition of several threads
                await asyncio.sleep(0.005)

    def is_up(self) -> bool:
        return self.library._system is not None and not self.library._behind

    def state(self) -> str:
        return self.reports[-1].state if self.reports else ""


@asynccontextmanager
async def running(directory: Path, virtual: VirtualLibrary) -> AsyncIterator[Running]:
    service = Running(directory, virtual)
    task = asyncio.create_task(service.library.run())
    try:
        yield service
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        virtual.unplug()
        service.writer.close(1)


async def test_lanes_are_answered_while_it_is_there_and_alone_at_once_while_it_is_not(
    tmp_path: Path, virtual: VirtualLibrary
) -> None:
    async with running(tmp_path, virtual) as service:
        await service.until(lambda: service.state() == "failed")
        assert service.reports[-1].reason == "unreachable"
        assert await service.ask(OpenPatron(LI)) == LibrarySilent(b"about", perhaps=False)
        virtual.plug()
        await service.until(lambda: service.state() == "ready")
        assert await service.ask(handle(Act.CHECKOUT, RESERVED)) == LibraryAnswered(
            b"about", NotDone(Cause.ITEM_RESERVED)
        )
        virtual.unplug()
        assert await service.ask(OpenPatron(LI)) == LibrarySilent(b"about", perhaps=True)
        await service.until(lambda: service.state() == "failed")
        virtual.plug()
        await service.until(service.is_up)
        assert isinstance(await service.ask(OpenPatron(LI)), LibraryAnswered)


def another_number(link: socket.socket, answer: bytes) -> None:
    body = answer[:-10] + b"AY8AZ"
    link.sendall((body + b"%04X" % (-sum(body) & 0xFFFF) + b"\r") * 5)


@pytest.mark.parametrize(
    ("send", "reason"),
    [
        (lambda link, answer: link.sendall(answer[:10]), "silent"),
        (another_number, "sequence"),
        (lambda link, answer: link.sendall(b"12" + b"x" * 1_048_576), "too-long"),
        (lambda link, answer: link.sendall(b"\x00\xff|\r" * 9), "malformed"),
    ],
)
async def test_a_system_that_answers_badly_is_left_with_its_reason_and_found_again(
    tmp_path: Path, virtual: VirtualLibrary, send: Send, reason: str
) -> None:
    virtual.plug()
    async with running(tmp_path, virtual) as service:
        await service.until(lambda: service.state() == "ready")
        virtual.send = send
        assert await service.ask(handle(Act.CHECKOUT, book(1)), 300) == LibrarySilent(b"about", perhaps=True)
        await service.until(lambda: any(report.reason == reason for report in service.reports))
        virtual.send = socket.socket.sendall
        service.writer.submit(Append(loans=(row(1, mode="verify"), row(2))))
        service.library.deferred()
        await service.until(lambda: service.is_up() and not waiting(service.store, 9))
        assert [move.item for move in virtual.shelves.moves] == [book(1), book(2)], "lost, or done twice"
        assert isinstance(await service.ask(OpenPatron(LI)), LibraryAnswered)


async def test_lanes_are_alone_until_all_that_waited_has_been_told(tmp_path: Path, virtual: VirtualLibrary) -> None:
    virtual.plug()
    seen: list[LibraryAnswered | LibrarySilent] = []
    async with running(tmp_path, virtual) as service:
        await service.until(lambda: service.state() == "ready")

        def ask_meanwhile(link: socket.socket, answer: bytes) -> None:
            if answer.startswith(b"12"):
                loop.call_soon_threadsafe(
                    service.library.ask, AskLibrary(handle(Act.CHECKOUT, book(1)), 1_000, b"meanwhile"), seen.append
                )
                loop.call_soon_threadsafe(link.sendall, answer)
            else:
                link.sendall(answer)

        loop = asyncio.get_running_loop()
        virtual.send = ask_meanwhile
        service.writer.submit(Append(loans=(row(1), row(2))))
        service.library.deferred()
        assert await service.ask(OpenPatron(LI)) == LibrarySilent(b"about", perhaps=False)
        await service.until(lambda: len(virtual.shelves.moves) == 2)
        await service.until(lambda: len(seen) == 2)
        assert seen == [LibrarySilent(b"meanwhile", perhaps=False)] * 2
        virtual.send = socket.socket.sendall
        await service.until(service.is_up)
        account = await service.ask(OpenPatron(LI))
        assert isinstance(account, LibraryAnswered)
        assert isinstance(account.answer, Account)
        assert account.answer.charged == {book(1), book(2)}


def test_an_address_is_a_host_and_a_port_or_a_file_that_holds_them(tmp_path: Path) -> None:
    assert LibraryConfig(address="library.example:6001").place() == ("library.example", 6001)
    assert LibraryConfig(address="[::1]:6001").place() == ("::1", 6001)
    for wrong in ("library.example", "library.example:0", "library.example:70000", ":6001"):
        with pytest.raises(ValueError, match="HOST:PORT"):
            LibraryConfig(address=wrong)
    file = tmp_path / "address"
    with pytest.raises(Sip2Error):
        LibraryConfig(address=str(file)).place()
    file.write_text("nonsense")
    with pytest.raises(Sip2Error):
        LibraryConfig(address=str(file)).place()


def test_a_lane_of_a_library_needs_the_section_that_says_where_it_is(tmp_path: Path) -> None:
    text = preset_text("library")
    start, end = text.index("library:  "), text.index("devices:")
    with pytest.raises(ConfigError) as raised:
        parse(text[:start] + text[end:], "library.yaml", tmp_path)
    assert "lanes.desk.profile: needs the section library" in str(raised.value)
    resolved = parse(text, "library.yaml", tmp_path, ["terminal.id=desk-7"])
    assert resolved.config.library is not None
    assert resolved.config.library.address == str(virtual_dir("desk-7") / LIBRARY_FILE)
