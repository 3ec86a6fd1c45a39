"""Alarms about what the platform's side of the wire does: one a minute and cause, with their number.

A broker that forges at speed floods nobody.
"""

from __future__ import annotations

from agent.clock import Clock
from agent.sync.contract import Alarm

ALARM_PAUSE_MS = 60_000


class Complaints:
    """Counts what is wrong, by cause."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._causes: dict[str, tuple[int, int]] = {}

    def about(self, code: str, source: str | None) -> Alarm | None:
        """The alarm to send now; ``None`` while one about the same cause is less than a minute old."""
        now_ms = self._clock.monotonic_ms()
        cause = source or code
        silent_until_ms, pending = self._causes.get(cause, (now_ms, 0))
        if now_ms < silent_until_ms:
            self._causes[cause] = (silent_until_ms, pending + 1)
            return None
        self._causes[cause] = (now_ms + ALARM_PAUSE_MS, 0)
        return Alarm(code=code, at_ms=self._clock.now_ms(), source=source, count=pending + 1)
