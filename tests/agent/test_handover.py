"""The box between a lane and its counter: one identity, for a while, for one taker, and never twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from agent.handover import CounterBusy, IdentityBox, NoCounter
from profiles.handover import CounterAsks, Delivered, HandOver, Identity, Undelivered
from tools.days.simulated import run_simulated

ABOUT = b"r" * 16
IDENTITY = Identity("city", b"s" * 16, False, "social-security", "read", "advice", "A001")


class _Lane:
    """Hears what becomes of an identity, and releases it when it is asked for, if it does."""

    def __init__(self, *, releases: bool = True) -> None:
        self.box = IdentityBox()
        self.heard: list[CounterAsks | Delivered] = []
        self._releases = releases

    def offer(self, about: bytes = ABOUT, keep_ms: int = 30_000) -> None:
        self.box.offer(HandOver(IDENTITY, keep_ms, about), self._hear)

    def _hear(self, event: CounterAsks | Delivered) -> None:
        self.heard.append(event)
        if isinstance(event, CounterAsks) and self._releases:
            self.box.release(event.about)


def simulated(play: Callable[[], object]) -> None:
    async def main() -> None:
        await play()  # type: ignore[misc]

    run_simulated(main())


def test_it_goes_to_whoever_waits_for_it_and_is_nobodys_afterwards() -> None:
    async def play() -> None:
        lane = _Lane()
        taking = asyncio.create_task(lane.box.take(30))
        await asyncio.sleep(5)
        lane.offer()
        delivery = await taking
        assert delivery is not None
        assert delivery.identity is IDENTITY
        assert IDENTITY.subject.hex() not in repr(delivery)
        assert await lane.box.take(60) is None
        delivery.ended()
        assert lane.heard == [CounterAsks(ABOUT), Delivered(ABOUT)]

    simulated(play)


def test_it_is_forgotten_when_nobody_asks_in_time() -> None:
    async def play() -> None:
        lane = _Lane()
        lane.offer(keep_ms=30_000)
        await asyncio.sleep(29)
        assert lane.heard == []
        await asyncio.sleep(2)
        assert lane.heard == [Delivered(ABOUT, Undelivered.EXPIRED)]
        assert await lane.box.take(1) is None

    simulated(play)


def test_what_no_record_releases_is_forgotten_and_goes_to_nobody() -> None:
    async def play() -> None:
        lane = _Lane(releases=False)
        lane.offer(keep_ms=1_000)
        assert await lane.box.take(30) is None
        assert lane.heard == [CounterAsks(ABOUT), Delivered(ABOUT, Undelivered.NOT_RELEASED)]
        lane.box.release(ABOUT)
        assert await lane.box.take(1) is None

    simulated(play)


def test_a_taker_that_goes_away_while_its_record_is_written_takes_nothing() -> None:
    async def play() -> None:
        lane = _Lane(releases=False)
        lane.offer()
        taking = asyncio.create_task(lane.box.take(30))
        await asyncio.sleep(1)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        assert lane.heard == [CounterAsks(ABOUT), Delivered(ABOUT, Undelivered.NOT_RELEASED)]
        assert await lane.box.take(1) is None

    simulated(play)


def test_what_is_withdrawn_or_replaced_goes_to_nobody() -> None:
    async def play() -> None:
        lane, later = _Lane(), b"q" * 16
        lane.offer()
        lane.box.withdraw(later)
        assert lane.heard == []
        lane.offer(later)
        lane.box.withdraw(later)
        assert lane.heard == [Delivered(ABOUT, Undelivered.WITHDRAWN), Delivered(later, Undelivered.WITHDRAWN)]
        assert await lane.box.take(1) is None

    simulated(play)


def test_two_never_take_at_a_time() -> None:
    async def play() -> None:
        lane = _Lane()
        taking = asyncio.create_task(lane.box.take(30))
        await asyncio.sleep(1)
        with pytest.raises(CounterBusy):
            await lane.box.take(1)
        lane.offer()
        assert await taking is not None

    simulated(play)


def test_a_lane_whose_counter_has_no_software_hears_so_at_once() -> None:
    heard: list[CounterAsks | Delivered] = []
    NoCounter().offer(HandOver(IDENTITY, 1_000, ABOUT), heard.append)
    assert heard == [Delivered(ABOUT, Undelivered.EXPIRED)]
