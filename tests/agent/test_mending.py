"""Damage that a reader meets has the journal exchanged, and a disk that is dying does not copy it for ever."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

from agent.mending import JUST_MENDED_MS, Mending
from offline_store.aside import MAX_ASIDE
from offline_store.few import HOUR_MS
from tests.agent.sync.parts import SimulatedClock


class Disk:
    """How often the file was exchanged."""

    def __init__(self) -> None:
        self.exchanged = 0

    def rescue(self) -> Future[None]:
        self.exchanged += 1
        future: Future[None] = Future()
        future.set_result(None)
        return future


async def test_two_parts_that_meet_one_damage_have_it_mended_once() -> None:
    disk, clock = Disk(), SimulatedClock()
    mending = Mending(disk, clock)
    assert all(await asyncio.gather(mending.mend(), mending.mend()))
    assert disk.exchanged == 1


async def test_a_file_that_is_damaged_again_and_again_is_exchanged_a_few_times_an_hour() -> None:
    disk, clock = Disk(), SimulatedClock()
    mending = Mending(disk, clock)
    for _ in range(MAX_ASIDE):
        assert await mending.mend()
        clock.at_ms += JUST_MENDED_MS
    assert not await mending.mend()
    assert disk.exchanged == MAX_ASIDE
    clock.at_ms += HOUR_MS
    assert await mending.mend()
