"""What stands beside a lane is held against what it is, before anything starts."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.config import ConfigError, parse
from tools.cli.presets import preset_text


def problems(tmp_path: Path, name: str, change: Any) -> dict[str, str]:
    """What is said of a preset that somebody changed."""
    document = yaml.safe_load(preset_text(name))
    change(document)
    with pytest.raises(ConfigError) as caught:
        parse(yaml.safe_dump(document), "test", tmp_path)
    return {problem.path: problem.en for problem in caught.value.problems}


def test_a_printer_that_is_none_and_a_reader_that_prints_are_found(tmp_path: Path) -> None:
    def change(document: Any) -> None:
        machine = document["lanes"]["machine"]
        machine["printer"] = "machine-keypad"
        machine["readers"].append("machine-printer")

    found = problems(tmp_path, "hall", change)
    assert found == {
        "lanes.machine.printer": "machine-keypad is no printer",
        "lanes.machine.readers": "machine-printer is a printer; it belongs under printer:",
    }


def test_devices_that_are_not_there_are_named(tmp_path: Path) -> None:
    def change(document: Any) -> None:
        document["lanes"]["query"]["screen"] = "scren"

    assert "did you mean screen?" in problems(tmp_path, "subsidy", change)["lanes.query.screen"]


def test_a_lane_that_shows_what_is_private_needs_a_screen(tmp_path: Path) -> None:
    def change(document: Any) -> None:
        del document["lanes"]["query"]["screen"]

    assert problems(tmp_path, "subsidy", change).keys() == {"lanes.query.screen"}


def test_one_screen_for_two_lanes_is_refused(tmp_path: Path) -> None:
    def change(document: Any) -> None:
        document["devices"]["other"] = {"driver": "scanner", "port": "/dev/ttyS9"}
        document["lanes"]["second"] = copy.deepcopy(document["lanes"]["query"]) | {"readers": ["other"]}

    assert problems(tmp_path, "subsidy", change).keys() == {"lanes.second.screen"}


def test_a_counter_without_its_software_and_software_without_a_counter_are_found(tmp_path: Path) -> None:
    def change(document: Any) -> None:
        lanes = document["lanes"]
        lanes["machine"]["counter"] = lanes["counter-1"].pop("counter")

    assert problems(tmp_path, "hall", change).keys() == {"lanes.machine.counter", "lanes.counter-1.counter"}
