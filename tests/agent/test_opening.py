"""A pulse is given by the commit or refused by the deadline, never both."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from agent.opening import Opening
from profiles.api import Actuate

PULSE = Actuate("gate", 500, bytes(16))


def opening() -> tuple[Opening, Future[None], list[Actuate]]:
    given: list[Actuate] = []
    pending: Future[None] = Future()
    one = Opening([PULSE], given.append)
    one.follow(pending)
    return one, pending, given


def test_the_commit_gives_the_pulse_and_the_deadline_comes_too_late() -> None:
    one, pending, given = opening()
    assert given == []
    pending.set_result(None)
    assert given == [PULSE]
    assert not one.refuse()


def test_a_commit_after_the_deadline_gives_nothing() -> None:
    one, pending, given = opening()
    assert one.refuse()
    pending.set_result(None)
    assert given == []


def test_a_failed_commit_gives_nothing() -> None:
    one, pending, given = opening()
    pending.set_exception(OSError("disk"))
    assert given == []
    assert one.refuse()


@pytest.mark.parametrize("_round", range(50))
def test_commit_and_deadline_at_the_same_moment_agree(_round: int) -> None:
    one, pending, given = opening()
    start = threading.Barrier(2)

    def commit() -> None:
        start.wait()
        pending.set_result(None)

    thread = threading.Thread(target=commit)
    thread.start()
    start.wait()
    refused = one.refuse()
    thread.join()
    assert refused is (given == [])
