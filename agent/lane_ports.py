"""What a lane reaches out to: facts, the journal, its outputs, the platform. The composition fills it in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from agent.facts import Marks, TerminalFacts
from agent.handover import CounterPort, NoCounter
from agent.memory import Memory
from agent.paper import NoPaper, Paper
from agent.questions import Asker, NobodyToAsk
from agent.screen import NoScreen, Screen
from agent.sip2.ports import LibraryPort, NoLibrary
from agent.store_health import JournalCondition
from agent.voice import Aloud, Silent
from drivers.api import Pulse
from offline_store.writer import JournalWriter
from profiles.api import Show, Tone
from profiles.orders import Obeyed
from profiles.reasons import ReasonEnum
from profiles.staff import whole

NAME_KEPT_MS = 10_000

Alarm = Callable[[str, ReasonEnum, bytes], None]
"""Tells whom it concerns: the lane, why, and the id of the record that says so."""


def _nobody_looks(show: Show) -> None:
    """A lane without a screen."""


def _nobody_orders(effect: Obeyed) -> None:
    """A terminal without a platform."""


class Outputs(Protocol):
    """The lane's actuator."""

    def actuate(self, output: str, pulse_ms: int, done: Callable[[Pulse | None, str], None]) -> None:
        """Begin a pulse, from any thread.

        ``done(when it began, "")`` or ``done(None, fault code)`` is called on the event loop.
        """


@dataclass(frozen=True)
class LanePorts:
    """Everything a lane reaches out to; one object, so that tests can hand in simulated time and an inline store."""

    facts: Callable[[], TerminalFacts]
    marks: Marks
    writer: JournalWriter
    memory: Memory
    outputs: Outputs
    journal: JournalCondition
    recorded: Callable[[int], None]
    alarm: Alarm
    asker: Asker = field(default_factory=NobodyToAsk)
    shown: Callable[[Show], None] = _nobody_looks
    """Told what stands before the citizen."""
    library: LibraryPort = field(default_factory=NoLibrary)
    counter: CounterPort = field(default_factory=NoCounter)
    paper: Paper = field(default_factory=NoPaper)
    screen: Screen = field(default_factory=NoScreen)
    voice: Aloud = field(default_factory=Silent)
    obeyed: Callable[[Obeyed], None] = _nobody_orders
    """Told what became of the platform's order."""

    def show(self, effect: Show) -> None:
        """Put it before the citizen, and say it aloud unless it only bids him wait.

        Whose name stands beside it is gone from the screen before the next one comes, and is not said.
        """
        self.shown(effect)
        if effect.tone is not Tone.WAIT:
            self.voice.say(effect.sentence)
        if effect.name:
            self.screen.show_privately((whole(effect),), NAME_KEPT_MS)
        else:
            self.screen.show(effect.sentence)
