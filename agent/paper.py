"""Slips on their way to a printer, through a thread: one that hangs or is out of paper holds nobody up."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Protocol

from agent.backoff import Backoff
from agent.devices import DeviceState, place_of
from agent.logs import log
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


class PaperThread:
    """One printer at work. Implements :class:`Paper`; opened at its start, and again after every fault."""

    def __init__(
        self,
        name: str,
        printer: Printer,
        loop: asyncio.AbstractEventLoop,
        report: Callable[[DeviceState], None],
        backoff: Backoff,
        now_ms: Callable[[], int],
    ) -> None:
        self._name = name
        self._printer = printer
        self._loop = loop
        self._report = report
        self._backoff = backoff
        self._now_ms = now_ms
        self._slips: queue.Queue[tuple[Print, TellLane]] = queue.Queue(MAX_WAITING)
        self._stopping = threading.Event()
        self._works = False
        self._told = ""
        self._thread = threading.Thread(target=self._run, name=f"print-{name}", daemon=True)

    def print(self, effect: Print, tell: TellLane) -> None:
        """See :class:`Paper`. Called on the event loop."""
        if self._works and not self._slips.full():  # nobody else puts anything in
            self._slips.put_nowait((effect, tell))
        else:
            self._loop.call_soon(tell, NotPrinted(effect.about, ReaderFault.BUSY.code))

    def start(self) -> None:
        """Begin to print."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; does not wait."""
        self._stopping.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread to end; one that hangs in its driver is left behind."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            retry_ms = 0
            try:
                self._printer.open()
                self._works = True
                self._tell("ready")
                self._serve()
            except ReaderError as error:
                retry_ms = self._backoff.next_ms()
                self._tell("failed", error.fault.code, error.detail, retry_ms)
            except Exception as error:  # noqa: BLE001 -- the supervisor: a driver's bug must not take the lane away
                retry_ms = self._backoff.next_ms()
                self._tell("failed", "driver-bug", place_of(error), retry_ms)
            self._works = False
            self._printer.close()
            self._stopping.wait(retry_ms / 1000)

    def _serve(self) -> None:
        """Until a fault, which is told of the slip that met it."""
        while not self._stopping.is_set():
            try:
                effect, tell = self._slips.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            try:
                self._printer.print_lines(effect.slip.lines[:MAX_LINES])
            except ReaderError as error:
                post(self._loop, tell, NotPrinted(effect.about, error.fault.code))
                raise
            self._backoff.reset()

    def _tell(self, state: str, reason: str = "", detail: str = "", retry_ms: int = 0) -> None:
        if f"{state} {reason}" != self._told:
            self._told = f"{state} {reason}"
            tell = log(device=self._name).info if state == "ready" else log(device=self._name).warning
            tell("device", state=state, reason=reason, detail=detail, retry_ms=retry_ms)
        report = DeviceState(self._name, state, reason, detail, self._now_ms(), retry_ms)
        post(self._loop, self._report, report)
