"""Blocking work beside the event loop never keeps the process from ending."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from agent.threads import in_thread

DEADLINE_S = 20.0
_HANGS = """
import asyncio, threading
from agent.threads import in_thread

async def main():
    try:
        await asyncio.wait_for(in_thread(threading.Event().wait, "hung disk"), 0.05)
    except TimeoutError:
        print("left behind")

asyncio.run(main())
"""


async def test_work_runs_beside_the_event_loop_and_its_result_comes_back() -> None:
    assert await in_thread(lambda: threading.current_thread().name, "disk") == "disk"


async def test_a_fault_of_the_work_is_raised_where_it_is_awaited() -> None:
    def fail() -> None:
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        await in_thread(fail, "disk")


def test_a_process_ends_although_its_work_hangs_for_ever() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _HANGS], capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "left behind\n", "")
