"""Finder patterns (ISO/IEC 18004 §5.3.3), to tell the citizen that the frame cuts the symbol off."""

from __future__ import annotations

from collections.abc import Sequence
from math import dist
from typing import NamedTuple

import cv2
import numpy as np

from drivers.vision.sight import Gray, Quad

_WORK_SIDE = 640
_PATTERN_MODULES = 7
_CONTOURS_MAX = 20_000
_AREA_MIN = 49.0
# Areas of ring, light ring and core are 49 : 25 : 9; blur and perspective move them.
_RING_RATIO = (1.25, 3.4)
_CORE_RATIO = (1.5, 5.0)


class Finder(NamedTuple):
    """One finder pattern: its centre and its side in pixels."""

    x: float
    y: float
    side: float


def finders(gray: Gray) -> list[Finder]:
    """Dark squares in light squares in dark squares, in pixels of ``gray``. A few milliseconds."""
    factor = max(1.0, max(gray.shape) / _WORK_SIDE)
    work = gray if factor == 1.0 else cv2.resize(gray, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    if min(work.shape) < _PATTERN_MODULES:
        return []
    dark = cv2.adaptiveThreshold(work, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 51, 5)
    contours, tree = cv2.findContours(dark, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    if len(contours) > _CONTOURS_MAX or not contours:
        return []
    found = []
    child = tree[0][:, 2]
    grandchild = np.where(child >= 0, child[child], -1)
    for index in map(int, np.flatnonzero(grandchild >= 0)):
        outer, ring, core = contours[index], child[index], grandchild[index]
        if (area := cv2.contourArea(outer)) < _AREA_MIN:
            continue
        middle = cv2.contourArea(contours[ring])
        inner = cv2.contourArea(contours[core])
        if not _between(area, middle, _RING_RATIO) or not _between(middle, inner, _CORE_RATIO):
            continue
        (x, y), (width, height), _ = cv2.minAreaRect(outer)
        if max(width, height) < 2 * min(width, height):
            found.append(Finder(x * factor, y * factor, (width * height) ** 0.5 * factor))
    return found


def runs_off(found: Sequence[Finder], shape: Sequence[int]) -> Quad | None:
    """The square that two finder patterns of like size span, if the frame shows no third and cuts the square.

    The two may be a side or the diagonal; only the side is taken, because a diagonal pair leaves both free corners
    in view or the third pattern readable.
    """
    if len(found) != 2:
        return None
    one, two = found
    if max(one.side, two.side) > 1.5 * min(one.side, two.side) or dist(one[:2], two[:2]) < 2 * one.side:
        return None
    height, width = shape
    reach = 1 + one.side / 2 / dist(one[:2], two[:2])
    across = ((two.y - one.y) * reach, (one.x - two.x) * reach)
    for sign in (1, -1):
        third, fourth = ((f.x + sign * across[0], f.y + sign * across[1]) for f in (one, two))
        if not all(0 <= x < width and 0 <= y < height for x, y in (third, fourth)):
            return ((one.x, one.y), (two.x, two.y), fourth, third)
    return None


def _between(large: float, small: float, ratio: tuple[float, float]) -> bool:
    return ratio[0] * small <= large <= ratio[1] * small
