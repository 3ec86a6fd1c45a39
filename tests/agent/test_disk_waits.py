"""A disk that hangs: whoever waits for it says so, by one name, goes on with the rest, and is there when it answers."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from pathlib import Path

import pytest

from agent.disk_waits import HANGS_AFTER_S, DiskHangs, durable, durable_at_last
from agent.store_health import JOURNAL
from agent.timekeeper import SAVE_EVERY_MS
from offline_store.errors import IoFailed
from tests.agent.simulated import run_simulated
from tests.agent.site import HeldWriter, Site, card, serve
from tests.agent.test_timekeeper import Box, watched


def test_what_comes_in_time_is_handed_over_and_what_does_not_has_a_name() -> None:
    async def main() -> None:
        done: Future[int] = Future()
        done.set_result(7)
        assert await durable(done) == 7
        failed: Future[int] = Future()
        failed.set_exception(IoFailed("坏", "broken"))
        with pytest.raises(IoFailed):
            await durable(failed)
        hanging: Future[int] = Future()
        begun_s = asyncio.get_running_loop().time()
        with pytest.raises(DiskHangs, match="has not answered"):
            await durable(hanging)
        assert asyncio.get_running_loop().time() - begun_s == HANGS_AFTER_S
        hanging.set_exception(IoFailed("坏", "broken"))
        await asyncio.sleep(0)

    run_simulated(main())


def test_what_must_not_be_handed_over_twice_is_waited_for_and_said_each_time() -> None:
    async def main() -> None:
        pending: Future[str] = Future()
        said: list[DiskHangs] = []
        waiting = asyncio.create_task(durable_at_last(pending, said.append))
        await asyncio.sleep(3.5 * HANGS_AFTER_S)
        assert len(said) == 3
        pending.set_result("there")
        assert await waiting == "there"

    run_simulated(main())


def test_a_lane_over_a_disk_that_hangs_says_so_once_opens_nothing_and_serves_when_it_answers(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()

        async def script() -> None:
            site.writer.holds = True
            lane.offer(card(1))
            await asyncio.sleep(4 * HANGS_AFTER_S)
            assert site.alarms == ["not-recorded", "disk-hangs"]
            (state,) = [each for each in site.conditions.states() if each.name == JOURNAL]
            assert state.reason == "disk-hangs"
            assert site.outputs.pulses == []
            site.writer.let_go()
            await asyncio.sleep(1)
            assert site.conditions.states() == ()
            lane.offer(card(2))
            await asyncio.sleep(1)

        await serve(lane, script)
        assert site.reasons()[:3] == ["granted", "not-actuated", "granted"]
        assert len(site.outputs.pulses) == 1
        site.close()

    run_simulated(main())


def test_a_lane_ends_when_it_is_told_to_also_where_the_disk_never_answers(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()
        running = asyncio.create_task(lane.run())
        await asyncio.sleep(0.1)
        site.writer.holds = True
        lane.offer(card(1))
        await asyncio.sleep(5)
        lane.stop()
        async with asyncio.timeout(2 * HANGS_AFTER_S):
            await running
        site.close()

    run_simulated(main())


def test_a_clock_whose_disk_hangs_is_watched_on_and_kept_when_it_answers(tmp_path: Path) -> None:
    async def script(box: Box) -> None:
        held = HeldWriter(box.writer)
        box.keeper._writer = held
        held.holds = True
        box.synchronised = True
        await asyncio.sleep(4 * SAVE_EVERY_MS / 1000)
        assert len(held.waiting) == 1, "one save waits, and no other is handed over"
        assert box.keeper._saved_floor_ms < box.clock.floor_ms - SAVE_EVERY_MS
        held.let_go()
        await asyncio.sleep(60)
        assert box.clock.floor_ms - box.keeper._saved_floor_ms < SAVE_EVERY_MS

    watched(tmp_path, script)
