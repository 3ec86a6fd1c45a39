"""What stands beside a terminal's lanes, for those that name it: printers, screens, voices, counters' local APIs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from agent.backoff import Backoff
from agent.devices import DeviceState, DeviceThread
from agent.handover import CounterPort, NoCounter
from agent.paper import NoPaper, Paper, PaperThread
from agent.screen import NoScreen, Screen, ScreenThread
from agent.voice import Aloud, Silent, VoiceThread
from drivers.api import Device, Printer, TextScreenDevice, Voice

if TYPE_CHECKING:  # only a terminal with a counter loads it
    from agent.config_model import LaneConfig
    from agent.counter_socket import CounterSocket


@dataclass(frozen=True)
class PeripheralParts:
    """What each of them needs."""

    report: Callable[[DeviceState], None]
    backoff: Callable[[], Backoff]
    now_ms: Callable[[], int]


class Peripherals:
    """Of one terminal. Use it on the event loop."""

    def __init__(self, lanes: Mapping[str, LaneConfig], devices: Mapping[str, Device], parts: PeripheralParts) -> None:
        loop = asyncio.get_running_loop()
        self._papers = {
            name: PaperThread(name, cast("Printer", devices[name]), loop, parts.report, parts.backoff(), parts.now_ms)
            for name in {lane.printer for lane in lanes.values() if lane.printer is not None}
        }
        self._screens = {
            name: ScreenThread(
                name, cast("TextScreenDevice", devices[name]), loop, parts.report, parts.backoff(), parts.now_ms
            )
            for name in {lane.screen for lane in lanes.values() if lane.screen is not None}
        }
        self._voices = {
            name: VoiceThread(name, cast("Voice", devices[name]), loop, parts.report, parts.backoff(), parts.now_ms)
            for name in {lane.voice for lane in lanes.values() if lane.voice is not None}
        }
        self._ports: dict[str, CounterPort] = {}
        self.counters: list[CounterSocket] = []
        """To be run."""
        for name, lane in lanes.items():
            if lane.counter is None:
                continue
            from agent.counter_socket import CounterSocket
            from agent.handover import IdentityBox

            box = self._ports[name] = IdentityBox()
            socket = CounterSocket(f"{name}-software", lane.counter, box, parts.report, parts.backoff(), parts.now_ms)
            self.counters.append(socket)

    @property
    def threads(self) -> tuple[DeviceThread, ...]:
        """To be started."""
        return (*self._papers.values(), *self._screens.values(), *self._voices.values())

    def screen(self, screen: str | None) -> Screen:
        """What a lane with this screen shows itself on."""
        return NoScreen() if screen is None else self._screens[screen]

    def voice(self, voice: str | None) -> Aloud:
        """What says aloud what a lane with this voice shows."""
        return Silent() if voice is None else self._voices[voice]

    def paper(self, printer: str | None) -> Paper:
        """Where a lane with this printer prints."""
        return NoPaper() if printer is None else self._papers[printer]

    def counter(self, lane: str) -> CounterPort:
        """The counter of a lane."""
        return self._ports.get(lane, NoCounter())
