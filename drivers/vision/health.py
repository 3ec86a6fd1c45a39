"""Whether a camera still reads as it used to: symbols located and not read, against the camera's own history."""

from __future__ import annotations

from dataclasses import dataclass

_RECENT_WEIGHT = 1 / 20
_HISTORY_WEIGHT = 1 / 500
_RISE = 0.35
_FALL = 0.15
_EVENTS_MIN = 40


@dataclass
class ReadingHealth:
    """Two exponentially weighted shares of failed presentations: of late, and in the camera's history.

    A presentation is one phone held up: located and then read, or located and never read. ``raised`` turns on when the
    recent share exceeds the history by 0.35, and off when it is within 0.15 of it: a dirty or moved camera. The history
    stands still while the flag is up, or the fault would become the normal case. Nothing is judged before the first 40.
    """

    located_unread: int = 0
    presentations: int = 0
    recent: float = 0.0
    history: float = 0.0
    raised: bool = False

    def note(self, *, read: bool) -> bool:
        """Count one presentation; whether the flag is up now."""
        failed = 0.0 if read else 1.0
        self.presentations += 1
        self.located_unread += not read
        self.recent += (failed - self.recent) * _RECENT_WEIGHT
        if not self.raised:
            weight = max(_HISTORY_WEIGHT, 1 / self.presentations)
            self.history += (failed - self.history) * weight
        rise = self.recent - self.history
        if self.presentations >= _EVENTS_MIN:
            self.raised = rise > (_FALL if self.raised else _RISE)
        return self.raised
