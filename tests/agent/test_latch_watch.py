"""A fire latch that does not reach the disk calls somebody, once."""

from __future__ import annotations

import asyncio

from agent.latch_watch import EVERY_S, LatchWatch
from drivers.board import BoardStatus
from tests.agent.simulated import run_simulated


class Board:
    """A board whose disk a test breaks."""

    def __init__(self) -> None:
        self.saved = True

    def status(self) -> BoardStatus:
        return BoardStatus(fire_latched=True, latch_saved=self.saved, active_inputs=(), readings_dropped=0, fault=None)


def test_a_latch_that_stays_unsaved_alarms_once_and_again_when_it_happens_again() -> None:
    board = Board()
    told: list[tuple[str, float]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        watch = LatchWatch({"board": board}, lambda name: told.append((name, loop.time())))
        task = asyncio.create_task(watch.run())
        await asyncio.sleep(EVERY_S / 2)
        board.saved = False
        await asyncio.sleep(EVERY_S)
        assert told == []
        await asyncio.sleep(5 * EVERY_S)
        assert len(told) == 1
        board.saved = True
        await asyncio.sleep(2 * EVERY_S)
        board.saved = False
        await asyncio.sleep(5 * EVERY_S)
        task.cancel()

    run_simulated(main())
    assert [name for name, _ in told] == ["board", "board"]
