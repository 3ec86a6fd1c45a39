"""Says when a fire latch is not on the disk: until it is, a power cut would shut what the fire had opened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from agent.logs import log
from drivers.board import BoardStatus

EVERY_S = 10.0


class Latched(Protocol):
    """A board."""

    def status(self) -> BoardStatus:
        """A view of this moment."""


class LatchWatch:
    """One task on the event loop; ``alarm`` is told a board's name once each time that its latch stays unsaved."""

    def __init__(self, boards: Mapping[str, Latched], alarm: Callable[[str], None]) -> None:
        self._boards = boards
        self._alarm = alarm
        self._unsaved: dict[str, int] = {}
        self._log = log()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            for name, board in self._boards.items():
                self._look(name, board.status())
            await asyncio.sleep(EVERY_S)

    def _look(self, name: str, status: BoardStatus) -> None:
        """A disk may take a moment: what counts is a latch that is still unsaved at the second look."""
        looks = 0 if status.latch_saved else self._unsaved.get(name, 0) + 1
        self._unsaved[name] = looks
        if looks == 2:
            self._log.error("fire latch is not saved", device=name)
            self._alarm(name)
