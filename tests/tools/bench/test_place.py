"""A bench that was killed leaves files; the next one takes them away, and nobody else's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.bench.place import bench_directory, terminal_id


def test_what_a_dead_bench_left_goes_and_what_lives_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, runtime = tmp_path / "disk", tmp_path / "run" / "onecard"
    monkeypatch.setenv("ONECARD_BENCH_DIR", str(disk))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime.parent))
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    dead = [disk / f"onecard-bench-{process.pid}-x1", runtime / f"bench-{process.pid}"]
    others = [disk / f"onecard-bench-{os.getpid()}-x2", runtime / terminal_id(), runtime / "gate-001", disk / "mine"]
    for path in (*dead, *others):
        path.mkdir(parents=True)
        (path / "file").touch()
    with bench_directory() as directory:
        assert directory.parent == disk
        assert not any(path.exists() for path in dead)
        assert all((path / "file").exists() for path in others)
    assert not directory.exists()
