"""A pulse is given by the commit or refused by the deadline, never both."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from agent.opening import Opening
from profiles.api import Actuate

DEADLINE_S = 10.0
PULSE = Actuate("gate", 500, bytes(16))


def opening(deadline_s: float = DEADLINE_S) -> tuple[Opening, Future[None], list[Actuate]]:
    given: list[Actuate] = []
    pending: Future[None] = Future()
    loop = asyncio.get_running_loop()

    def give(pulse: Actuate, came_back: Callable[[bool], None]) -> None:
        given.append(pulse)
        loop.call_soon_threadsafe(came_back, True)

    one = Opening([PULSE], give, deadline_s)
    one.follow(pending)
    return one, pending, given


async def settle(one: Opening) -> None:
    await asyncio.wait_for(one.settled, DEADLINE_S)


async def test_the_commit_gives_the_pulse_and_settles_when_it_is_confirmed() -> None:
    one, pending, given = opening()
    assert given == []
    pending.set_result(None)
    assert given == [PULSE]
    assert not one.settled.done()
    await settle(one)
    assert not one.refused


async def test_a_commit_after_the_deadline_gives_nothing() -> None:
    one, pending, given = opening(deadline_s=0)
    await settle(one)
    assert one.refused
    pending.set_result(None)
    assert given == []


async def test_a_failed_commit_gives_nothing() -> None:
    one, pending, given = opening()
    pending.set_exception(OSError("disk"))
    await settle(one)
    assert given == []
    assert not one.refused


@pytest.mark.parametrize("_round", range(50))
async def test_commit_and_deadline_at_the_same_moment_agree(_round: int) -> None:
    one, pending, given = opening(deadline_s=0.001)
    thread = threading.Timer(0.001, pending.set_result, args=(None,))
    thread.start()
    await settle(one)
    await asyncio.to_thread(thread.join)
    assert one.refused is (given == [])
