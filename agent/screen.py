"""What stands before the person, through a thread: a screen that hangs holds nobody up, and shows the latest only.

What is private is wiped after its time by the event loop's own clock, whatever has become of its lane.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from agent.backoff import Backoff
from agent.devices import DeviceState, place_of
from agent.logs import log
from agent.threads import post
from agent.words import tell
from drivers.api import Device, ReaderError
from profiles.reasons import Sentence

LOOK_S = 0.5


class Screen(Protocol):
    """A lane's screen; nothing here waits."""

    def show(self, sentence: Sentence) -> None:
        """Put one sentence on it, in both languages."""

    def show_privately(self, lines: tuple[Sentence, ...], keep_ms: int) -> None:
        """Put lines on it, for so long at most."""

    def wipe(self) -> None:
        """Leave nothing on it."""


class NoScreen:
    """A lane without one: what is private is shown nowhere."""

    def show(self, sentence: Sentence) -> None:
        """Nobody sees it."""

    def show_privately(self, lines: tuple[Sentence, ...], keep_ms: int) -> None:
        """Nobody sees it."""

    def wipe(self) -> None:
        """Nothing is there."""


class TextScreenDevice(Device, Protocol):
    """What a driver of screens has."""

    def show_lines(self, lines: tuple[str, ...]) -> None:
        """Show these lines instead of what is there. Raises :class:`ReaderError`."""


class ScreenThread:
    """One screen at work. Implements :class:`Screen`; opened at its start, and again after every fault."""

    def __init__(
        self,
        name: str,
        device: TextScreenDevice,
        loop: asyncio.AbstractEventLoop,
        report: Callable[[DeviceState], None],
        backoff: Backoff,
        now_ms: Callable[[], int],
    ) -> None:
        self._name = name
        self._device = device
        self._loop = loop
        self._report = report
        self._backoff = backoff
        self._now_ms = now_ms
        self._wanted: tuple[str, ...] = ()
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._expiry: asyncio.TimerHandle | None = None
        self._told = ""
        self._thread = threading.Thread(target=self._run, name=f"show-{name}", daemon=True)

    def show(self, sentence: Sentence) -> None:
        """See :class:`Screen`. Called on the event loop."""
        self._want((sentence.zh, sentence.en))

    def show_privately(self, lines: tuple[Sentence, ...], keep_ms: int) -> None:
        """See :class:`Screen`: in the reader's language, since many lines are twice as many in two."""
        self._want(tuple(map(tell, lines)))
        self._expiry = self._loop.call_later(keep_ms / 1000, self.wipe)

    def wipe(self) -> None:
        """See :class:`Screen`."""
        self._want(())

    def start(self) -> None:
        """Begin to show."""
        self._thread.start()

    def stop(self) -> None:
        """Wipe the screen and end; does not wait."""
        self.wipe()
        self._stopping.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread to end; one that hangs in its driver is left behind."""
        self._thread.join(timeout_s)

    def _want(self, lines: tuple[str, ...]) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        self._wanted = lines
        self._changed.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            retry_ms = 0
            try:
                self._device.open()
                self._changed.set()
                self._tell("ready")
                self._serve()
            except ReaderError as error:
                retry_ms = self._backoff.next_ms()
                self._tell("failed", error.fault.code, error.detail, retry_ms)
            except Exception as error:  # noqa: BLE001 -- the supervisor: a driver's bug must not take the lane away
                retry_ms = self._backoff.next_ms()
                self._tell("failed", "driver-bug", place_of(error), retry_ms)
            self._device.close()
            self._stopping.wait(retry_ms / 1000)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            if self._changed.wait(LOOK_S):
                self._changed.clear()
                self._device.show_lines(self._wanted)
                self._backoff.reset()
        with suppress(ReaderError):
            self._device.show_lines(())

    def _tell(self, state: str, reason: str = "", detail: str = "", retry_ms: int = 0) -> None:
        if f"{state} {reason}" != self._told:
            self._told = f"{state} {reason}"
            said = log(device=self._name).info if state == "ready" else log(device=self._name).warning
            said("device", state=state, reason=reason, detail=detail, retry_ms=retry_ms)
        post(self._loop, self._report, DeviceState(self._name, state, reason, detail, self._now_ms(), retry_ms))
