"""The pulses of one decision: given by the commit itself, or refused by its deadline, never both.

The journal's writer gives the pulse in the moment of the commit, without waiting for the event loop's next turn: the
gate does not move later because the loop is busy, and never before its record is on the disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from profiles.api import Actuate


class Opening:
    """One-shot permission; whoever claims it first decides."""

    def __init__(self, pulses: Sequence[Actuate], give: Callable[[Actuate], None]) -> None:
        self._pulses = pulses
        self._give = give
        self._claim = threading.Lock()

    def follow(self, pending: Future[Any]) -> None:
        """Give the pulses when ``pending`` ends well; ``give`` is called in the thread that ends it."""
        if self._pulses:
            pending.add_done_callback(self._committed)

    def refuse(self) -> bool:
        """The deadline has passed. ``False`` if the commit was first and the pulses are given."""
        return self._claim.acquire(blocking=False)

    def _committed(self, pending: Future[Any]) -> None:
        if pending.exception() is None and self._claim.acquire(blocking=False):
            for pulse in self._pulses:
                self._give(pulse)
