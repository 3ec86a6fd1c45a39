"""Waits double up to their cap, and no two terminals come back in one moment."""

from __future__ import annotations

from itertools import pairwise

from agent.backoff import Backoff
from tests.agent.seeded import SeededRandom

TRIES, CAP_MS = 30, 60_000


def full_ms(number: int) -> int:
    return min(CAP_MS, 500 << number)


def test_each_wait_is_between_half_and_the_whole_of_twice_the_one_before_up_to_the_cap() -> None:
    for seed in range(50):
        backoff = Backoff(SeededRandom(seed), 500, CAP_MS)
        waits_ms = [backoff.next_ms() for _ in range(TRIES)]
        assert all(full_ms(number) / 2 <= wait_ms <= full_ms(number) for number, wait_ms in enumerate(waits_ms))


def test_a_city_that_lost_its_broker_comes_back_spread_over_half_the_wait() -> None:
    first_ms = sorted(Backoff(SeededRandom(seed), CAP_MS, CAP_MS).next_ms() for seed in range(500))
    gaps_ms = [after - before for before, after in pairwise(first_ms)]
    assert first_ms[-1] - first_ms[0] > 0.45 * CAP_MS
    assert max(gaps_ms) < 0.05 * CAP_MS


def test_it_starts_small_again_once_it_worked() -> None:
    backoff = Backoff(SeededRandom(1), 500, CAP_MS)
    for _ in range(TRIES):
        backoff.next_ms()
    backoff.reset()
    assert backoff.next_ms() <= 500
