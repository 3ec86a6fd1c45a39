"""Orders to lanes: open once. Each is waited for until its lane says what became of it, or has surely dropped it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping

from agent.command_reasons import CommandReason
from profiles.api import Reason
from profiles.direction import Direction
from profiles.orders import Obeyed, OpenOnce, OrderReason

OBEYED_S = 15.0
"""Longer than a lane may take: an order that it has not obeyed by then it has dropped."""
_BECAME: Mapping[str, CommandReason] = {
    OrderReason.OPENED.code: CommandReason.DONE,
    Reason.BUSY.code: CommandReason.BUSY,
    Reason.FIRE.code: CommandReason.OPEN_ALREADY,
    OrderReason.NO_WAY.code: CommandReason.NO_WAY,
}


class LaneOrders:
    """Used on the event loop. ``offer`` hands an order to a lane."""

    def __init__(
        self, opening: Collection[str], offer: Callable[[str, OpenOnce], None], others: Collection[str] = ()
    ) -> None:
        """``opening`` are the lanes that open by order, ``others`` those that have nothing to open."""
        self._opening = opening
        self._others = others
        self._offer = offer
        self._waiting: dict[bytes, asyncio.Future[CommandReason]] = {}

    def refusal(self, lane: str | None) -> CommandReason | None:
        """Why no order opens this lane, if none does."""
        if lane in self._opening:
            return None
        return CommandReason.NO_OPENING if lane in self._others else CommandReason.NO_LANE

    async def open(self, lane: str, about: bytes, direction: Direction | None = None) -> CommandReason:
        """Have a lane open once; ``about`` is the id of a record that is on the disk, and says why."""
        told: asyncio.Future[CommandReason] = asyncio.get_running_loop().create_future()
        self._waiting[about] = told
        try:
            self._offer(lane, OpenOnce(about, direction))
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
