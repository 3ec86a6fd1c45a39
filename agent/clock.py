"""The terminal's clock and randomness, injected everywhere so that simulated time can stand in."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Protocol

from agent.kernel_time import kernel_clock
from profiles.api import ClockState


@dataclass(frozen=True, slots=True)
class Moment:
    """A reading of the clock: the true time is within ``uncertainty_ms`` of ``now_ms`` unless it is untrusted."""

    now_ms: int
    state: ClockState
    uncertainty_ms: int
    floor_ms: int = field(default=0, compare=False)
    """It is not earlier, whatever an untrusted clock says."""

    @property
    def least_ms(self) -> int:
        """What is over by then has ended: a clock that lost the time gives nobody more of it."""
        return max(self.now_ms, self.floor_ms)

    @property
    def is_lost(self) -> bool:
        """Whether the clock says a time that has certainly passed: what has begun by now it does not know."""
        return self.now_ms < self.floor_ms


class Clock(Protocol):
    """Where time comes from."""

    def now_ms(self) -> int:
        """Unix milliseconds, UTC."""

    def monotonic_ms(self) -> int:
        """Milliseconds that never go back while the machine is up, suspend included: CLOCK_BOOTTIME."""

    def state(self) -> ClockState:
        """How far :meth:`now_ms` can be trusted."""

    def moment(self) -> Moment:
        """Time, state and uncertainty in one reading."""


class Random(Protocol):
    """Where randomness comes from."""

    def token(self, size_bytes: int) -> bytes:
        """Unpredictable bytes."""


class SystemRandom:
    """The kernel's random numbers."""

    def token(self, size_bytes: int) -> bytes:
        """``os.urandom``."""
        return os.urandom(size_bytes)


class SystemClock:
    """The machine's clock, with what the kernel says of it."""

    def __init__(self) -> None:
        self._read = kernel_clock()

    def now_ms(self) -> int:
        """Unix milliseconds, UTC."""
        return self._read().now_ms

    def monotonic_ms(self) -> int:
        """Milliseconds of CLOCK_BOOTTIME."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def state(self) -> ClockState:
        """Synchronised if the kernel's clock is disciplined, else untrusted."""
        return self.moment().state

    def moment(self) -> Moment:
        """The uncertainty is the kernel's maximum error."""
        kernel = self._read()
        state = ClockState.SYNCHRONISED if kernel.synchronised else ClockState.UNTRUSTED
        return Moment(kernel.now_ms, state, kernel.max_error_ms)


class RecordIds:
    """UUIDv7 (RFC 9562 §5.7), 16 bytes: 48 bits of Unix milliseconds, then randomness; unique, and nearly in order."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random

    def new(self, now_ms: int | None = None) -> bytes:
        """A fresh id, of this moment where the caller knows it."""
        tail = bytearray(self._random.token(10))
        tail[0] = 0x70 | (tail[0] & 0x0F)
        tail[2] = 0x80 | (tail[2] & 0x3F)
        at_ms = self._clock.now_ms() if now_ms is None else now_ms
        return (at_ms & 0xFFFF_FFFF_FFFF).to_bytes(6, "big") + bytes(tail)
