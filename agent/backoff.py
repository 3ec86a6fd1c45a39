"""How long to wait before the next try: doubling, capped, jittered."""

from __future__ import annotations

from agent.clock import Random


class Backoff:
    """Delays of ``first``, 2 × ``first`` … up to ``cap`` milliseconds, each shortened at random by up to a half."""

    def __init__(self, random: Random, first_ms: int = 250, cap_ms: int = 5_000) -> None:
        self._random = random
        self._first_ms = first_ms
        self._cap_ms = cap_ms
        self._tries = 0

    def next_ms(self) -> int:
        """The delay before the next try."""
        full_ms = min(self._cap_ms, self._first_ms << min(self._tries, 16))
        self._tries += 1
        share = int.from_bytes(self._random.token(2), "big")
        return full_ms - full_ms * share // 0x1_FFFF

    def reset(self) -> None:
        """It worked: start small the next time."""
        self._tries = 0
