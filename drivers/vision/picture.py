"""One picture on its way through the stages, with what they found out about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

from drivers.vision.finders import Finder, finders, runs_off
from drivers.vision.sight import (
    Gray,
    Located,
    Problem,
    Quad,
    Symbol,
    Symbology,
    apart,
    area_of,
    centre_of,
    holds,
    scaled,
)

REGIONS_MAX = 4
"""Regions kept of one picture: each costs the region stages their time."""
_SIDE_MAX = 1920
_PATCH_SIDE = 420
_PATCH_MARGIN = 50
"""In pixels of the patch: a quiet zone of 4 modules for most versions (ISO/IEC 18004 §5.3.8)."""
_AREA_MIN = 100.0
_MODULE_MIN_PX = 2.5
_BORDER_PX = 2.0


@dataclass(frozen=True, slots=True)
class Region:
    """Where a QR symbol stands that was not read. ``modules`` is its side, 0 when not even that was told."""

    quad: Quad
    modules: int = 0

    @property
    def problem_size(self) -> bool:
        """Whether its modules are too small to be told apart (version 1, 21 modules, is the most lenient guess)."""
        return bool(area_of(self.quad) ** 0.5 < _MODULE_MIN_PX * (self.modules or 21))


@dataclass
class Picture:
    """A grey picture and the regions in it that look like a symbol. Coordinates are those of ``gray``."""

    source: Gray
    symbologies: frozenset[Symbology]
    regions: list[Region] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.source.ndim != 2 or self.source.dtype != np.uint8 or not self.source.size:
            raise ValueError("a picture is an array of height × width grey bytes")

    @cached_property
    def factor(self) -> float:
        """Source pixels per pixel of ``gray``: pictures beyond Full HD are shrunk, which bounds every stage."""
        return max(1.0, float(max(self.source.shape)) / _SIDE_MAX)

    @cached_property
    def gray(self) -> Gray:
        """What the stages look at."""
        if self.factor == 1.0:
            return np.ascontiguousarray(self.source)
        height, width = (max(1, round(side / self.factor)) for side in self.source.shape)
        return cv2.resize(self.source, (width, height), interpolation=cv2.INTER_AREA)

    @cached_property
    def equalised(self) -> Gray:
        """Contrast-limited adaptive histogram equalisation: local contrast where glare or shade took it."""
        return cv2.createCLAHE(4, (4, 4)).apply(self.gray)

    @cached_property
    def finders(self) -> list[Finder]:
        """The finder patterns that outlines show."""
        return finders(self.gray)

    @property
    def suspicious(self) -> bool:
        """Whether anything speaks for a symbol: a region, or two finder patterns. Empty frames hardly ever do."""
        return bool(self.regions) or len(self.finders) > 1

    def suspect(self, regions: Iterable[Region]) -> None:
        """Note regions, once each and bounded in number."""
        for region in regions:
            known = any(holds(other.quad, centre_of(region.quad)) for other in self.regions)
            if not known and area_of(region.quad) >= _AREA_MIN and len(self.regions) < REGIONS_MAX:
                self.regions.append(region)

    def patch(self, region: Region) -> tuple[Gray, Gray]:
        """The region as a square, and the 3 × 3 matrix from the square back into the picture."""
        far = _PATCH_SIDE - _PATCH_MARGIN
        near = _PATCH_MARGIN
        square = np.array([(near, near), (far, near), (far, far), (near, far)], np.float32)
        back = cv2.getPerspectiveTransform(square, np.array(region.quad, np.float32))
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (_PATCH_SIDE, _PATCH_SIDE)
        return cv2.warpPerspective(self.gray, back, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), back

    def located(self, symbols: Iterable[Symbol]) -> tuple[Located, ...]:
        """The regions that no symbol covers, each with its problem, in pixels of the source."""
        quads = apart((region.quad for region in self.regions), [symbol.quad for symbol in symbols])
        left = [region for region in self.regions if region.quad in quads]
        return tuple(Located(scaled(one.quad, self.factor), self._problem(one)) for one in left)

    def _problem(self, region: Region) -> Problem:
        height, width = self.gray.shape
        xs = [x for x, _ in region.quad]
        ys = [y for _, y in region.quad]
        low, high = _BORDER_PX, 1 + _BORDER_PX
        if min(xs) < low or min(ys) < low or max(xs) > width - high or max(ys) > height - high:
            return Problem.CUT
        return Problem.SMALL if region.problem_size else Problem.UNREAD

    def cut(self) -> tuple[Located, ...]:
        """A symbol of which the frame shows two finder patterns only; nothing else here can see such a one."""
        quad = runs_off(self.finders, self.gray.shape)
        return () if quad is None else (Located(scaled(quad, self.factor), Problem.CUT),)
