"""How full the journal is, and in how many hours money stops at the present rate: told two days before.

What is kept for doors (:mod:`offline_store.reserve`) is not counted: it is what remains when money has stopped.

Measured in a thread, once a minute: a disk that hangs must not hold the event loop up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent.logs import log
from agent.threads import in_thread
from offline_store.database import DATABASE_NAME
from offline_store.outbox import Outbox
from offline_store.reserve import room_bytes

EVERY_S = 60.0
WINDOW_S = 86_400.0
"""The rate is that of the last day, or since the start."""
LEAST_S = 600.0
"""Before so much is known, nothing is said of the rate."""
LOW_HOURS = 48
_SAMPLES = 1_440


@dataclass(frozen=True, slots=True)
class BufferState:
    """``size_bytes`` of the database; ``hours_left`` until money stops, ``None`` while nobody can tell."""

    size_bytes: int = 0
    hours_left: int | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: when (seconds, monotonic), how many records there ever were, how many are there, and what room."""

    at_s: float
    head_seq: int
    retained: int
    size_bytes: int
    room_bytes: int


class BufferMeter:
    """The arithmetic, without a disk."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=_SAMPLES)

    def state(self, sample: Sample) -> BufferState:
        """What this look and those of the last day say."""
        if self._samples and self._samples[-1].head_seq > sample.head_seq:
            self._samples.clear()  # another chain
        self._samples.append(sample)
        while sample.at_s - self._samples[0].at_s > WINDOW_S:
            self._samples.popleft()
        first = self._samples[0]
        elapsed_s, grown = sample.at_s - first.at_s, sample.head_seq - first.head_seq
        if elapsed_s < LEAST_S or grown == 0 or sample.retained == 0:
            return BufferState(sample.size_bytes)
        bytes_an_hour = grown * (sample.size_bytes / sample.retained) * 3600 / elapsed_s
        return BufferState(sample.size_bytes, int(max(0, sample.room_bytes) / bytes_an_hour))


class BufferWatch:
    """One task on the event loop; ``low`` is told once each time that fewer than :data:`LOW_HOURS` are left."""

    def __init__(
        self, state_dir: Path, size_limit_bytes: int, low: Callable[[], None], *, reserve_bytes: int = 0
    ) -> None:
        self._state_dir = state_dir
        self._size_limit_bytes = size_limit_bytes
        self._reserve_bytes = reserve_bytes
        self._low = low
        self._is_low = False
        self._meter = BufferMeter()
        self.state = BufferState()

    async def run(self) -> None:
        """Watch until cancelled. A ``StoreError`` ends it; its supervisor begins it again."""
        while True:
            at_s = asyncio.get_running_loop().time()
            self._note(self._meter.state(await in_thread(partial(self._look, at_s), "buffer")))
            await asyncio.sleep(EVERY_S)

    def _note(self, state: BufferState) -> None:
        self.state = state
        is_low = state.hours_left is not None and state.hours_left < LOW_HOURS
        if is_low and not self._is_low:
            log().warning("journal is filling", hours_left=state.hours_left)
            self._low()
        self._is_low = is_low

    def _look(self, at_s: float) -> Sample:
        outbox = Outbox.open(self._state_dir)
        try:
            position = outbox.position()
        finally:
            outbox.close()
        size_bytes = (self._state_dir / DATABASE_NAME).stat().st_size
        room = room_bytes(self._state_dir, self._size_limit_bytes, self._reserve_bytes)
        retained = position.head_seq - position.first_retained + 1
        return Sample(at_s, position.head_seq, retained, size_bytes, room)
