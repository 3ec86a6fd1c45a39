"""What one ride has taken of a person's day and trip, so that it can be given back."""

from __future__ import annotations

from profiles.api import State


class Ride(State):
    """What a payment has taken of the person's day and trip, so that it can be given back."""

    line: str
    own_fen: int = 0
    """What it adds to the day's sum."""
    before_ms: int | None = None
    """When the ride before it was."""
    entered_ms: int | None = None
    """Since when the trip that it ends was open; null: it ended none."""
    station: int | None = None
    """And from where."""
    missing_exit: bool = False
    """It pays for an earlier trip that has no exit."""

    @property
    def public(self) -> dict[str, str | int | bool]:
        """What of it stands in the records of its money."""
        return {"line": self.line}
