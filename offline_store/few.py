"""A bound for what costs much and would help little if it were done again and again."""

from __future__ import annotations

from collections import deque

HOUR_MS = 3_600_000


class FewAnHour:
    """Counts what was allowed within the last hour."""

    def __init__(self, most: int) -> None:
        self._at_ms: deque[int] = deque(maxlen=most)

    def allows(self, now_ms: int) -> bool:
        """Whether it may be done at this moment (monotonic milliseconds); then it counts."""
        if len(self._at_ms) == self._at_ms.maxlen and now_ms < self._at_ms[0] + HOUR_MS:
            return False
        self._at_ms.append(now_ms)
        return True
