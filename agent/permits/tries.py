"""How often permits may be refused: five times in ten minutes, each an alarm in the journal; then none is looked at.

The count is a durable mark, so that neither a restart nor a pulled plug begins it anew.
"""

from __future__ import annotations

from offline_store.marks import Mark

SCOPE, KEY = "permit.refused", b"terminal"
MOST, WINDOW_MS = 5, 600_000
_COUNT_BITS = 4


def are_used_up(value: int | None, now_ms: int) -> bool:
    """By the mark's value. A window that a false time began ahead of now is none: it must lock nobody out for years."""
    return _count(value, now_ms) >= MOST


def one_more(value: int | None, now_ms: int) -> Mark:
    """The mark after another refusal."""
    count = _count(value, now_ms)
    began_ms = now_ms if count == 0 or value is None else value >> _COUNT_BITS
    return Mark(SCOPE, KEY, began_ms << _COUNT_BITS | count + 1, began_ms + WINDOW_MS)


def _count(value: int | None, now_ms: int) -> int:
    if value is None or not 0 <= now_ms - (value >> _COUNT_BITS) < WINDOW_MS:
        return 0
    return value & (1 << _COUNT_BITS) - 1
