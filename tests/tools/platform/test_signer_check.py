"""`onecard platform publish` says which bundles its terminals will not believe, before they travel."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tools.cli.main import cli
from tools.platform.ca import Authority
from tools.platform.service import Layout


def onecard(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a list of media to deny and a key of nobody's; the platform beside it has keys of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONECARD_LANG", "en")
    Authority.init(Layout(tmp_path / "platform").keys)
    (tmp_path / "deny").write_text("00" * 16)
    assert onecard("trust", "keygen", "own.pem").exit_code == 0
    return tmp_path


def publish(version: int, key: str | Path) -> Result:
    out = f"{version}.bundle"
    made = onecard("trust", "emergency", "--deny", "deny", "--key", key, "--version", str(version), "--out", out)
    assert made.exit_code == 0, made.output
    return onecard("platform", "publish", out, "--dir", "platform")


def test_the_platforms_own_key_of_the_right_role_is_believed_and_nothing_is_said(home: Path) -> None:
    done = publish(1, home / "platform" / "keys" / "bundle-key.pem")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "to be given out: emergency 1 (all terminals)" in done.stdout


def test_a_key_that_no_terminal_trusts_is_a_warning_with_two_ways_out(home: Path) -> None:
    done = publish(1, "own.pem")
    assert done.exit_code == 0
    assert "do not trust the key" in done.stderr
    assert str(Path("platform/keys/bundle-key.pem")) in done.stderr
    assert "onecard trust anchor bundle" in done.stderr


def test_a_key_of_another_role_is_a_warning_too(home: Path) -> None:
    assert "has not the role bundle" in publish(1, home / "platform" / "keys" / "root-key.pem").stderr


def test_after_a_rotation_the_new_key_counts_and_the_old_one_no_more(home: Path) -> None:
    keys = home / "platform" / "keys"
    rotate = ("trust", "keys", "--public", "root", keys / "root.pem", "--public", "bundle", "own.pem.pub")
    signed = ("--key", keys / "root-key.pem", "--version", "1", "--out", "keys.bundle", "--yes")
    assert onecard(*rotate, *signed).exit_code == 0
    assert onecard("platform", "publish", "keys.bundle", "--dir", "platform").stderr == ""
    assert publish(1, "own.pem").stderr == ""
    assert "do not trust" in publish(2, keys / "bundle-key.pem").stderr


def test_where_no_terminal_was_ever_enrolled_nobody_is_warned(home: Path) -> None:
    Path("platform").rename("elsewhere")
    assert publish(1, "own.pem").stderr == ""
