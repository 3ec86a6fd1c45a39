"""The stages: each takes a picture and returns the symbols it read, and notes where it suspects one.

What each rescues was found on photographs by trying which stage adds most to those before it; the order is by that
worth and by cost. Every reading is an error-corrected decode by zxing-cpp, or by zbar where that says so.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from drivers.vision import zbar, zxing
from drivers.vision.picture import Picture
from drivers.vision.sight import Gray, Symbol

Stage = Callable[[Picture], list[Symbol]]

_DARKER = np.array([round(255 * (level / 255) ** 4) for level in range(256)], np.uint8)
_KERNEL = np.ones((5, 5), np.uint8)


def direct(picture: Picture) -> list[Symbol]:
    """Read the picture as it is: the everyday case, and the only stage for linear codes."""
    return _noted(picture, zxing.read(picture.gray, picture.symbologies))


def equalised(picture: Picture) -> list[Symbol]:
    """Lift local contrast: glare, shade, and the finder patterns that these hid."""
    return _noted(picture, zxing.read(picture.equalised))


def fine_threshold(picture: Picture) -> list[Symbol]:
    """Compare each pixel with its close neighbourhood: steep brightness edges, bright spots, a bent surface."""
    return _noted(picture, zxing.read(_local(picture.gray, 15)))


def region_equalised(picture: Picture) -> list[Symbol]:
    """Rectify what was located and equalise it alone: perspective, and glare beside the symbol."""
    return _on_patches(picture, lambda patch: cv2.createCLAHE(4, (4, 4)).apply(patch))


def region_threshold(picture: Picture) -> list[Symbol]:
    """Smooth the rectified region and threshold it locally: noise, moiré of a screen, uneven light."""
    return _on_patches(picture, lambda patch: _local(cv2.GaussianBlur(patch, (0, 0), 2), 51))


def region_closed(picture: Picture) -> list[Symbol]:
    """Close dark gaps in the rectified region: dots, dust and scratches."""
    return _on_patches(picture, lambda patch: cv2.morphologyEx(patch, cv2.MORPH_CLOSE, _KERNEL))


def darker(picture: Picture) -> list[Symbol]:
    """Spread the highlights: over-exposed pictures."""
    return _noted(picture, zxing.read(cv2.LUT(picture.gray, _DARKER)))


def one_threshold(picture: Picture) -> list[Symbol]:
    """One threshold for the whole picture: texture inside the modules, which local thresholds follow."""
    return _noted(picture, zxing.read(picture.gray, histogram=True))


def second_engine(picture: Picture) -> list[Symbol]:
    """Let zbar look, after a median filter: damaged finder patterns, pictures inside the modules. Dearest."""
    return zbar.read(cv2.medianBlur(picture.gray, 3))


def inverted(picture: Picture) -> list[Symbol]:
    """Swap dark and light: a phone in its dark mode."""
    return _noted(picture, zxing.read(picture.gray, invert=True))


FINDING: tuple[tuple[str, Stage], ...] = (
    ("equalised", equalised),
    ("fine threshold", fine_threshold),
    ("inverted", inverted),
)
"""Hard stages that also run without evidence of a symbol: they are cheap and find their own."""

HARD: tuple[tuple[str, Stage], ...] = (
    ("region equalised", region_equalised),
    ("region threshold", region_threshold),
    ("darker", darker),
    ("one threshold", one_threshold),
    ("region closed", region_closed),
    ("second engine", second_engine),
)
"""Hard stages that run only where something looks like a symbol."""


def _noted(picture: Picture, found: zxing.Found) -> list[Symbol]:
    picture.suspect(found.regions)
    return found.symbols


def _local(gray: Gray, block_px: int) -> Gray:
    return cv2.adaptiveThreshold(gray, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, block_px, 2)


def _on_patches(picture: Picture, treat: Callable[[Gray], Gray]) -> list[Symbol]:
    symbols: list[Symbol] = []
    for region in picture.regions:
        patch, back = picture.patch(region)
        symbols += zxing.read_patch(treat(patch), back)
    return symbols
