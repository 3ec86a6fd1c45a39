"""What a lane makes of a camera's hints and of its state: sentences and alarms, never a record or an opening."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from drivers.api import CodeHint, CodeProblem, Reading, SourceHealth
from tests.agent.simulated import run_simulated
from tests.agent.site import Site, serve


def told(directory: Path, *readings: Reading) -> tuple[list[str], list[str]]:
    """What the citizen was shown, in English, and the alarms."""
    shown: list[str] = []
    alarms: list[str] = []

    async def main() -> None:
        site = Site(directory)
        lane = site.lane()

        async def script() -> None:
            for reading in readings:
                lane.offer(reading)
            await asyncio.sleep(1)

        with capture_logs() as lines:
            await serve(lane, script)
        shown.extend(line["en"] for line in lines if line["event"] == "show")
        alarms.extend(site.alarms)
        assert site.reasons() == []
        assert site.outputs.pulses == []
        site.close()

    run_simulated(main())
    return shown, alarms


@pytest.mark.parametrize(
    ("problem", "words"), [(CodeProblem.SMALL, "closer"), (CodeProblem.CUT, "whole"), (CodeProblem.UNREAD, "still")]
)
def test_a_code_that_cannot_be_read_tells_the_citizen_what_to_do(
    tmp_path: Path, problem: CodeProblem, words: str
) -> None:
    (shown,), alarms = told(tmp_path, CodeHint(reader="lens", at_ns=0, problem=problem))
    assert words in shown
    assert alarms == []


def test_a_camera_that_reads_worse_than_it_used_to_raises_one_alarm(tmp_path: Path) -> None:
    poor, well = (SourceHealth(reader="lens", at_ns=0, poor=poor) for poor in (True, False))
    assert told(tmp_path, poor, well) == ([], ["camera-poor"])
