"""Adding terminals and saying what they may ask for, as an operator types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tools.cli.presets import preset_text
from tools.platform.commands import platform
from tools.platform.registrations import MAX_HOLDS, MAX_HOLDS_FEN


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONECARD_LANG", "en")
    assert typed(tmp_path, "init").exit_code == 0
    return tmp_path


def typed(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(platform, [*arguments, "--dir", str(directory)])


def registrations(directory: Path) -> dict[str, Any]:
    rows = json.loads(typed(directory, "terminal", "registrations", "--json").output)
    return {row.pop("terminal"): row for row in rows}


def test_a_terminal_is_registered_shown_and_forbidden(directory: Path) -> None:
    allowed = typed(directory, "terminal", "allow", "till-1", "--merchant", "canteen-1", "--fund", "subsidy",
                    "--account", "medical", "--holds", "5", "--holds-yuan", "99.50", "--balances-by-card")  # fmt: skip
    assert allowed.exit_code == 0, allowed.output
    assert "merchants canteen-1" in allowed.output
    assert registrations(directory) == {
        "till-1": {"merchants": ["canteen-1"], "funds": ["subsidy"], "accounts": ["medical"], "lines": [],
                   "subsidies": False,
                   "balances_by_card": True, "holds": 5, "holds_fen": 9950}
    }  # fmt: skip
    assert "canteen-1" in typed(directory, "terminal", "registrations").output
    assert typed(directory, "terminal", "forbid", "till-1").exit_code == 0
    gone = typed(directory, "terminal", "forbid", "till-1")
    assert (gone.exit_code, "not registered" in gone.output) == (1, True)
    assert registrations(directory) == {}


def test_what_a_terminal_may_ask_for_is_read_from_its_own_configuration(directory: Path) -> None:
    config = directory / "canteen.yaml"
    config.write_text(preset_text("canteen"), encoding="utf-8")
    assert typed(directory, "terminal", "allow", "till-1", "--config", str(config)).exit_code == 0
    found = registrations(directory)["till-1"]
    assert (found["merchants"], found["funds"]) == (["canteen-1"], ["subsidy"])
    assert (found["holds"], found["holds_fen"]) == (MAX_HOLDS, MAX_HOLDS_FEN)
    config.write_text("lanes: {}", encoding="utf-8")
    wrong = typed(directory, "terminal", "allow", "till-1", "--config", str(config))
    assert (wrong.exit_code, "terminal" in wrong.output) == (1, True)


def test_a_name_that_is_too_long_is_a_sentence(directory: Path) -> None:
    wrong = typed(directory, "terminal", "allow", "till-1", "--merchant", "m" * 65)
    assert (wrong.exit_code, "1 to 64 characters" in wrong.output) == (1, True)


def test_a_terminal_that_was_added_gets_no_second_set_of_keys_unasked(directory: Path) -> None:
    first, second = directory / "first", directory / "second"
    assert typed(directory, "terminal", "add", "till-1", "--to", str(first)).exit_code == 0
    refused = typed(directory, "terminal", "add", "till-1", "--to", str(second))
    assert (refused.exit_code, "added already" in refused.output) == (1, True)
    assert not second.exists()
    assert typed(directory, "terminal", "add", "till-1", "--to", str(second), "--replace").exit_code == 0
    assert (first / "tls.pem").read_bytes() != (second / "tls.pem").read_bytes()


@pytest.mark.parametrize(
    ("amount", "why"),
    [("-5", "below nothing"), ("0", "above 0"), ("0.00", "above 0"), ("12.345", "like 12.50"), ("-x", "like 12.50")],
)
def test_what_is_no_amount_to_pay_in_is_said_by_its_reason(directory: Path, amount: str, why: str) -> None:
    result = typed(directory, "account", "pay-in", f"city:{'0' * 32}", amount)
    assert result.exit_code == 2
    assert why in result.output
    assert not (directory / "platform.db").exists()
