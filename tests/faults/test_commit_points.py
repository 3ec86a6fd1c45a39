"""Killed before every step that changes the disk: what was said to be durable is there, and everything goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import ROUNDS, SEED, SHORT_ROUNDS
from tests.faults.broken_disk import BrokenDisk
from tests.house import ROOT

LONG_S = 900
TRIED = {
    "journal": 8,
    "counting": 8,
    "lending": 16,
    "rescue": 6,
    "migration": 8,
    "bundle": 6,
    "platform": 8,
    "money": 64,
}
"""In the short form one step of so many is tried, by the seed; in the long one every step."""


@pytest.mark.timeout(LONG_S)
@pytest.mark.parametrize("scene", TRIED)
def test_killed_at_a_commit_point_it_goes_on_with_all_that_was_durable(tmp_path: Path, scene: str) -> None:
    (tmp_path / "root").mkdir()
    disk = BrokenDisk.make(tmp_path, tmp_path / "root")
    every = TRIED[scene] if ROUNDS <= SHORT_ROUNDS else 1
    command = [sys.executable, "-P", "-m", "tests.faults.commit_points", scene, str(tmp_path), str(every), str(SEED)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | disk.environment
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["steps"] > 20, "the library saw too little: this showed nothing"
    assert result["deaths"] >= (result["steps"] if every == 1 else 3)
