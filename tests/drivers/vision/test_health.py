"""The flag rises with the share of unread codes above the camera's own history, and falls again."""

from __future__ import annotations

import random

import pytest

from drivers.vision.api import ReadingHealth


def _fed(health: ReadingHealth, share_unread: float, presentations: int, seed: int = 1) -> list[bool]:
    draw = random.Random(seed)
    return [health.note(read=draw.random() >= share_unread) for _ in range(presentations)]


@pytest.mark.parametrize("usual", [0.0, 0.05, 0.2, 0.4])
def test_a_steady_share_raises_nothing(usual: float) -> None:
    assert not any(_fed(ReadingHealth(), usual, 300))


@pytest.mark.parametrize("usual", [0.02, 0.2])
def test_a_rise_above_the_history_raises_the_flag_soon(usual: float) -> None:
    health = ReadingHealth()
    _fed(health, usual, 300)
    assert any(_fed(health, 0.9, 40))


def test_the_flag_stays_while_the_fault_stays_and_falls_when_it_is_mended() -> None:
    health = ReadingHealth()
    _fed(health, 0.05, 300)
    _fed(health, 0.9, 2000)
    assert health.raised
    _fed(health, 0.05, 200)
    assert not health.raised


def test_a_new_camera_is_not_judged_by_its_first_codes() -> None:
    assert not any(_fed(ReadingHealth(), 1.0, 39))


def test_what_was_located_and_not_read_is_counted() -> None:
    health = ReadingHealth()
    for read in (True, False, True, False, False):
        health.note(read=read)
    assert (health.presentations, health.located_unread) == (5, 3)
