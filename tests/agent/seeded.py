"""Randomness that a test can repeat."""

from __future__ import annotations

from tools.days.simulated import SeededRandom

__all__ = ["SeededRandom"]
