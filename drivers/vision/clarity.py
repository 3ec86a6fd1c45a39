"""Whether a camera's picture is light and sharp enough for codes, by the picture alone.

A sum of gradients says nothing across scenes: a bare wall has none. So edges are measured by how much steeper they are
at full resolution than after a blur of known width. A sharp edge loses most of its steepness to that blur, one that
the lens had blurred before loses little; where nothing in view has contrast, nobody can tell.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.vision.sight import Gray

DARK_LEVEL = 40.0
"""Mean grey level, 0 to 255: below it paper codes drown in the sensor's noise."""
BRIGHT_LEVEL = 225.0
SHARP_RATIO = 1.6
"""A lens that blurs by some three pixels: modules of that size run into each other."""
_NOISE_SIGMA = 0.8
_BLUR_SIGMA = 4.0
_STEEPEST = 99.7
_CONTRAST_MIN = 2.0
"""Grey levels a pixel, after the blur: with less there are no edges to judge by."""


@dataclass(frozen=True, slots=True)
class Clarity:
    """``level`` is the mean grey, 0 to 255; ``ratio`` how much steeper edges are than blurred ones, or ``None``."""

    level: float
    ratio: float | None

    @property
    def is_dark(self) -> bool:
        """Too little light."""
        return self.level < DARK_LEVEL

    @property
    def is_bright(self) -> bool:
        """So much light that nothing has contours."""
        return self.level > BRIGHT_LEVEL

    @property
    def is_blurred(self) -> bool:
        """There are edges in view, and none is steep."""
        return self.ratio is not None and self.ratio < SHARP_RATIO


def clarity(gray: Gray) -> Clarity:
    """Measure one picture, shape (height, width), uint8."""
    import cv2
    import numpy as np

    fine = _steepness(cv2.GaussianBlur(gray, (0, 0), _NOISE_SIGMA))
    coarse = _steepness(cv2.GaussianBlur(gray, (0, 0), _BLUR_SIGMA))
    return Clarity(float(np.mean(gray)), fine / coarse if coarse >= _CONTRAST_MIN else None)


def _steepness(gray: Gray) -> float:
    """Grey levels a pixel across the steepest edges."""
    import cv2
    import numpy as np

    across = cv2.Sobel(gray, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(gray, cv2.CV_32F, 0, 1, scale=1 / 8)
    return float(np.percentile(cv2.magnitude(across, down), _STEEPEST))
