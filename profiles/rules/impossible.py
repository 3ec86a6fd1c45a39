"""Impossible travel: the same person at two places, in less time than any way between them takes, is not one person."""

from __future__ import annotations

from profiles.api import ClockState

_MS_AN_HOUR = 3_600_000


def is_possible(metres: int, elapsed_ms: int, top_speed_kmh: int, clock: ClockState) -> bool:
    """Whether somebody can have come so far. Of a time that is not known, or runs backwards, nothing follows."""
    if elapsed_ms < 0 or clock is ClockState.UNTRUSTED:
        return True
    return metres * _MS_AN_HOUR <= elapsed_ms * top_speed_kmh * 1_000
