"""What the kernel says of its clock: the time, and whether NTP, chrony or PTP disciplines it (adjtimex(2)).

Every time daemon reports to the kernel, so that asking it needs neither a daemon's protocol nor any right.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_TIME_ERROR = 5  # <linux/timex.h>: the clock is not synchronised
_STA_NANO = 0x2000
_TIMEX_SIZE_BYTES = 256  # struct timex is 208 bytes on 64-bit Linux; modes = 0 only reads


class _Timex(ctypes.Structure):
    """The head of ``struct timex`` on 64-bit Linux; the padding holds what is not asked for."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("fraction", ctypes.c_long),
        ("rest", ctypes.c_byte * (_TIMEX_SIZE_BYTES - 88)),
    )


@dataclass(frozen=True, slots=True)
class KernelTime:
    """One reading. ``now_ms``: Unix milliseconds, UTC; ``boot_ms``: time since the start, suspend included.

    Nobody can set ``boot_ms``, and no daemon can bend it: it goes by CLOCK_MONOTONIC_RAW, since CLOCK_BOOTTIME and
    CLOCK_MONOTONIC are slewed together with the wall clock; suspend is the difference between those two.

    ``max_error_ms`` bounds the error of ``now_ms`` where the clock is ``synchronised``.
    """

    now_ms: int
    boot_ms: int
    synchronised: bool
    max_error_ms: int


KernelClock = Callable[[], KernelTime]


def boot_ms() -> int:
    """:attr:`KernelTime.boot_ms` alone: three readings of the vDSO and no system call."""
    slept_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    return (time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) + slept_ns) // 1_000_000


def kernel_clock() -> KernelClock:
    """Reads the kernel's clock. Where a sandbox forbids to ask, the clock counts as not synchronised."""
    libc = ctypes.CDLL(None)

    def read() -> KernelTime:
        timex = _Timex()
        answer = libc.adjtimex(ctypes.byref(timex))
        since_boot_ms = boot_ms()
        if answer == -1:
            return KernelTime(time.time_ns() // 1_000_000, since_boot_ms, synchronised=False, max_error_ms=0)
        # Time and state of one call belong together: a clock that is set by hand is out of discipline in it.
        fraction_ms = timex.fraction // (1_000_000 if timex.status & _STA_NANO else 1_000)
        now_ms = timex.seconds * 1_000 + fraction_ms
        return KernelTime(now_ms, since_boot_ms, answer != _TIME_ERROR, -(-timex.maxerror // 1000))

    return read


def boot_id() -> bytes:
    """16 bytes, one a start of the machine (random(4)); CLOCK_BOOTTIME means nothing beyond it."""
    return bytes.fromhex(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip().replace("-", ""))
