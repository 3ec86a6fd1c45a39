"""The double-presentation window: the same card again at once is one presentation, not two."""

from __future__ import annotations

from profiles.api import Facts, Mark


def used_just_now(scope: str, medium: bytes, window_ms: int, facts: Facts) -> bool:
    """Whether the medium was used within the window; a mark from a clock that ran ahead counts for nothing."""
    used_ms = facts.mark(scope, medium)
    return used_ms is not None and 0 <= facts.now_ms - used_ms < window_ms


def used(scope: str, medium: bytes, window_ms: int, facts: Facts) -> Mark:
    """The mark of a use: it goes into the record of the use."""
    return Mark(scope, medium, facts.now_ms, facts.now_ms + window_ms)


def not_used(scope: str, medium: bytes, facts: Facts) -> Mark:
    """The mark that gives the right back at once."""
    return Mark(scope, medium, 0, facts.now_ms)
