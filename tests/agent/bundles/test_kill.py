"""A terminal that is killed before any line of an installation starts with the old list or with the new one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.house import ROOT


def test_a_kill_before_any_line_leaves_the_old_list_or_the_new_one(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "tests.agent.bundles.dying", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "found.json").read_text())
    assert result["exit_code"] == 0
    versions = result["versions"]
    assert versions == sorted(versions)
    assert set(versions) == {1, 2}
    assert min(versions.count(1), versions.count(2)) > 10
