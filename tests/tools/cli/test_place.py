"""Which terminal a command is about: named by its id, its preset, its configuration or its directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from offline_store.journal import Journal
from tests.offline_store.parts import BOOT_ID, SeededRandom, SteppingClock, fill
from tools.cli.main import cli
from tools.cli.presets import preset_text


def onecard(home: Path, *arguments: str, lang: str = "en") -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "agent", *arguments],
        env=os.environ | {"XDG_STATE_HOME": str(home), "XDG_RUNTIME_DIR": str(home), "ONECARD_LANG": lang},
        capture_output=True,
        text=True,
        timeout=60,
        cwd=home,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where only the till has run, and has made five records."""
    state_dir = tmp_path / "onecard" / "state" / "till-001"
    journal = Journal.open(state_dir, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1))
    fill(journal, 4, first=1)
    journal.close()
    document = preset_text("till").replace("state_dir: state/", f"state_dir: {state_dir.parent}/")
    (tmp_path / "till.yaml").write_text(document, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "named",
    [
        ("--terminal", "till-001"),
        ("--preset", "till"),
        ("--config", "till.yaml"),
        ("--state-dir", "onecard/state/till-001"),
    ],
)
def test_a_terminal_is_found_by_each_of_its_names(home: Path, named: tuple[str, str]) -> None:
    assert json.loads(onecard(home, "journal", "stats", "--json", *named).stdout)["records"] == 5


@pytest.mark.parametrize(
    ("arguments", "en", "zh"),
    [
        (("journal", "list"), "name one with --terminal: till-001", "请用 --terminal 指定，现有：till-001"),
        (("status", "--terminal", "../.."), "terminal ../.. has no directory", "没有终端 ../.. 的状态目录"),
        (("clock", "show", "--terminal", "x", "--preset", "till"), "give one of", "只能选一个"),
        (("virtual", "relay", "--terminal", "x", "--preset", "till"), "not both", "只能选一个"),
    ],
)
def test_a_terminal_that_is_not_found_is_said_with_those_there_are(
    home: Path, arguments: tuple[str, ...], en: str, zh: str
) -> None:
    for lang, words in (("en", en), ("zh", zh)):
        done = onecard(home, *arguments, lang=lang)
        assert done.returncode in (1, 2)
        assert words in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("virtual", "relay", "--preset", "till", "--config", "till.yaml"), "give --preset or --config, not both"),
        (("virtual", "relay", "--config", "till.yaml"), "till-001/virtual.sock"),
        (("outbox",), "one elsewhere with --config FILE"),
        (("journal", "list", "--terminal", "x"), "one elsewhere with --config FILE"),
        (("open", "north", "--terminal", "x"), "one elsewhere with --config FILE"),
    ],
)
def test_a_terminal_of_a_configuration_is_named_and_found_by_that_file(
    home: Path, arguments: tuple[str, ...], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("XDG_STATE_HOME", home), ("XDG_RUNTIME_DIR", home), ("ONECARD_LANG", "en")):
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(home)
    said = CliRunner().invoke(cli, arguments)
    assert told in (said.output or str(said.exception))


@pytest.mark.parametrize("command", ["code", "hcert"])
def test_a_verdict_wants_to_know_who_is_believed(home: Path, command: str) -> None:
    done = onecard(home, command, "verify", "x")
    assert done.returncode == 2
    assert "not both" not in done.stderr
    assert "with --terminal, --preset, --config or --state-dir" in " ".join(done.stderr.split())


def test_a_status_index_beyond_the_list_is_refused_with_the_bound(home: Path) -> None:
    for index in ("1048576", "-1", "x", "9" * 5000):
        done = onecard(home, "code", "verify", "x", "--row", "city.row", "--revoked", index)
        assert done.returncode == 2
        assert "give an index from 0 to 1048575" in done.stderr
    done = onecard(home, "code", "verify", "x", "--preset", "till", "--revoked", "1")
    assert "--revoked goes with --row" in done.stderr
