"""Which terminal a command is about: named by its id, its preset, its configuration or its directory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from offline_store.journal import Journal
from tests.offline_store.parts import BOOT_ID, SeededRandom, SteppingClock, fill
from tests.tools.cli import in_process
from tests.tools.cli.in_process import Done
from tools.cli.main import cli
from tools.cli.presets import preset_text


def onecard(home: Path, *arguments: str, lang: str = "en") -> Done:
    environment = {"XDG_STATE_HOME": str(home), "XDG_RUNTIME_DIR": str(home), "ONECARD_LANG": lang}
    return in_process.onecard(home, *arguments, environment=environment)


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
    assert json.loads(onecard(home, "journal", "stats", "--json", *named).out)["records"] == 5


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
        assert done.exit_code in (1, 2)
        assert words in done.err


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
    home: Path, arguments: tuple[str, ...], told: str
) -> None:
    done = onecard(home, *arguments)
    assert done.exit_code in (1, 2)
    assert told in done.err


@pytest.mark.parametrize("command", ["code", "hcert"])
def test_a_verdict_wants_to_know_who_is_believed(home: Path, command: str) -> None:
    done = onecard(home, command, "verify", "x")
    assert done.exit_code == 2
    assert "not both" not in done.err
    assert "with --terminal, --preset, --config or --state-dir" in " ".join(done.err.split())


def test_a_status_index_beyond_the_list_is_refused_with_the_bound(home: Path) -> None:
    for index in ("1048576", "-1", "x", "9" * 5000):
        done = onecard(home, "code", "verify", "x", "--row", "city.row", "--revoked", index)
        assert done.exit_code == 2
        assert "give an index from 0 to 1048575" in done.err
    done = onecard(home, "code", "verify", "x", "--preset", "till", "--revoked", "1")
    assert "--revoked goes with --row" in done.err


@pytest.mark.parametrize(("begun", "names"), [("", ["till-001"]), ("ti", ["till-001"]), ("gate", [])])
def test_a_shell_completes_the_terminals_that_have_run(
    home: Path, monkeypatch: pytest.MonkeyPatch, begun: str, names: list[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    shell = ShellComplete(cli, {}, "onecard", "_ONECARD_COMPLETE")
    found = shell.get_completions(["journal", "list", "--terminal"], begun)
    assert [item.value for item in found] == names
