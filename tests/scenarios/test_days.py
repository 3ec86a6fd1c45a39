"""Every scene's day, with the network as its script says and without any: the same comes of it, or it says so.

Every record of it is what the contract's CDDL says.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.sync import cddl
from tests.house.test_next_steps import faults
from tools.days.day import parse_day
from tools.days.play import play
from tools.scenes import DAYS, scene_files


@pytest.mark.parametrize("offline", [False, True], ids=["online", "offline"])
@pytest.mark.parametrize("name", scene_files(DAYS))
def test_the_day_is_as_its_script_says(name: str, offline: bool, tmp_path: Path) -> None:
    day = parse_day(scene_files(DAYS)[name].read_text(encoding="utf-8"), f"{name}.yaml")
    result = play(day, tmp_path, source=name, offline=offline)
    wrong = [f"{played.moment:%H:%M:%S} {told}" for played in result.steps for told in played.differences]
    assert wrong + result.evening == []
    assert len(result.steps) == len(day.steps)
    in_red = {said for played in result.steps for said in played.came.refused}
    assert [said for said in in_red if faults(said)] == [], "whoever is refused is told one thing to do now"
    assert [cddl.told("record", record.to_bytes()) for record in result.records] == [""] * len(result.records)
