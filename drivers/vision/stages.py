"""The stages: each takes a picture and returns the symbols it read, and notes where it suspects one.

What each rescues was found on photographs by trying which stage adds most to those before it; the order is by that
worth and by cost. Every reading is an error-corrected decode by zxing-cpp, or by zbar where that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from drivers.vision import zbar, zxing
from drivers.vision.picture import Picture
from drivers.vision.sight import Gray, Symbol, scaled

Stage = Callable[[Picture], list[Symbol]]

_DARKER = np.array([round(255 * (level / 255) ** 4) for level in range(256)], np.uint8)
_ZBAR_SIDE_MAX = 800


def direct(picture: Picture) -> list[Symbol]:
    """Read the picture as it is and no smaller: the everyday case, at half the cost of all that zxing-cpp can try."""
    return zxing.read(picture.gray, picture.symbologies, shrink=False).symbols


def shrunk(picture: Picture) -> list[Symbol]:
    """Read smaller copies too: large symbols, blur, the moiré of a monitor. Here is most evidence noted."""
    return _noted(picture, zxing.read(picture.gray, picture.symbologies))


def equalised(picture: Picture) -> list[Symbol]:
    """Lift local contrast: glare, shade, and the finder patterns that these hid."""
    return _noted(picture, zxing.read(picture.equalised))


def fine_threshold(picture: Picture) -> list[Symbol]:
    """Compare each pixel with its close neighbourhood: steep brightness edges, bright spots, a bent surface."""
    return _noted(picture, zxing.read(_local(picture.gray, 15)))


def enlarged(picture: Picture) -> list[Symbol]:
    """Sharpen and double the picture: a phone too far away, modules of less than two pixels, slight blur."""
    sharp = cv2.addWeighted(picture.gray, 2, cv2.GaussianBlur(picture.gray, (0, 0), 1), -1, 0)
    double = cv2.resize(sharp, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    return _noted(picture, zxing.read(double, shrink=False, magnified=2))


def region_equalised(picture: Picture) -> list[Symbol]:
    """Rectify what was located and equalise it alone: perspective, and glare beside the symbol."""
    return _on_patches(picture, lambda patch: cv2.createCLAHE(4, (4, 4)).apply(patch))


def region_threshold(picture: Picture) -> list[Symbol]:
    """Smooth the rectified region and threshold it locally: noise, moiré of a screen, uneven light."""
    return _on_patches(picture, lambda patch: _local(cv2.GaussianBlur(patch, (0, 0), 2), 51))


def darker(picture: Picture) -> list[Symbol]:
    """Spread the highlights: over-exposed pictures."""
    return _noted(picture, zxing.read(cv2.LUT(picture.gray, _DARKER)))


def one_threshold(picture: Picture) -> list[Symbol]:
    """One threshold for the whole picture: texture inside the modules, which local thresholds follow."""
    return _noted(picture, zxing.read(picture.gray, histogram=True))


def second_engine(picture: Picture) -> list[Symbol]:
    """Let zbar look, shrunk and median-filtered: damaged finder patterns, pictures inside the modules. Dearest.

    It reads more of a picture of moderate size than of a large one, in half the time.
    """
    factor = max(1.0, float(max(picture.gray.shape)) / _ZBAR_SIDE_MAX)
    size = (max(1, round(picture.gray.shape[1] / factor)), max(1, round(picture.gray.shape[0] / factor)))
    small = picture.gray if factor == 1.0 else cv2.resize(picture.gray, size, interpolation=cv2.INTER_AREA)
    return [replace(one, quad=scaled(one.quad, factor)) for one in zbar.read(cv2.medianBlur(small, 3))]


def inverted(picture: Picture) -> list[Symbol]:
    """Swap dark and light: a phone in its dark mode."""
    return _noted(picture, zxing.read(picture.gray, invert=True))


class Step(NamedTuple):
    """A stage in the order of the cascade. A stage that ``needs_evidence`` runs only on a suspicious picture."""

    name: str
    stage: Stage
    needs_evidence: bool = False


CHEAP = (Step("direct", direct), Step("shrunk", shrunk))
"""For every picture, and the only ones for linear codes."""

NEAR = Step("region equalised", region_equalised, needs_evidence=True)
"""What is cheap enough for every frame that holds a region, and rescues most."""

HARD = (
    Step("equalised", equalised),
    Step("fine threshold", fine_threshold),
    Step("inverted", inverted),
    NEAR,
    Step("darker", darker, needs_evidence=True),
    Step("one threshold", one_threshold, needs_evidence=True),
    Step("region threshold", region_threshold, needs_evidence=True),
    Step("second engine", second_engine, needs_evidence=True),
    Step("enlarged", enlarged),
)
"""For pictures that the cheap ones did not read."""


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
