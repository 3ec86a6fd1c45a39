"""A stream of frames: a cheap pass on each, and one hard stage a frame in rotation while nothing is read."""

from __future__ import annotations

from collections.abc import Collection

from drivers.vision.picture import Picture, Region
from drivers.vision.sight import Gray, Sight, Symbology
from drivers.vision.stages import CHEAP, HARD
from drivers.vision.still import sight_of

CARRIED_FRAMES = 5
"""How long a region that was located once is still tried: a sixth of a second at 30 frames a second."""


class FrameDecoder:
    """Decodes consecutive frames of one camera. The same frames in the same order give the same sights.

    What it keeps is the turn of the rotation and the regions of the last frames; a hand holds a phone still enough
    that a region located in one frame is worth a hard stage in the next, where nothing was located.
    """

    def __init__(self, symbologies: Collection[Symbology] = (Symbology.QR,)) -> None:
        self._symbologies = frozenset(symbologies)
        self._turn = 0
        self._carried: tuple[Region, ...] = ()
        self._carried_left = 0

    def frame(self, gray: Gray) -> Sight:
        """What this frame shows; ``gray`` as for ``still``. The cheap stages run, and at most one hard one."""
        picture = Picture(gray, self._symbologies)
        for step in CHEAP:
            if symbols := step.stage(picture):
                self._turn = 0
                self._carry(picture)
                return sight_of(picture, symbols, step.name)
        if Symbology.QR not in self._symbologies:
            return Sight()
        if not picture.regions:
            picture.suspect(self._carried)
        rotation = [step for step in HARD if picture.suspicious or not step.needs_evidence]
        step = rotation[self._turn % len(rotation)]
        self._turn += 1
        symbols = step.stage(picture)
        self._carry(picture)
        return sight_of(picture, symbols, step.name)

    def _carry(self, picture: Picture) -> None:
        regions = tuple(picture.regions)
        if regions and regions != self._carried:
            self._carried, self._carried_left = regions, CARRIED_FRAMES
        elif self._carried_left:
            self._carried_left -= 1
        if not self._carried_left:
            self._carried = ()
