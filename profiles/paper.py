"""What a lane prints: a few lines on a slip, after the record that they speak of.

A decision says only what the slip is about: its lines are written when it is printed, and by nobody where a lane has no
printer, so that no citizen waits for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

MAX_LINES = 64


class Slip(Protocol):
    """Something to print; frozen, and printed by a thread of its own."""

    @property
    def lines(self) -> tuple[str, ...]:
        """What stands on it, from the top."""


@dataclass(frozen=True, slots=True)
class Lines:
    """A slip that is written already."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Print:
    """Print and cut. :class:`NotPrinted` comes back about ``about`` if it could not be."""

    slip: Slip
    about: bytes


@dataclass(frozen=True, slots=True)
class NotPrinted:
    """No paper, or no printer. Nothing comes of a lane that has none by its configuration."""

    about: bytes
    fault: str
