"""What a lane prints: a few lines on a slip, after the record that they speak of."""

from __future__ import annotations

from dataclasses import dataclass

MAX_LINES = 64


@dataclass(frozen=True, slots=True)
class Print:
    """Print and cut. :class:`NotPrinted` comes back about ``about`` if it could not be."""

    lines: tuple[str, ...]
    about: bytes


@dataclass(frozen=True, slots=True)
class NotPrinted:
    """No paper, or no printer. Nothing comes of a lane that has none by its configuration."""

    about: bytes
    fault: str
