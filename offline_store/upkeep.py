"""What the journal's writer does in quiet moments: old records leave, the terminal's key signs what waits, and the
reserve for a full disk is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from offline_store.errors import StoreError
from offline_store.journal import Journal
from offline_store.pruning import PORTION

QUIET_S = 0.05
EVERY_S = 60.0

KeptSince = Callable[[], int | None]
"""Unix milliseconds: acknowledged records from before may go; ``None`` while nobody knows the time."""


def keep_everything() -> int | None:
    """Nothing is ever old enough."""
    return None


@dataclass
class Upkeep:
    """Due every minute, and at once again while there is more to do than one portion."""

    journal: Journal
    kept_since: KeptSince
    keep_reserve: Callable[[], None] = lambda: None
    _due_s: float = 0.0

    def due_in_s(self) -> float:
        """How long a quiet moment must last for it."""
        return max(QUIET_S, self._due_s - time.monotonic())

    def do(self) -> None:
        """One portion. A fault loses nothing, and is met again by the next append, which says so."""
        if time.monotonic() < self._due_s:
            return
        self.keep_reserve()
        with suppress(StoreError):  # on a full disk only what leaves it makes room
            self.journal.sign_what_waits()
        try:
            kept_since_ms = self.kept_since()
            more = kept_since_ms is not None and self.journal.prune(kept_since_ms) == PORTION
        except StoreError:
            more = False
        self._due_s = time.monotonic() + (0.0 if more else EVERY_S)
