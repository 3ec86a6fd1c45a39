"""Which way a lane, or one reader of it, leads."""

from __future__ import annotations

from enum import StrEnum


class Direction(StrEnum):
    """As settings and records have it."""

    IN = "in"
    OUT = "out"

    @property
    def other(self) -> Direction:
        """The way back."""
        return Direction.OUT if self is Direction.IN else Direction.IN
