"""When a configuration on trial has proven itself, and when it has failed: looks at the terminal in, a verdict out.

1. Whatever was not well before the trial began is excused: a printer that was broken, a network that was down.
2. Everything else, every reader and board of a lane and the platform, may be amiss for ``PATIENCE_S`` at a time; beyond
   that the trial has failed. A terminal that has just started is amiss until its parts are there.
3. When the trial's time is over, all of it must be well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from agent.configuration.standing import Why

PATIENCE_S = 60.0
PLATFORM = "@platform"
"""The platform among the parts; no device is named like this."""


class Verdict(Enum):
    """How a trial ended."""

    PROVEN = auto()
    FAILED = auto()


@dataclass
class TrialWatch:
    """One trial, from the start of the process on. Seconds are monotonic."""

    begun_s: float
    trial_s: float
    excused: frozenset[str]
    _amiss: frozenset[str] = field(default=frozenset(), init=False)
    _since_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._since_s = self.begun_s

    @property
    def why(self) -> Why:
        """What was amiss at the last look."""
        return Why.PLATFORM_LOST if self._amiss == {PLATFORM} else Why.DEVICES_LOST

    def look(self, now_s: float, amiss: frozenset[str]) -> Verdict | None:
        """One look; ``None`` while it is not decided."""
        self._amiss = amiss - self.excused
        if not self._amiss:
            self._since_s = now_s
        if now_s >= self.begun_s + self.trial_s:
            return Verdict.FAILED if self._amiss else Verdict.PROVEN
        if now_s >= self._since_s + PATIENCE_S:
            return Verdict.FAILED
        return None
