"""Killed between a payment that came too late and its reversal: the next start takes it back, before anybody pays."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.questions import NobodyToAsk
from tests.agent.simulated import run_simulated
from tests.agent.site import Site, card, serve
from tests.agent.test_lane_money import amount, till
from tests.house import ROOT


def start_again(directory: Path) -> list[str]:
    """The reasons in the journal when the till has come up and somebody has paid."""
    reasons: list[str] = []

    async def main() -> None:
        site = Site(directory)
        lane = till(site, NobodyToAsk())

        async def play() -> None:
            lane.offer(amount(300))
            lane.offer(card(2))
            await asyncio.sleep(1)

        await serve(lane, play)
        reasons.extend(site.reasons())
        site.close()

    run_simulated(main())
    return reasons


@pytest.mark.parametrize(
    ("moment", "left", "after"),
    [
        ("late", ["asked", "paid"], ["outcome-unknown"]),
        ("undone", ["asked", "paid", "not-paid"], []),
        ("untold", ["asked", "paid"], ["outcome-unknown"]),
        ("told", ["asked", "paid"], []),
    ],
)
def test_a_till_killed_after_a_payment_takes_back_what_nobody_was_told_of_in_time(
    tmp_path: Path, moment: str, left: list[str], after: list[str]
) -> None:
    command = [sys.executable, "-P", "-m", "tests.faults.late_payment", str(tmp_path), moment]
    died = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert start_again(tmp_path) == [*left, *after, "asked", "paid-offline"]
    assert start_again(tmp_path)[-2:] == ["asked", "paid-offline"], "taken back once"
