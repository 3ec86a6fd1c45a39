"""The kernel's clock against what the same kernel says by other ways."""

from __future__ import annotations

import subprocess
import sys
import time

from agent.kernel_time import kernel_clock


def raw_ms() -> int:
    """Time that no daemon bends; this machine has not slept between two readings."""
    slept_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    return (time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) + slept_ns) // 1_000_000


def test_time_and_uptime_are_the_kernels() -> None:
    read = kernel_clock()
    before_ms, before_boot_ms = time.time_ns() // 1_000_000, raw_ms()
    reading = read()
    after_ms, after_boot_ms = time.time_ns() // 1_000_000, raw_ms()
    assert before_ms <= reading.now_ms <= after_ms
    assert before_boot_ms - 1 <= reading.boot_ms <= after_boot_ms + 1


def test_the_state_is_what_ntp_adjtime_of_the_c_library_answers() -> None:
    reading = kernel_clock()()
    asked = "import ctypes; t = (ctypes.c_long * 64)(); print(ctypes.CDLL(None).ntp_adjtime(t), t[3])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    answer, max_error_us = map(int, done.stdout.split())
    assert reading.synchronised == (answer not in (-1, 5))
    # It grows by itself, and a daemon makes it small again.
    assert reading.max_error_ms <= -(-max_error_us // 1000) or reading.synchronised
