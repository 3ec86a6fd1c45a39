"""Long work shows how far it is, where somebody looks; scripts and pipes read what they always read."""

from __future__ import annotations

import json
import os
import pty
import re
import select
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from offline_store.journal import Journal
from offline_store.outbox import Outbox
from tests.offline_store.parts import BOOT_ID, SeededRandom, SteppingClock, fill
from tools.cli import main as command
from tools.salvage import take_copy

_RECORDS = 1_200
"""More than one portion of every walk."""
SHOWN_AGAIN = b"\x1b[?25h"
_PATIENCE_S = 20.0


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    state = tmp_path / "state"
    state.mkdir()
    with closing(Journal.open(state, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1))) as journal:
        for first in range(1, _RECORDS, 100):
            fill(journal, 100, first=first)
    return state


@dataclass
class Screen:
    """A terminal at which somebody sits: what was written to standard error stands in ``said`` afterwards."""

    said: str = ""


@contextmanager
def sitting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    """Standard error is a terminal; nothing that these tests write fills its buffer."""
    master, slave = pty.openpty()
    screen = Screen()
    with os.fdopen(slave, "w") as stderr, monkeypatch.context() as patched:
        patched.setattr("sys.stderr", stderr)
        for name, value in {"TERM": "xterm", "NO_COLOR": "1", "ONECARD_LANG": "en", "COLUMNS": "100"}.items():
            patched.setenv(name, value)
        yield screen
        stderr.flush()
        screen.said = _read(master)
    os.close(master)


def _read(master: int) -> str:
    """All that was drawn: the kernel hands it over in pieces, and a bar ends by showing the cursor again."""
    said = b""
    while SHOWN_AGAIN not in said and select.select([master], [], [], _PATIENCE_S)[0]:
        said += os.read(master, 1 << 16)
    return said.decode()


def run(*arguments: object) -> None:
    command.cli.main(args=[str(each) for each in arguments], prog_name="onecard", standalone_mode=False)


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("verifying the chain", ("journal", "verify")),
        ("exporting", ("journal", "export", "stick.export", "--plain")),
    ],
)
def test_a_walk_over_the_journal_shows_how_far_it_is_and_leaves_its_answer_alone(
    state_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    arguments: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    with sitting(monkeypatch) as screen:
        run(*arguments, "--state-dir", state_dir, "--json")
    assert words in screen.said
    assert "100%" in screen.said
    assert re.search(r"\x1b\[[0-9;]*[34][0-9]m", screen.said) is None, "NO_COLOR"
    assert json.loads(capsys.readouterr().out)


def test_salvage_shows_how_much_of_the_disk_is_copied(
    state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sitting(monkeypatch) as screen, pytest.raises(SystemExit):
        run("salvage", state_dir, "--to", tmp_path / "saved")
    assert "copying the journal" in screen.said
    assert "100%" in screen.said
    heard: list[tuple[int, int]] = []
    (tmp_path / "copy").mkdir()
    take_copy(state_dir, tmp_path / "copy", lambda done, total: heard.append((done, total)))
    size_bytes = (state_dir / "journal.db").stat().st_size
    assert heard[-1] == (size_bytes, size_bytes)


def test_a_walk_tells_how_many_records_of_how_many_are_done(state_dir: Path) -> None:
    heard: list[tuple[int, int]] = []
    with closing(Outbox.open(state_dir)) as outbox:
        verdict = outbox.verify(told=lambda done, total: heard.append((done, total)))
    assert verdict.broken is None
    assert [done for done, _ in heard] == sorted({done for done, _ in heard})
    assert heard[-1] == (verdict.checked, verdict.checked)
    assert {total for _, total in heard} == {verdict.checked}


def test_into_a_pipe_nothing_is_drawn(state_dir: Path) -> None:
    done = CliRunner().invoke(command.cli, ["journal", "verify", "--state-dir", str(state_dir)])
    assert (done.exit_code, done.stderr) == (0, "")
