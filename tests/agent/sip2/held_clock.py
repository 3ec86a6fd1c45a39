"""A clock that stands still."""

from __future__ import annotations

from agent.clock import Moment
from profiles.api import ClockState


class HeldClock:
    """Implements :class:`agent.clock.Clock`."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_ms(self) -> int:
        return self._now_ms

    def state(self) -> ClockState:
        return ClockState.SYNCHRONISED

    def moment(self) -> Moment:
        return Moment(self._now_ms, ClockState.SYNCHRONISED, uncertainty_ms=0)
