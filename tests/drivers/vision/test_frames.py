"""A stream: the hard stages take turns, regions are carried, and the same frames give the same sights."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from drivers.vision.api import FrameDecoder, Gray, Symbology
from drivers.vision.stages import HARD
from tests.drivers.vision import drawing

_FRAMED = drawing.on_page(drawing.qr())
_EMPTY = np.full((720, 960), 120, np.uint8)
_ROTATION = len(HARD)


@pytest.mark.parametrize(
    "picture",
    [cv2.bitwise_not(_FRAMED), drawing.glare(_FRAMED, 420, 260, 120, 140), drawing.noisy(_FRAMED, seed=3, sigma=40)],
    ids=["dark mode", "glare", "noise"],
)
def test_a_hard_code_is_read_within_one_rotation(picture: Gray) -> None:
    decoder = FrameDecoder()
    read = [one.text for _ in range(_ROTATION) for one in decoder.frame(picture).symbols]
    assert drawing.TEXT in read


def test_the_same_frames_give_the_same_sights() -> None:
    frames = [drawing.noisy(drawing.glare(_FRAMED, 400, 250, 90, 40 * n), seed=n, sigma=30) for n in range(6)]
    one, two = FrameDecoder(), FrameDecoder()
    assert [one.frame(frame) for frame in frames] == [two.frame(frame) for frame in frames]


def test_a_region_is_carried_into_a_frame_that_shows_none() -> None:
    decoder = FrameDecoder()
    first = decoder.frame(drawing.on_page(drawing.damaged())).located
    assert first
    carried = [decoder.frame(_EMPTY).located for _ in range(10)]
    assert carried[0] == first
    assert carried[-1] == ()


def test_a_code_is_read_in_the_first_frame_that_shows_it_well() -> None:
    decoder = FrameDecoder()
    sights = [decoder.frame(frame) for frame in (_EMPTY, _EMPTY, _FRAMED, _EMPTY)]
    assert [len(sight.symbols) for sight in sights] == [0, 0, 1, 0]


def test_a_lane_that_reads_linear_codes_only_reads_no_qr() -> None:
    assert not FrameDecoder((Symbology.EAN_13,)).frame(_FRAMED).symbols
