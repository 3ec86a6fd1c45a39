"""A terminal that leaves service: what stays of it, and what it takes to lose records."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.clock import SystemRandom
from agent.keys import FileKeyStore
from agent.trusted_clock import TrustedClock
from offline_store.journal import Journal
from offline_store.lock import take_lock
from tests.tools.cli import in_process
from tools.cli.main import cli
from tools.platform.ca import Authority
from tools.platform.service import Layout


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONECARD_LANG", "en")


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A terminal whose genesis record the platform has not got."""
    state_dir = tmp_path / "state"
    state_dir.mkdir()
    Journal.open(state_dir, b"b" * 16, clock=TrustedClock(), random=SystemRandom()).close()
    FileKeyStore.create(state_dir / "keys").install("medium-1.key", bytes(32))
    return state_dir


def onecard(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("lang", "told"), [("en", "say which terminal: name one with --terminal: gate-001"), ("zh", "请指明是哪台终端")]
)
def test_it_takes_no_terminal_that_nobody_named(
    state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lang: str, told: str
) -> None:
    gate = tmp_path / "onecard" / "state" / "gate-001"
    gate.parent.mkdir(parents=True)
    state_dir.rename(gate)
    environment = {"XDG_STATE_HOME": str(tmp_path), "ONECARD_LANG": lang}
    unnamed = in_process.onecard(tmp_path, "decommission", "--with-unsent", "--yes", environment=environment)
    assert (unnamed.exit_code, told in unnamed.err) == (2, True), unnamed
    assert FileKeyStore(gate / "keys").mac("medium-1", b"")
    named = ("decommission", "--preset", "gate", "--with-unsent", "--yes")
    assert in_process.onecard(tmp_path, *named, environment=environment).exit_code == 0
    assert not gate.exists()


def test_unsent_records_are_not_lost_by_a_slip_of_the_hand(state_dir: Path) -> None:
    refused = onecard("decommission", "--state-dir", state_dir, "--yes")
    assert refused.exit_code == 1
    assert "the platform lacks 1 record:" in refused.output
    assert FileKeyStore(state_dir / "keys").mac("medium-1", b"")


def test_it_is_asked_for_and_then_nothing_stays(state_dir: Path) -> None:
    kept = CliRunner().invoke(cli, ["decommission", "--state-dir", str(state_dir), "--with-unsent"], input="n\n")
    assert kept.exit_code == 1
    assert state_dir.exists()
    gone = onecard("decommission", "--state-dir", state_dir, "--with-unsent", "--yes")
    assert gone.exit_code == 0, gone.output
    assert "retire ID" in gone.output, "it was never started, and has no name yet"
    assert not state_dir.exists()


def test_the_keys_go_before_the_journal(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(_path: Path) -> None:
        raise OSError(5, "Input/output error", str(state_dir))

    (state_dir / "bundles").mkdir()
    monkeypatch.setattr("shutil.rmtree", cut)
    assert onecard("decommission", "--state-dir", state_dir, "--with-unsent", "--yes").exit_code == 1
    assert list((state_dir / "keys").iterdir()) == []
    monkeypatch.undo()
    assert onecard("decommission", "--state-dir", state_dir, "--with-unsent", "--yes").exit_code == 0


def test_beside_a_running_agent_it_does_nothing(state_dir: Path) -> None:
    lock = take_lock(state_dir)
    try:
        refused = onecard("decommission", "--state-dir", state_dir, "--with-unsent", "--yes")
    finally:
        os.close(lock)
    assert refused.exit_code == 1
    assert FileKeyStore(state_dir / "keys").mac("medium-1", b"")


def test_a_directory_that_no_terminal_used_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "spare.txt").write_text("where the door key hangs")
    before = sorted(tmp_path.rglob("*"))
    refused = onecard("decommission", "--state-dir", tmp_path, "--yes")
    assert refused.exit_code == 1
    assert "holds neither a terminal's journal nor its keys" in refused.output
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_not_the_terminals_stays_and_is_named(state_dir: Path) -> None:
    (state_dir / "photo.jpg").write_bytes(b"somebody's")
    (state_dir / "keys" / "old").mkdir()
    done = onecard("decommission", "--state-dir", state_dir, "--with-unsent", "--yes")
    assert done.exit_code == 0, done.output
    assert "as no terminal made it: keys, photo.jpg" in done.output
    assert sorted(path.name for path in state_dir.rglob("*")) == ["keys", "old", "photo.jpg"]


@pytest.mark.parametrize("named", ["link", "link/"])
def test_nothing_goes_through_a_link_to_the_directory(state_dir: Path, tmp_path: Path, named: str) -> None:
    (tmp_path / "link").symlink_to(state_dir)
    refused = onecard("decommission", "--state-dir", f"{tmp_path}/{named}", "--with-unsent", "--yes")
    assert refused.exit_code == 1
    assert "is a link to" in refused.output
    assert FileKeyStore(state_dir / "keys").mac("medium-1", b"")


def test_keys_behind_a_link_stay_and_so_does_the_journal(state_dir: Path, tmp_path: Path) -> None:
    (state_dir / "keys").rename(tmp_path / "elsewhere")
    (state_dir / "keys").symlink_to(tmp_path / "elsewhere")
    refused = onecard("decommission", "--state-dir", state_dir, "--with-unsent", "--yes")
    assert refused.exit_code == 1
    assert "is not a plain directory" in str(refused.exception)
    assert FileKeyStore(tmp_path / "elsewhere").mac("medium-1", b"")
    assert (state_dir / "journal.db").exists()


def test_what_a_terminal_leaves_is_all_known_as_its_own(state_dir: Path) -> None:
    for name in ("bundles", "configuration", "damaged-1", "rescued"):
        (state_dir / name).mkdir()
        (state_dir / name / "file").write_bytes(b"")
    for name in ("reserve", "reserve-opening", "unrecorded", "link.json", "stick.ack", "stick.part", "fire.latch",
                 ".stick.ack.0123456789abcdef"):  # fmt: skip
        (state_dir / name).write_bytes(b"")
    done = onecard("decommission", "--state-dir", state_dir, "--with-unsent", "--yes")
    assert "is gone" in done.output
    assert not state_dir.exists()


def test_the_platform_retires_it(tmp_path: Path) -> None:
    keys = Layout(tmp_path / "platform").keys
    Authority.init(keys).provision("gate-7", tmp_path / "keys")
    result = onecard("platform", "terminal", "retire", "gate-7", "--dir", tmp_path / "platform")
    assert result.exit_code == 0, result.output
    assert "1 certificate revoked" in result.output
    assert onecard("platform", "terminal", "retire", "gate-8", "--dir", tmp_path / "platform").exit_code == 1
