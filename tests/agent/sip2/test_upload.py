"""Late news for the library's system, over real TCP and a real store: told once each, whatever breaks and wherever."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from agent.clock import RecordIds
from agent.sip2.errors import Sip2Error
from agent.sip2.settings import LibraryConfig
from agent.sip2.system import LibrarySystem
from agent.sip2.upload import Uploader
from drivers.virtual.library import Send, VirtualLibrary
from offline_store.journal import Append, Appended, Journal
from offline_store.loans import Loan, latest, waiting
from offline_store.outbox import Outbox
from offline_store.record import Record
from offline_store.writer import InlineWriter
from tests.agent.sip2.held_clock import HeldClock
from tests.offline_store.parts import BOOT_ID, SeededRandom, SteppingClock

CHINA = timezone(timedelta(hours=8))
AT_MS = 1_795_406_400_000
"""2026-11-23, 12:00 in China."""
DUE_MS = AT_MS + 30 * 86_400_000
LI = "reader-li"


class Killed(Exception):
    """The process ended here."""


class Disk:
    """A writer on a real journal that ends the process before or after one of its commits."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._behind = self._open()
        self.commits = 0
        self.deaths = 0
        self.dies_at: tuple[int, bool] | None = None

    def submit(self, append: Append) -> Future[Appended]:
        self.commits += 1
        before = (self.commits, False) == self.dies_at
        if before:
            raise Killed
        future = self._behind.submit(append)
        if (self.commits, True) == self.dies_at:
            raise Killed
        return future

    def restart(self) -> None:
        self._behind.close(1)
        self._behind = self._open()
        self.dies_at = None
        self.deaths += 1

    def close(self) -> None:
        self._behind.close(1)

    def _open(self) -> InlineWriter:
        return InlineWriter(Journal.open(self.directory, BOOT_ID, clock=SteppingClock(), random=SeededRandom(4)))


class Desk:
    """A terminal's way to a library, without its lanes."""

    def __init__(self, directory: Path) -> None:
        self.library = VirtualLibrary(directory / "sip2.address")
        self.library.plug()
        self.disk = Disk(directory / "store")
        self.alarms: list[str] = []
        clock = HeldClock(AT_MS + 3_600_000)
        writer: Any = self.disk
        self.uploader = Uploader(
            self._waiting,
            writer,
            clock,
            RecordIds(clock, SeededRandom(5)),
            lambda seq: None,
            lambda lane, reason, about: self.alarms.append(reason.code),
        )

    async def _waiting(self, most: int) -> list[Loan]:
        return waiting(self.disk.directory, most)

    def close(self) -> None:
        self.library.unplug()
        self.disk.close()

    def owes(self, *rows: Loan) -> None:
        self.disk.submit(Append(loans=rows))

    async def settle(self, most_tries: int = 40) -> None:
        """Connect and tell, again after every break and every death, until nothing waits."""
        for _ in range(most_tries):
            try:
                system = await LibrarySystem.open(self.settings, CHINA)
            except Sip2Error:
                continue
            try:
                while await self.uploader.upload(system):
                    pass
            except Sip2Error:
                continue
            except Killed:
                self.disk.restart()
                continue
            finally:
                system.close()
            return
        pytest.fail("it is never settled")

    @property
    def settings(self) -> LibraryConfig:
        return LibraryConfig(address=str(self.library.path), institution="city", location="self-1", deadline_ms=5_000)

    def moves(self) -> list[tuple[str, str]]:
        return [(move.act, move.item) for move in self.library.shelves.moves]

    def results(self) -> list[str | None]:
        return [row.result for row in latest(self.disk.directory, 1000)]

    def records(self) -> list[Record]:
        outbox = Outbox.open(self.disk.directory)
        try:
            return [Record.from_bytes(body) for body in outbox.batch(0, 1000, 10**7)][1:]
        finally:
            outbox.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def book(number: int) -> str:
    return f"3100000000{number:02d}"


def row(number: int, act: str = "checkout", mode: str = "send", item: str = "", **fields: Any) -> Loan:
    patron = None if act == "checkin" else LI
    due_ms = DUE_MS if act == "checkout" else None
    values: dict[str, Any] = {"id": number.to_bytes(16, "big"), "lane": "desk", "profile": "library", "act": act}
    values |= {"mode": mode, "item": item or book(number), "patron": patron, "at_ms": AT_MS, "due_ms": due_ms}
    return Loan(**values | fields)


def outage() -> list[Loan]:
    """What an outage leaves: loans, returns, and one item that goes round."""
    return [
        row(1),
        row(2),
        row(3, "checkin", item=book(1)),
        row(4, item=book(1), patron="reader-wang"),
        row(5, "checkin", item=book(7)),
    ]


TOLD = [("out", book(1)), ("out", book(2)), ("in", book(1)), ("out", book(1)), ("in", book(7))]


async def test_loans_and_returns_are_told_in_order_with_no_block_and_their_own_dates(desk: Desk) -> None:
    desk.library.shelves.items[book(7)].holder = "somebody"
    desk.owes(*outage())
    await desk.settle()
    assert desk.moves() == TOLD
    first = desk.library.shelves.moves[0]
    assert (first.no_block, first.date, first.due) == (True, "20261123    120000", "20261223    120000")
    assert desk.library.shelves.moves[2].date == "20261123    120000", "the day on which it was returned"
    assert all(move.no_block for move in desk.library.shelves.moves)
    assert desk.library.shelves.charged(LI) == [book(2)]
    assert desk.library.shelves.charged("reader-wang") == [book(1)]
    assert desk.results() == ["loan-told"] * 5
    outcomes = [(record.entry.refers_to, record.entry.reason, record.entry.kind) for record in desk.records()]
    assert outcomes == [(loan.id, "loan-told", "outcome") for loan in outage()]
    assert desk.alarms == []


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("commit", range(1, 11))
async def test_over_a_kill_at_any_commit_each_is_told_once(desk: Desk, commit: int, after: bool) -> None:
    desk.library.shelves.items[book(7)].holder = "somebody"
    desk.owes(*outage())
    desk.disk.dies_at = (desk.disk.commits + commit, after)
    await desk.settle()
    assert desk.disk.deaths == 1
    assert desk.moves() == TOLD
    assert set(desk.results()) <= {"loan-told", "loan-known"}
    assert len(desk.records()) == 5, "each has one outcome"


@pytest.mark.parametrize("lost", range(9))
async def test_over_a_line_that_breaks_with_any_answer_each_is_told_once(desk: Desk, lost: int) -> None:
    desk.library.shelves.items[book(7)].holder = "somebody"
    desk.owes(*outage())
    desk.library.send = without(lost)
    await desk.settle()
    assert desk.moves() == TOLD
    assert set(desk.results()) <= {"loan-told", "loan-known"}


async def test_over_kills_and_breaks_at_random_each_is_told_once(desk: Desk) -> None:
    chance = random.Random(42)
    desk.library.shelves.items[book(7)].holder = "somebody"
    desk.owes(*outage())
    broken = [0]

    def send(link: socket.socket, answer: bytes) -> None:
        if chance.random() < 0.4:
            broken[0] += 1
            link.sendall(answer[: chance.randrange(len(answer))])
            link.shutdown(socket.SHUT_RDWR)
        else:
            link.sendall(answer)

    desk.library.send = send
    for _ in range(30):
        desk.disk.dies_at = (desk.disk.commits + chance.randrange(1, 4), chance.random() < 0.5)
        try:
            system = await LibrarySystem.open(desk.settings, CHINA)
        except Sip2Error:
            continue
        try:
            await desk.uploader.upload(system)
        except (Sip2Error, Killed):
            desk.disk.restart()
        finally:
            system.close()
    desk.library.send = socket.socket.sendall
    await desk.settle()
    assert broken[0] > 5
    assert desk.moves() == TOLD


def without(number: int) -> Send:
    """The answer of that number is lost, and the line with it: what was asked was done."""
    sent = [0]

    def send(link: socket.socket, answer: bytes) -> None:
        sent[0] += 1
        if sent[0] == number + 1:
            link.shutdown(socket.SHUT_RDWR)
        else:
            link.sendall(answer)

    return send


async def test_what_the_library_had_already_is_not_told_again(desk: Desk) -> None:
    desk.library.shelves.items[book(1)].holder = LI
    desk.owes(row(1, mode="verify"), row(2, mode="verify"), row(3, "checkin", "verify"))
    await desk.settle()
    assert desk.results() == ["loan-known", "loan-told", "loan-known"]
    assert desk.moves() == [("out", book(2))]


async def test_what_nobody_was_told_of_is_looked_up_and_left_to_a_person(desk: Desk) -> None:
    desk.library.shelves.items[book(1)].holder = LI
    desk.owes(row(1, mode="look"), row(2, mode="look"))
    await desk.settle()
    assert desk.results() == ["loan-stands", "loan-void"]
    assert desk.moves() == []
    assert desk.alarms == ["loan-stands"]
    assert [loan.patron for loan in latest(desk.disk.directory, 9)] == [LI, None]


async def test_a_loan_of_which_nothing_came_is_withdrawn_once_and_nobody_elses(desk: Desk) -> None:
    desk.library.shelves.items[book(1)].holder = LI
    desk.library.shelves.items[book(2)].holder = "somebody"
    desk.owes(row(1, mode="withdraw"), row(2, mode="withdraw"))
    desk.library.send = without(4)  # login is not asked for: status, look, withdraw …
    await desk.settle()
    assert desk.library.shelves.items[book(1)].holder is None
    assert desk.library.shelves.items[book(2)].holder == "somebody"
    assert [(move.act, move.item, move.cancel) for move in desk.library.shelves.moves] == [("in", book(1), True)]
    assert desk.results() == ["loan-withdrawn", "loan-void"]


async def test_what_the_library_does_not_take_holds_up_nothing_and_calls_a_person(desk: Desk) -> None:
    desk.library.shelves.items[book(1)].holder = "somebody"
    desk.owes(row(1), row(2), row(3, item="319999999999"))
    await desk.settle()
    assert desk.results() == ["loan-refused", "loan-told", "loan-refused"]
    assert desk.alarms == ["loan-refused", "loan-refused"]
    assert waiting(desk.disk.directory, 9) == []


async def test_an_item_over_which_the_library_always_breaks_off_holds_up_nothing_and_calls_a_person(
    desk: Desk,
) -> None:
    def send(link: socket.socket, answer: bytes) -> None:
        if book(1).encode() in answer:
            link.shutdown(socket.SHUT_RDWR)
        else:
            link.sendall(answer)

    desk.library.send = send
    desk.owes(row(1), row(2, "checkin"), row(3))
    await desk.settle()
    assert desk.results() == ["loan-unanswered", "loan-told", "loan-told"]
    assert desk.alarms == ["loan-unanswered"]


async def test_a_library_that_breaks_off_over_every_item_leaves_few_of_them_to_a_person(desk: Desk) -> None:
    def send(link: socket.socket, answer: bytes) -> None:
        if b"AB3100" in answer or LI.encode() in answer:
            link.shutdown(socket.SHUT_RDWR)
        else:
            link.sendall(answer)

    desk.library.send = send
    desk.owes(row(1), row(2), row(3), row(4))
    with pytest.raises(pytest.fail.Exception):
        await desk.settle(40)
    assert desk.results() == ["loan-unanswered", "loan-unanswered", None, None]
    desk.library.send = socket.socket.sendall
    await desk.settle()
    assert desk.results()[2:] == ["loan-known", "loan-told"]
