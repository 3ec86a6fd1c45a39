"""The door of this room: what a camera driver or a command imports from it, and nothing else.

``still(gray, symbologies)`` tries all stages on one picture within a budget; ``FrameDecoder(symbologies).frame(gray)``
takes a stream, with a cheap path and one hard stage a frame. Pictures are grey, shape (height, width), uint8. Nothing
that a picture shows raises: what cannot be read is not in the :class:`Sight`.
"""

from drivers.vision.frames import FrameDecoder
from drivers.vision.health import ReadingHealth
from drivers.vision.sight import Gray, Located, Problem, Quad, Sight, Symbol, Symbology
from drivers.vision.still import BUDGET_MS, still

__all__ = [
    "BUDGET_MS",
    "FrameDecoder",
    "Gray",
    "Located",
    "Problem",
    "Quad",
    "ReadingHealth",
    "Sight",
    "Symbol",
    "Symbology",
    "still",
]
