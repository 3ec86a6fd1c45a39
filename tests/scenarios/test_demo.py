"""The demo proves what it shows, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_demo_plays_every_scene_and_proves_that_the_platform_has_the_journal(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "agent", "demo", "--no-stay"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
        check=False,
        env=os.environ | {"ONECARD_LANG": "en"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for reason in ("granted, passed", "not-entitled", "card-removed"):
        assert f"[{reason}]" in done.stdout
    assert "equal the journal, byte for byte" in done.stdout
    timeline = done.stdout[done.stdout.index("timeline") :]
    rows = [row for row in timeline.splitlines() if "tap →" in row]
    assert len(rows) == 6
    assert all("acknowledged +" in row for row in rows)
