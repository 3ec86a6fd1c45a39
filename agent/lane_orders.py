"""Orders to lanes: open once. Each is waited for until its lane says what became of it, or has surely dropped it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping

from agent.command_reasons import CommandReason
from profiles.api import Reason
from profiles.orders import Obeyed, OpenOnce, OrderReason

OBEYED_S = 15.0
"""Longer than a lane may take: an order that it has not obeyed by then it has dropped."""
_BECAME: Mapping[str, CommandReason] = {
    OrderReason.OPENED.code: CommandReason.DONE,
    Reason.BUSY.code: CommandReason.BUSY,
    Reason.FIRE.code: CommandReason.OPEN_ALREADY,
}


class LaneOrders:
    """Used on the event loop. ``offer`` hands an order to a lane."""

    def __init__(self, lanes: Collection[str], offer: Callable[[str, OpenOnce], None]) -> None:
        self.lanes = lanes
        """Those that open by order."""
        self._offer = offer
        self._waiting: dict[bytes, asyncio.Future[CommandReason]] = {}

    async def open(self, lane: str, about: bytes) -> CommandReason:
        """Have a lane open once; ``about`` is the id of a record that is on the disk, and says why."""
        told: asyncio.Future[CommandReason] = asyncio.get_running_loop().create_future()
        self._waiting[about] = told
        try:
            self._offer(lane, OpenOnce(about))
            async with asyncio.timeout(OBEYED_S):
                return await told
        except TimeoutError:
            return CommandReason.NOT_OPENED
        finally:
            del self._waiting[about]

    def obeyed(self, effect: Obeyed) -> None:
        """A lane says what became of an order."""
        told = self._waiting.get(effect.about)
        if told is not None and not told.done():
            told.set_result(_BECAME.get(effect.reason.code, CommandReason.NOT_OPENED))
