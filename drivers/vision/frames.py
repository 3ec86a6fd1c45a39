"""A stream of frames: a cheap pass on each, and while nothing is read one hard stage in rotation, and the regions."""

from __future__ import annotations

from collections.abc import Collection

from drivers.vision.picture import Picture, Region
from drivers.vision.sight import Gray, Sight, Symbology
from drivers.vision.stages import CHEAP, HARD, NEAR, Step
from drivers.vision.still import sight_of

CARRIED_FRAMES = 5
"""How long a region that was located once is still tried: a sixth of a second at 30 frames a second."""

_TURNS = tuple(step for step in HARD if step is not NEAR)


class FrameDecoder:
    """Decodes consecutive frames of one camera. The same frames in the same order give the same sights.

    What it keeps is the turn of the rotation and the regions of the last frames; a hand holds a phone still enough
    that a region located in one frame is worth a hard stage in the next, whatever that one shows.
    """

    def __init__(self, symbologies: Collection[Symbology] = (Symbology.QR,)) -> None:
        self._symbologies = frozenset(symbologies)
        self._turn = 0
        self._carried: tuple[Region, ...] = ()
        self._carried_left = 0

    def frame(self, gray: Gray) -> Sight:
        """What this frame shows; ``gray`` as for ``still``. Cheap stages, one hard one, then the regions."""
        picture = Picture(gray, self._symbologies)
        for step in CHEAP:
            if symbols := step.stage(picture):
                self._turn = 0
                self._carry(picture)
                return sight_of(picture, symbols, step.name)
        if Symbology.QR not in self._symbologies:
            return Sight()
        picture.suspect(self._carried)
        for step in (self._next(evidence=picture.suspicious), NEAR):
            if symbols := step.stage(picture):
                break
        self._carry(picture)
        return sight_of(picture, symbols, step.name)

    def _next(self, *, evidence: bool) -> Step:
        """The next hard stage in turn that this picture allows; one of them needs no evidence, so there is one."""
        while True:
            step = _TURNS[self._turn]
            self._turn = (self._turn + 1) % len(_TURNS)
            if evidence or not step.needs_evidence:
                return step

    def _carry(self, picture: Picture) -> None:
        fresh = tuple(region for region in picture.regions if region not in self._carried)
        if fresh:
            self._carried, self._carried_left = fresh, CARRIED_FRAMES
        elif self._carried_left:
            self._carried_left -= 1
        if not self._carried_left:
            self._carried = ()
