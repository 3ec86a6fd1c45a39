"""``onecard virtual`` says by which command one sees what came of it: of the terminal that runs, no namesake's."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.cli import in_process
from tools.cli.bench_process import running_devices
from tools.cli.place import resolve

HERE = {"ONECARD_LANG": "en"}


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A user's own directory, whose name wants quotes, with a configuration that has the preset's id."""
    home = tmp_path / "a home"
    home.mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    made = in_process.onecard(home, "config", "init", "gate.yaml", environment=HERE)
    assert made.exit_code == 0, made.err
    with tempfile.TemporaryDirectory(prefix="told-") as short:  # a Unix socket's path has 107 bytes
        monkeypatch.setenv("XDG_RUNTIME_DIR", short)
        yield home


@pytest.mark.parametrize("kept", ["by-id", "elsewhere"])
def test_the_terminal_that_runs_is_named_and_no_namesake(home: Path, kept: str) -> None:
    file = home / "gate.yaml"
    resolved = resolve(file, None) if kept == "elsewhere" else resolve(None, "gate")
    with running_devices(resolved):
        done = in_process.onecard(home, "virtual", "unplug", "pn532", environment=HERE)
    assert done.exit_code == 0, done.err
    said, _, option = done.out.strip().partition(", or onecard status ")
    assert said == "unplugged pn532; what came of it: the terminal's output"
    by_directory = ["--state-dir", str(home / "state/gate-001")]
    assert shlex.split(option) == (by_directory if kept == "elsewhere" else ["--terminal", "gate-001"])
