"""A list of the platform's keys that leaves a role out: what ends with it is said and asked before it is signed."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tools.cli.main import cli

ROLES = ("root", "bundle", "acknowledgement", "technician", "command", "sealing")


@pytest.fixture(autouse=True)
def _desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of each role."""
    monkeypatch.setenv("ONECARD_LANG", "en")
    monkeypatch.chdir(tmp_path)
    for role in ROLES:
        assert CliRunner().invoke(cli, ["trust", "keygen", role]).exit_code == 0


def signed(roles: tuple[str, ...], *more: str, answer: str = "") -> Result:
    named = [part for role in roles for part in ("--public", role, f"{role}.pub")]
    rest = ("--key", "root", "--version", "1", "-o", "keys.bundle", *more)
    return CliRunner().invoke(cli, ["trust", "keys", *named, *rest], input=answer)


def test_where_every_role_has_a_key_nothing_is_asked() -> None:
    done = signed(ROLES)
    assert done.exit_code == 0
    assert done.stderr == ""


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_what_ends_is_said_and_without_a_yes_nothing_is_signed(answer: str) -> None:
    asked = signed(tuple(role for role in ROLES if role not in ("technician", "command")), answer=answer)
    assert asked.exit_code == 1
    assert "technician: every technician's permit is refused" in asked.stderr
    assert "command: every command of the platform is refused" in asked.stderr
    assert "sealing:" not in asked.stderr
    assert not Path("keys.bundle").exists()


def test_whoever_means_it_says_yes_or_is_not_asked() -> None:
    assert signed(("root",), answer="y\n").exit_code == 0
    Path("keys.bundle").unlink()
    done = signed(("root",), "--yes", "--json")
    assert done.exit_code == 0
    assert "bundle: no list, price, lease or configuration" in done.stderr
    assert done.stdout.startswith("{")
