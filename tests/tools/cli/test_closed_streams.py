"""A command whose standard streams were closed by whoever started it, as by ``<&-`` or ``>&-`` in a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.cli.main import main
from tools.platform.ca import Authority
from tools.platform.service import Layout


def test_where_the_input_is_closed_nobody_answers(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "city")
    Authority.init(layout.keys)
    python = [sys.executable, "-P", "-m", "tools.cli.main"]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *python, "platform", "rotate", "bundle", "--dir", str(layout.directory)],
        env={**os.environ, "ONECARD_LANG": "en"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = done.stderr.splitlines()[-1]
    assert (done.returncode, said) == (1, "Error: there is nobody to ask: if you are sure, say --yes")


def test_in_the_place_of_a_closed_stream_is_one_that_says_and_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of ours may have its number: libuv ends such a process, and what a library says there goes into it."""
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)  # as Python has a stream that is closed
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert sys.stdin.read() == ""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        assert Path(f"/proc/self/fd/{stream.fileno()}").readlink() == Path(os.devnull)
        assert os.get_inheritable(stream.fileno()), "whom we start has it as well"
        stream.close()
