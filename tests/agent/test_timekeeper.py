"""What the clock learned outlives the agent, and time that nobody vouches for calls a person; in simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from agent.clock import SystemRandom
from agent.kernel_time import KernelTime
from agent.timekeeper import ALARM_AFTER_S, PACE_S, SAVE_EVERY_MS, SAVED_KEY, Timekeeper
from agent.trusted_clock import TrustedClock
from offline_store.journal import Journal
from offline_store.writer import InlineWriter
from profiles.api import ClockState
from tests.agent.simulated import run_simulated

TRUE_MS = 1_790_000_000_000
BOOT_ID = b"b" * 16


class Box:
    """A terminal's clock, journal and timekeeper, on a machine that lives in simulated time."""

    def __init__(self, directory: Path) -> None:
        self.synchronised = False
        self.alarms: list[float] = []
        self.clock = TrustedClock(self._read)
        journal = Journal.open(directory, BOOT_ID, clock=self.clock, random=SystemRandom())
        saved = journal.load_saved().get(SAVED_KEY)
        if saved is not None:
            self.clock.restore(saved, BOOT_ID)
        self.journal = journal
        self.writer = InlineWriter(journal)
        self.keeper = Timekeeper(self.clock, BOOT_ID, self.writer, self._recover, self._alarm)

    def _read(self) -> KernelTime:
        boot_ms = round(asyncio.get_running_loop().time() * 1000)
        return KernelTime(TRUE_MS + boot_ms, boot_ms, self.synchronised, max_error_ms=5)

    def _alarm(self) -> None:
        self.alarms.append(asyncio.get_running_loop().time())

    async def _recover(self) -> None:
        self.writer.reload(self.clock.now_ms()).result()


def watched(directory: Path, script: Callable[[Box], Awaitable[None]]) -> Box:
    """Run a timekeeper for as long as the script goes on."""
    boxes: list[Box] = []

    async def main() -> None:
        box = Box(directory)
        boxes.append(box)
        task = asyncio.create_task(box.keeper.run())
        await script(box)
        task.cancel()
        box.writer.close(0)

    run_simulated(main())
    return boxes[0]


def test_a_clock_that_finds_the_time_soon_calls_nobody(tmp_path: Path) -> None:
    async def script(box: Box) -> None:
        await asyncio.sleep(ALARM_AFTER_S - PACE_S)
        box.synchronised = True
        await asyncio.sleep(ALARM_AFTER_S)

    assert watched(tmp_path, script).alarms == []


def test_a_clock_that_stays_untrusted_calls_once(tmp_path: Path) -> None:
    async def script(_: Box) -> None:
        await asyncio.sleep(10 * ALARM_AFTER_S)

    assert watched(tmp_path, script).alarms == [ALARM_AFTER_S]


def test_it_calls_again_when_the_time_is_lost_again(tmp_path: Path) -> None:
    async def script(box: Box) -> None:
        await asyncio.sleep(ALARM_AFTER_S + PACE_S)
        box.clock.platform_said(TRUE_MS + round(asyncio.get_running_loop().time() * 1000), 0)
        await asyncio.sleep(40 * 86_400)

    first, second = watched(tmp_path, script).alarms
    assert first == ALARM_AFTER_S
    assert second > 30 * 86_400


def test_the_floor_is_on_the_disk_at_most_ten_minutes_late(tmp_path: Path) -> None:
    async def script(box: Box) -> None:
        box.synchronised = True
        await asyncio.sleep(3_600)

    floor_ms = watched(tmp_path, script).clock.floor_ms

    async def reopened(box: Box) -> None:
        assert floor_ms - SAVE_EVERY_MS < box.clock.floor_ms <= floor_ms
        assert box.clock.state() is ClockState.UNTRUSTED

    watched(tmp_path, reopened)


def test_time_that_passes_untrusted_is_on_the_disk_too(tmp_path: Path) -> None:
    async def script(box: Box) -> None:
        box.clock.signed_at(TRUE_MS)
        await asyncio.sleep(3_600)

    least_ms = watched(tmp_path, script).clock.least_ms

    async def reopened(box: Box) -> None:
        assert least_ms - SAVE_EVERY_MS < box.clock.least_ms <= least_ms
        assert box.clock.floor_ms == TRUE_MS

    watched(tmp_path, reopened)


def test_a_cured_floor_is_kept_at_once(tmp_path: Path) -> None:
    async def poisoned(box: Box) -> None:
        box.clock.signed_at(TRUE_MS + 30 * 86_400_000)
        await asyncio.sleep(1)

    async def cured(box: Box) -> None:
        assert box.clock.floor_ms == TRUE_MS + 30 * 86_400_000
        box.clock.platform_said(TRUE_MS, 0)
        await asyncio.sleep(1)

    async def reopened(box: Box) -> None:
        assert box.clock.floor_ms == TRUE_MS

    for script in (poisoned, cured, reopened):
        watched(tmp_path, script)


def test_saving_writes_no_record(tmp_path: Path) -> None:
    async def script(box: Box) -> None:
        box.synchronised = True
        await asyncio.sleep(3_600)
        assert box.journal.head.seq == 1

    watched(tmp_path, script)
