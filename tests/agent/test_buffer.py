"""How many hours the journal lasts, and that somebody hears of it in time."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent.buffer import EVERY_S, LEAST_S, WINDOW_S, BufferMeter, BufferState, BufferWatch, Sample
from offline_store.journal import Journal
from offline_store.reserve import Reserve
from tests.agent.simulated import run_simulated
from tests.offline_store.parts import BOOT_ID, SeededRandom, SteppingClock, fill

HOUR_S = 3_600.0


def sample(
    at_s: float, head: int, *, retained: int | None = None, size: int = 400_000, room: int = 4_000_000
) -> Sample:
    return Sample(at_s, head, head if retained is None else retained, size, room)


def test_it_says_nothing_before_it_knows_a_rate() -> None:
    meter = BufferMeter()
    assert meter.state(sample(0, 1_000)) == BufferState(400_000, None)
    assert meter.state(sample(LEAST_S - 1, 1_100)).hours_left is None
    assert meter.state(sample(LEAST_S, 1_200)).hours_left is not None


def test_the_hours_left_are_the_room_by_the_rate() -> None:
    meter = BufferMeter()
    meter.state(sample(0, 1_000))
    # 100 records an hour of 400 bytes: 4 MB last a hundred hours.
    assert meter.state(sample(HOUR_S, 1_100, retained=1_000)).hours_left == 100


def test_a_terminal_that_nobody_uses_has_no_end_in_sight() -> None:
    meter = BufferMeter()
    meter.state(sample(0, 1_000))
    assert meter.state(sample(WINDOW_S, 1_000)).hours_left is None


def test_what_was_more_than_a_day_ago_counts_no_more() -> None:
    meter = BufferMeter()
    meter.state(sample(0, 0, retained=1_000))
    meter.state(sample(HOUR_S, 100_000, retained=1_000))
    assert meter.state(sample(HOUR_S + WINDOW_S, 100_000 + 240, retained=1_000)).hours_left == 1_000


def test_a_new_chain_begins_a_new_rate() -> None:
    meter = BufferMeter()
    meter.state(sample(0, 1_000))
    assert meter.state(sample(HOUR_S, 5)).hours_left is None


def test_no_room_is_no_hour_left() -> None:
    meter = BufferMeter()
    meter.state(sample(0, 1_000))
    assert meter.state(sample(HOUR_S, 1_100, room=-5)).hours_left == 0


def test_somebody_hears_once_that_it_is_filling(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1))
    fill(journal, 100)
    told: list[float] = []

    async def main() -> None:
        watch = BufferWatch(tmp_path, 1_000_000, lambda: told.append(asyncio.get_running_loop().time()))
        watching = asyncio.create_task(watch.run())
        for step in range(20):
            await asyncio.sleep(EVERY_S)
            fill(journal, 20, first=1_000 + 20 * step)
            journal.log.checkpoint()
        watching.cancel()
        assert 0 < watch.state.size_bytes <= (tmp_path / "journal.db").stat().st_size
        assert watch.state.hours_left is not None

    run_simulated(main())
    journal.close()
    assert len(told) == 1


def test_what_is_kept_for_doors_is_no_room(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1))
    assert Reserve(tmp_path, 1_000_000).make()
    seen = BufferWatch(tmp_path, 8_000_000, lambda: None, reserve_bytes=1_000_000)._look(0.0)
    assert seen.room_bytes == 7_000_000 - seen.size_bytes
    journal.close()
