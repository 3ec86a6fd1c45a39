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
from agent.devices import DeviceState, DeviceThread
from agent.words import tell
from drivers.api import ReaderError, TextScreenDevice
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


class ScreenThread(DeviceThread):
    """One screen at work. Implements :class:`Screen`."""

    def __init__(
        self,
        name: str,
        device: TextScreenDevice,
        loop: asyncio.AbstractEventLoop,
        report: Callable[[DeviceState], None],
        backoff: Backoff,
        now_ms: Callable[[], int],
    ) -> None:
        super().__init__(device, name, "show", loop, report, backoff, now_ms)
        self._screen = device
        self._wanted: tuple[str, ...] = ()
        self._changed = threading.Event()
        self._expiry: asyncio.TimerHandle | None = None

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

    def stop(self) -> None:
        """Wipe the screen and end; does not wait."""
        self.wipe()
        super().stop()

    def _want(self, lines: tuple[str, ...]) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        self._wanted = lines
        self._changed.set()

    def _work(self) -> None:
        self._changed.set()
        self._tell("ready")
        while not self._stopping.is_set():
            if self._changed.wait(LOOK_S):
                self._changed.clear()
                self._screen.show_lines(self._wanted)
                self._backoff.reset()
        with suppress(ReaderError):
            self._screen.show_lines(())
