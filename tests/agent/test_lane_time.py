"""What lanes do when time goes by: simulated, so that hours cost nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.lane import Lane
from drivers.api import CodeReading, InputReading
from tests.agent.simulated import run_simulated
from tests.agent.site import Site, card, serve


def test_nobody_passing_is_recorded_when_the_time_is_over(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane(passage_timeout_ms=8_000)

        async def script() -> None:
            lane.offer(card(1))
            await asyncio.sleep(8.1)

        await serve(lane, script)
        granted, timed_out = site.records()
        assert timed_out.entry.reason == "timed-out"
        assert timed_out.entry.time_ms - granted.entry.time_ms == 8_000
        site.close()

    run_simulated(main())


def test_a_board_that_never_answers_is_a_silent_one_and_the_lane_serves_on(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()
        site.outputs.answers = False

        async def script() -> None:
            lane.offer(card(1))
            await asyncio.sleep(60)
            site.outputs.answers = True
            lane.offer(card(2))
            await asyncio.sleep(1)

        await serve(lane, script)
        assert site.reasons() == ["granted", "actuator-failed", "granted"]
        site.close()

    run_simulated(main())


def test_a_hundred_terminals_run_in_one_process(tmp_path: Path) -> None:
    async def main() -> None:
        sites = [Site(tmp_path / str(number)) for number in range(100)]
        lanes = [site.lane() for site in sites]

        async def day(lane: Lane) -> None:
            for hour in range(24):
                lane.offer(card(hour))
                await asyncio.sleep(1)
                lane.offer(InputReading(reader="board", at_ns=0, input="passage", active=True))
                await asyncio.sleep(3_599)

        async with asyncio.TaskGroup() as group:
            for lane in lanes:
                group.create_task(serve(lane, lambda lane=lane: day(lane)))  # type: ignore[misc]
        assert all(site.reasons() == ["granted", "passed"] * 24 for site in sites)
        for site in sites:
            site.close()

    run_simulated(main())


def test_a_scanner_that_sends_noise_for_minutes_is_told_each_time_and_leaves_few_records(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()

        async def noise() -> None:
            for _ in range(180):
                lane.offer(CodeReading(reader="scanner", at_ns=0, text="\x00noise"))
                await asyncio.sleep(1)

        await serve(lane, noise)
        told = [record.entry.public.get("repeated", 1) for record in site.records()]
        assert len(told) <= 6
        site.close()
        again = Site(tmp_path)
        await serve(again.lane(), lambda: asyncio.sleep(1))
        told = [record.entry.public.get("repeated", 1) for record in again.records()]
        assert sum(number for number in told if isinstance(number, int)) == 180
        again.close()

    run_simulated(main())


def test_a_scanner_that_rattles_is_told_once_a_second_to_wait(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()

        async def script() -> None:
            for _ in range(20):
                for number in range(1000):
                    lane.offer(CodeReading(reader="scanner", at_ns=0, text=f"{number}"))
                await asyncio.sleep(0.1)

        await serve(lane, script)
        assert lane.dropped > 19_000
        site.close()

    run_simulated(main())
    assert capsys.readouterr().out.count("Please wait a moment") <= 3
