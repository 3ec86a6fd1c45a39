"""How often a device is asked that cannot tell by itself: quickly while something happens, less often at rest."""

from __future__ import annotations

REST_AFTER_NS = 3_000_000_000


class Pace:
    """Times are ``time.monotonic_ns()``. Of one thread."""

    def __init__(self, quick_ms: int, rest_ms: int) -> None:
        self._quick_ns = quick_ms * 1_000_000
        self._rest_ns = max(quick_ms, rest_ms) * 1_000_000
        self._happened_ns = 0

    def happened(self, now_ns: int) -> None:
        """Somebody is there, or something moved."""
        self._happened_ns = now_ns

    def next_ns(self, now_ns: int) -> int:
        """When to ask again."""
        at_rest = now_ns - self._happened_ns > REST_AFTER_NS
        return now_ns + (self._rest_ns if at_rest else self._quick_ns)
