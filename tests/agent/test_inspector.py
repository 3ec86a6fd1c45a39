"""Damage within what waits for the platform is found, and cured, before it stops the uplink."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent.inspector import EVERY_S, Inspector
from agent.mending import Mending
from offline_store.few import HOUR_MS
from offline_store.journal import Journal
from offline_store.outbox import Outbox
from offline_store.rescue import Rescued
from offline_store.writer import Writer
from tests.agent.sync.parts import SimulatedClock
from tests.offline_store.parts import BOOT_ID, SeededRandom, SteppingClock, fill, spoil

DEADLINE_S = 20.0


def inspector(directory: Path, writer: Writer, soon_s: float) -> Inspector:
    clock = SimulatedClock()
    return Inspector(directory, Mending(writer, clock), clock, soon_s)


async def until_told(told: list[Rescued]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not told:  # noqa: ASYNC110 -- the writer's thread sets no event here
            await asyncio.sleep(0.01)


async def test_a_record_that_was_altered_on_the_disk_is_left_behind_and_the_rest_goes_on(tmp_path: Path) -> None:
    told: list[Rescued] = []
    journal = Journal.open(tmp_path, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1))
    fill(journal, 50)
    journal.log.checkpoint()
    spoil(tmp_path, "UPDATE record SET body = x'00' WHERE place = 20")
    writer = Writer(journal, rescued=told.append)
    inspecting = asyncio.create_task(inspector(tmp_path, writer, soon_s=0).run())
    await until_told(told)
    inspecting.cancel()
    assert (told[0].carried, told[0].lost) == (50, 1)
    outbox = Outbox.open(tmp_path)
    assert outbox.inspect(lambda: None) is None
    outbox.close()
    assert writer.close(DEADLINE_S)


async def test_a_platform_that_takes_nothing_has_it_looked_at_once_and_only_once_an_hour(tmp_path: Path) -> None:
    told: list[Rescued] = []
    journal = Journal.open(tmp_path, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1))
    fill(journal, 50)
    journal.log.checkpoint()
    writer = Writer(journal, rescued=told.append)
    clock = SimulatedClock()
    looking = Inspector(tmp_path, Mending(writer, clock), clock, soon_s=EVERY_S)
    inspecting = asyncio.create_task(looking.run())
    spoil(tmp_path, "UPDATE record SET body = x'00' WHERE place = 20")
    looking.doubt()
    await until_told(told)
    clock.at_ms += HOUR_MS - 1
    looking.doubt()
    assert not looking.looks_now
    clock.at_ms += 1
    looking.doubt()
    assert bool(looking.looks_now)
    inspecting.cancel()
    assert writer.close(DEADLINE_S)
