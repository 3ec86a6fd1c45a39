"""Simulated time, as days are played in."""

from __future__ import annotations

from tools.days.simulated import SimulatedClock, SimulatedLoop, run_simulated

__all__ = ["SimulatedClock", "SimulatedLoop", "run_simulated"]
