"""A lane with readers on two sides, and with a part of its state that is not worth a disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent.lane import Lane
from drivers.api import InputReading
from profiles.turnstile import Turnstile
from profiles.turnstile_settings import TurnstileSettings
from tests.agent.simulated import run_simulated
from tests.agent.site import DISK_FULL, Site, card, serve


def turnstile(site: Site) -> Lane:
    settings = TurnstileSettings.model_validate({"admit": {"everyone": True}, "exit_readers": ["inside"]})
    lane = Lane("main", Turnstile(settings), site.ports, site.deadline_ms, settings.on_full_disk())
    lane.begin_service(site.verifier)
    return lane


def beam(name: str, active: bool) -> InputReading:
    return InputReading(reader="board", at_ns=0, input=name, active=active)


def test_a_reader_on_the_inner_side_opens_the_way_out(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = turnstile(site)

        async def script() -> None:
            lane.offer(card(1).model_copy(update={"reader": "inside"}))

        await serve(lane, script)
        assert site.outputs.pulses == [("exit", ["granted"])]
        site.close()

    run_simulated(main())


def test_beams_cost_no_commit_until_somebody_has_passed(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = turnstile(site)
        commits: list[int] = []

        async def script() -> None:
            lane.offer(card(1))
            await asyncio.sleep(0.1)
            site.writer.fails_with = DISK_FULL  # whatever asked the disk now would be told so
            for name, active in (("outer", True), ("inner", True), ("outer", False)):
                lane.offer(beam(name, active))
            await asyncio.sleep(0.1)
            commits.append(len(site.alarms))
            site.writer.fails_with = None
            lane.offer(beam("inner", False))
            await asyncio.sleep(0.1)

        await serve(lane, script)
        assert commits == [0]
        assert site.reasons() == ["granted", "passed"]
        site.close()

    run_simulated(main())
