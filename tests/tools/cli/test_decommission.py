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


def test_unsent_records_are_not_lost_by_a_slip_of_the_hand(state_dir: Path) -> None:
    refused = onecard("decommission", "--state-dir", state_dir, "--yes")
    assert refused.exit_code == 1
    assert "the platform lacks 1 records" in refused.output
    assert FileKeyStore(state_dir / "keys").mac("medium-1", b"")


def test_it_is_asked_for_and_then_nothing_stays(state_dir: Path) -> None:
    kept = CliRunner().invoke(cli, ["decommission", "--state-dir", str(state_dir), "--with-unsent"], input="n\n")
    assert kept.exit_code == 1
    assert state_dir.exists()
    gone = onecard("decommission", "--state-dir", state_dir, "--with-unsent", "--yes")
    assert gone.exit_code == 0, gone.output
    assert not state_dir.exists()


def test_the_keys_go_before_the_journal(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(_path: Path) -> None:
        raise OSError(5, "Input/output error", str(state_dir))

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


def test_the_platform_retires_it(tmp_path: Path) -> None:
    keys = Layout(tmp_path / "platform").keys
    Authority.init(keys).provision("gate-7", tmp_path / "keys")
    result = onecard("platform", "terminal", "retire", "gate-7", "--dir", tmp_path / "platform")
    assert result.exit_code == 0, result.output
    assert "1 certificates revoked" in result.output
    assert onecard("platform", "terminal", "retire", "gate-8", "--dir", tmp_path / "platform").exit_code == 1
