"""What is said aloud, through a thread: a module that hangs holds nobody up, and nothing is said after its time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Protocol

from agent.backoff import Backoff
from agent.devices import DeviceState, DeviceThread
from drivers.api import Voice
from profiles.reasons import Sentence

LOOK_S = 0.5


class Aloud(Protocol):
    """A lane's voice; nothing here waits."""

    def say(self, sentence: Sentence) -> None:
        """Say it, instead of what is being said."""


class Silent:
    """A lane without one."""

    def say(self, sentence: Sentence) -> None:
        """Nobody hears it."""


class VoiceThread(DeviceThread):
    """One voice at work. Implements :class:`Aloud`."""

    def __init__(
        self,
        name: str,
        voice: Voice,
        loop: asyncio.AbstractEventLoop,
        report: Callable[[DeviceState], None],
        backoff: Backoff,
        now_ms: Callable[[], int],
    ) -> None:
        super().__init__(voice, name, "say", loop, report, backoff, now_ms)
        self._voice = voice
        self._wanted: Sentence | None = None
        self._changed = threading.Event()

    def say(self, sentence: Sentence) -> None:
        """See :class:`Aloud`. Called on the event loop."""
        self._wanted = sentence
        self._changed.set()

    def _work(self) -> None:
        self._changed.clear()  # what was to be said while it was away is said to nobody
        self._tell("ready")
        while not self._stopping.is_set():
            if self._changed.wait(LOOK_S):
                self._changed.clear()
                if (sentence := self._wanted) is not None:
                    self._voice.say(sentence.zh, sentence.en)
                    self._backoff.reset()
