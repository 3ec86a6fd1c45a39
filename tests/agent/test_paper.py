"""Slips through a thread: in order, bounded, and said to be unprinted where they are."""

from __future__ import annotations

import asyncio
import threading
from typing import ClassVar

from agent.backoff import Backoff
from agent.clock import SystemRandom
from agent.devices import DeviceState
from agent.paper import MAX_WAITING, NoPaper, PaperThread
from drivers.api import DriverSettings, ReaderError, ReaderFault
from profiles.paper import Lines, NotPrinted, Print

DEADLINE_S = 20.0


class _Printer:
    """A device that a test can leave without paper, or hold up."""

    Settings: ClassVar[type[DriverSettings]] = DriverSettings
    name = "printer"

    def __init__(self) -> None:
        self.printed: list[tuple[str, ...]] = []
        self.paper = True
        self.buggy = False
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.cut = threading.Event()

    def open(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        if self.buggy:
            self.buggy = False
            raise ValueError("张三")

    def cancel(self) -> None:
        """Nothing to do."""

    def print_lines(self, lines: tuple[str, ...]) -> None:
        assert self.goes_on.wait(DEADLINE_S)
        if self.buggy:
            raise ValueError("张三")
        if not self.paper:
            raise ReaderError(ReaderFault.NOT_FOUND, "paper")
        self.printed.append(lines)
        self.cut.set()


async def _ready(states: asyncio.Queue[DeviceState], state: str) -> None:
    while (await states.get()).state != state:
        pass


async def test_slips_come_out_in_order_and_one_without_paper_is_said_not_to() -> None:
    printer, states = _Printer(), asyncio.Queue[DeviceState]()
    failed: asyncio.Queue[NotPrinted] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    thread = PaperThread("printer", printer, loop, states.put_nowait, Backoff(SystemRandom()), lambda: 0)
    async with asyncio.timeout(DEADLINE_S):
        thread.print(Print(Lines(("early",)), b"0"), failed.put_nowait)
        assert (await failed.get()).about == b"0"  # the printer is not open yet
        thread.start()
        await _ready(states, "ready")
        printer.paper = False
        thread.print(Print(Lines(("a",)), b"1"), failed.put_nowait)
        assert await failed.get() == NotPrinted(b"1", ReaderFault.NOT_FOUND.code)
        await _ready(states, "failed")
        printer.paper = True
        await _ready(states, "ready")
        printer.goes_on.clear()
        for number in range(MAX_WAITING + 3):  # one is being printed, perhaps; some wait, the rest is told
            thread.print(Print(Lines((str(number),)), b"2"), failed.put_nowait)
        assert (await failed.get()).fault == ReaderFault.BUSY.code
        printer.goes_on.set()
        thread.stop()
    thread.join(DEADLINE_S)
    assert printer.printed == [(str(number),) for number in range(len(printer.printed))]


async def test_a_slip_that_meets_a_bug_in_a_driver_is_told_and_the_printer_is_opened_again() -> None:
    printer, states = _Printer(), asyncio.Queue[DeviceState]()
    failed: asyncio.Queue[NotPrinted] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    thread = PaperThread("printer", printer, loop, states.put_nowait, Backoff(SystemRandom()), lambda: 0)
    async with asyncio.timeout(DEADLINE_S):
        thread.start()
        await _ready(states, "ready")
        printer.buggy = True
        thread.print(Print(Lines(("a",)), b"1"), failed.put_nowait)
        assert await failed.get() == NotPrinted(b"1", "driver-bug")
        state = await states.get()
        assert (state.state, state.reason, "张三" in state.detail) == ("failed", "driver-bug", False)
        await _ready(states, "ready")
        thread.print(Print(Lines(("b",)), b"2"), failed.put_nowait)
        assert await asyncio.to_thread(printer.cut.wait, DEADLINE_S)
        thread.stop()
    thread.join(DEADLINE_S)
    assert printer.printed == [("b",)]


def test_a_lane_without_a_printer_expects_nothing() -> None:
    def told(event: NotPrinted) -> None:
        raise AssertionError(event)

    NoPaper().print(Print(Lines(("x",)), b"1"), told)
