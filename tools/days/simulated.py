"""Simulated time for asyncio: an event loop that never waits, but moves its clock to the next thing that is due."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Coroutine
from typing import Any

from agent.clock import Moment
from profiles.api import ClockState


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of sleeping for a timeout, moves the loop's time on by it."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing is due and nothing can happen: the simulation hangs")
        if not ready and timeout:
            self.now_s += timeout
        return ready


class SimulatedLoop(asyncio.SelectorEventLoop):
    """``time()`` is the simulated time in seconds."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._jumping.now_s


class SimulatedClock:
    """Implements :class:`agent.clock.Clock` on the running loop's time."""

    def __init__(self, start_ms: int = 1_795_406_400_000) -> None:
        self._start_ms = start_ms
        self.quality = ClockState.SYNCHRONISED

    def now_ms(self) -> int:
        """Unix milliseconds, UTC."""
        return self._start_ms + self.monotonic_ms()

    def monotonic_ms(self) -> int:
        """The loop's time."""
        return round(asyncio.get_running_loop().time() * 1000)

    def state(self) -> ClockState:
        """As it was set."""
        return self.quality

    def moment(self) -> Moment:
        """Exact, whatever is said of it."""
        return Moment(self.now_ms(), self.quality, uncertainty_ms=0)


class SeededRandom:
    """Implements :class:`agent.clock.Random`: the same bytes each time."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)  # noqa: S311 -- it is there to be foreseen

    def token(self, size_bytes: int) -> bytes:
        """As many as asked for."""
        return self._random.randbytes(size_bytes)


def run_simulated(main: Coroutine[Any, Any, None]) -> None:
    """Run to the end in simulated time."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        runner.run(main)
