"""A till that dies between a payment that came too late and what takes it back.

``python -m tests.faults.late_payment DIRECTORY MOMENT``: the disk holds a payment until its deadline refused it. Then
it is committed, and the process ends by SIGKILL before anything else can happen (``late``), or when it is all over
(``undone``). ``told`` is a payment that was in time, ``untold`` the same, killed before that was saved.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.agent.simulated import run_simulated
from tests.agent.site import Site, card, serve
from tests.agent.test_lane_money import Platform, amount, till

DEADLINE_MS = 500


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def pay(directory: Path, moment: str) -> None:
    """Until this process is dead."""
    site = Site(directory, deadline_ms=DEADLINE_MS)
    platform = Platform(site)
    lane = till(site, platform)

    async def play() -> None:
        lane.offer(amount(700))
        lane.offer(card(1))
        await asyncio.sleep(0.1)
        site.writer.holds = moment in {"late", "undone"}
        platform.yes()
        if moment == "untold":
            while site.reasons()[-1] != "paid":  # noqa: ASYNC110 - the lane's next turn, and not the one after it
                await asyncio.sleep(0)
            die()
        await asyncio.sleep(2 * DEADLINE_MS / 1000)
        site.writer.let_go()
        if moment == "late":
            die()
        await asyncio.sleep(1)
        die()

    await serve(lane, play)


if __name__ == "__main__":
    run_simulated(pay(Path(sys.argv[1]), sys.argv[2]))
