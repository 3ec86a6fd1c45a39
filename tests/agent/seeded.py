"""Randomness that a test can repeat."""

from __future__ import annotations

import random


class SeededRandom:
    """Implements :class:`agent.clock.Random`."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)

    def token(self, size_bytes: int) -> bytes:
        return self._random.randbytes(size_bytes)
