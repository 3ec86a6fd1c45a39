"""The terminal's clock and randomness, injected everywhere so that simulated time can stand in."""

from __future__ import annotations

import ctypes
import os
import time
from dataclasses import dataclass
from typing import Protocol

from profiles.api import ClockState

_TIME_ERROR = 5  # <linux/timex.h>: the kernel's clock is not disciplined by NTP, chrony or PTP
_TIMEX_SIZE_BYTES = 256  # struct timex is 208 bytes on 64-bit Linux; modes = 0 only reads
_MAX_ERROR_OFFSET = 3 * ctypes.sizeof(ctypes.c_long)  # ``maxerror``, in microseconds, behind modes, offset and freq
_STATE_AGE_NS = 10_000_000_000


@dataclass(frozen=True, slots=True)
class Moment:
    """A reading of the clock: the true time is within ``uncertainty_ms`` of ``now_ms`` unless it is untrusted."""

    now_ms: int
    state: ClockState
    uncertainty_ms: int


class Clock(Protocol):
    """Where time comes from."""

    def now_ms(self) -> int:
        """Unix milliseconds, UTC."""

    def monotonic_ms(self) -> int:
        """Milliseconds that never go back while the terminal is up."""

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
    """The machine's clock; synchronised is what the kernel says of itself (adjtimex(2)), asked every ten seconds."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._state = ClockState.UNTRUSTED
        self._uncertainty_ms = 0
        self._asked_ns: int | None = None

    def now_ms(self) -> int:
        """Unix milliseconds, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Milliseconds of CLOCK_MONOTONIC."""
        return time.monotonic_ns() // 1_000_000

    def state(self) -> ClockState:
        """Synchronised if the kernel's clock is disciplined, else untrusted."""
        now_ns = time.monotonic_ns()
        if self._asked_ns is None or now_ns - self._asked_ns > _STATE_AGE_NS:
            timex = ctypes.create_string_buffer(_TIMEX_SIZE_BYTES)
            answer = self._libc.adjtimex(timex)
            self._state = ClockState.UNTRUSTED if answer in (-1, _TIME_ERROR) else ClockState.SYNCHRONISED
            self._uncertainty_ms = -(-ctypes.c_long.from_buffer(timex, _MAX_ERROR_OFFSET).value // 1000)
            self._asked_ns = now_ns
        return self._state

    def moment(self) -> Moment:
        """The uncertainty is the kernel's maximum error."""
        state = self.state()
        return Moment(self.now_ms(), state, self._uncertainty_ms)


class RecordIds:
    """UUIDv7 (RFC 9562 §5.7), 16 bytes: 48 bits of Unix milliseconds, then randomness; unique, and nearly in order."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random

    def new(self) -> bytes:
        """A fresh id."""
        tail = bytearray(self._random.token(10))
        tail[0] = 0x70 | (tail[0] & 0x0F)
        tail[2] = 0x80 | (tail[2] & 0x3F)
        return (self._clock.now_ms() & 0xFFFF_FFFF_FFFF).to_bytes(6, "big") + bytes(tail)
