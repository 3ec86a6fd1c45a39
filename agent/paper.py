"""Slips on their way to a printer, through a thread: one that hangs or is out of paper holds nobody up."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from typing import Protocol

from agent.backoff import Backoff
from agent.devices import DRIVER_BUG, DeviceState, DeviceThread
from agent.threads import post
from drivers.api import Printer, ReaderError, ReaderFault
from profiles.paper import MAX_LINES, NotPrinted, Print

MAX_WAITING = 8
"""Slips before a printer; whoever is not served by then reads the screen."""
LOOK_S = 0.5

TellLane = Callable[[NotPrinted], None]


class Paper(Protocol):
    """Where a lane prints; nothing here waits."""

    def print(self, effect: Print, tell: TellLane) -> None:
        """Print; ``tell`` is called on the event loop if that fails."""


class NoPaper:
    """A lane without a printer: its screen says it all."""

    def print(self, effect: Print, tell: TellLane) -> None:
        """Nothing is printed, and nobody expects it."""


class PaperThread(DeviceThread):
    """One printer at work. Implements :class:`Paper`."""

    def __init__(
        self,
        name: str,
        printer: Printer,
        loop: asyncio.AbstractEventLoop,
        report: Callable[[DeviceState], None],
        backoff: Backoff,
        now_ms: Callable[[], int],
    ) -> None:
        super().__init__(printer, name, "print", loop, report, backoff, now_ms)
        self._printer = printer
        self._slips: queue.Queue[tuple[Print, TellLane]] = queue.Queue(MAX_WAITING)
        self._works = False

    def print(self, effect: Print, tell: TellLane) -> None:
        """See :class:`Paper`. Called on the event loop."""
        if self._works and not self._slips.full():  # nobody else puts anything in
            self._slips.put_nowait((effect, tell))
        else:
            self._loop.call_soon(tell, NotPrinted(effect.about, ReaderFault.BUSY.code))

    def _work(self) -> None:
        self._works = True
        self._tell("ready")
        try:
            while not self._stopping.is_set():
                self._print_next()
        finally:
            self._works = False

    def _print_next(self) -> None:
        """A fault, and a bug, is told of the slip that met it."""
        try:
            effect, tell = self._slips.get(timeout=LOOK_S)
        except queue.Empty:
            return
        try:
            self._printer.print_lines(effect.slip.lines[:MAX_LINES])
        except ReaderError as error:
            post(self._loop, tell, NotPrinted(effect.about, error.fault.code))
            raise
        except Exception:  # told of, and then the supervisor's
            post(self._loop, tell, NotPrinted(effect.about, DRIVER_BUG))
            raise
        self._backoff.reset()
