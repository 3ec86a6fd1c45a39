"""What is in force is recorded again each day, also when the disk once did not take it; in simulated time."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent.clock import RecordIds
from agent.pinning import EVERY_S, Pinning
from agent.records import CONTEXT
from offline_store.journal import Append
from offline_store.record import Entry
from tests.agent.seeded import SeededRandom
from tests.agent.simulated import run_simulated
from tests.agent.site import DISK_FULL, Site


def test_it_is_recorded_each_day_and_a_day_on_which_the_disk_is_full_is_left_out(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        ids, grown, recovered = RecordIds(site.clock, SeededRandom(2)), list[int](), list[float]()

        def context() -> Append:
            public = {"software": "0.1.0"}
            entry = Entry(ids.new(), CONTEXT, site.clock.now_ms(), "synchronised", 0, public=public)
            return Append((entry,), vital=True)

        async def recover() -> None:
            recovered.append(asyncio.get_running_loop().time())
            await site.ports.memory.reload()

        task = asyncio.create_task(Pinning(context, site.writer, recover, grown.append).run())
        await asyncio.sleep(EVERY_S + 1)
        site.writer.fails_with = DISK_FULL
        await asyncio.sleep(EVERY_S)
        site.writer.fails_with = None
        await asyncio.sleep(EVERY_S)
        task.cancel()
        assert (grown, recovered) == ([2, 3], [2 * EVERY_S])
        first, second = (record.entry for record in site.records())
        assert (first.kind, second.time_ms - first.time_ms) == (CONTEXT, round(2 * EVERY_S * 1000))
        site.close()

    run_simulated(main())
