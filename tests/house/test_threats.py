"""Every threat names a test that shows its defence, every test that a page names exists, and no loss is out of date."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from agent.config import parse
from profiles.payment import PaySettings
from profiles.rules.accounts import Accounts
from profiles.rules.loans import OfflineLoans
from tests.house import ROOT
from tools.cli.presets import preset_names, preset_text

_THREATS = "docs/threat-model.md"
_PAGES = sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md"))
_HEAD = "| he | what stops him | shown by | what remains |"
_LOSSES = (
    "| preset | one payment | a person a day | an unknown card a day | a terminal a day | owed by a person | items |"
)
_NOTHING = ("nothing", "**nothing**")


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def _rows(page: str, head: str) -> list[list[str]]:
    """The rows of every table with this head, each as its cells."""
    rows: list[list[str]] = []
    within = False
    for line in _text(page).splitlines():
        within = line == head or (within and line.startswith("|"))
        if within and line != head and not line.startswith("| ---"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


@cache
def _tests(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _missing(text: str) -> list[str]:
    """What a text names as a test, or as a file of tests, and is none; a test without its file is none."""
    found = re.findall(r"`(::\w+)`", text)
    for file, name in re.findall(r"`(tests/[\w./]+?\.py)(?:::(\w+))?`", text):
        path = ROOT / file
        if not path.is_file() or (name and not (name.startswith("test_") and name in _tests(path))):
            found.append(f"{file}::{name}" if name else file)
    return found


@pytest.mark.parametrize("page", _PAGES)
def test_every_test_that_a_page_names_exists(page: str) -> None:
    assert _missing(_text(page)) == []


@pytest.mark.parametrize(
    "named", ["tests/house/test_threats.py::test_no_such", "tests/house/test_no_such.py", "::test_no_such"]
)
def test_a_test_that_was_renamed_is_found(named: str) -> None:
    assert _missing(f"shown by `{named}`") == [named]


def test_every_threat_has_a_test_that_shows_its_defence_or_says_that_there_is_none() -> None:
    rows = _rows(_THREATS, _HEAD)
    assert len(rows) > 60
    for who, defence, shown, remains in rows:
        if "`tests/" not in shown:
            assert shown == "–", f"{who}: name its tests as `tests/…py::test_…`, or write –"
            assert defence.startswith(_NOTHING), f"{who}: a defence that no test shows is a hope"
            assert remains, f"{who}: say what remains"


def _losses(name: str) -> list[str] | None:
    """What a preset's ceilings let be lost, as the page says it; ``None`` where no money and no item is at stake."""
    lanes = list(parse(preset_text(name), name, ROOT).profiles.values())
    paid = [each.offline for each in lanes if isinstance(each, PaySettings)]
    rules = [each for each in (getattr(lane, "accounts", None) for lane in lanes) if isinstance(each, Accounts)]
    debts = [each.credit.ceiling_fen for each in rules if each.credit is not None]
    lent = [each for each in (getattr(lane, "offline", None) for lane in lanes) if isinstance(each, OfflineLoans)]
    if not paid and not lent:
        return None
    money = ("payment_fen", "subject_fen", "provisional_fen", "terminal_fen")
    return [
        f"`{name}`",
        *(_yuan([getattr(each, field) for each in paid]) for field in money),
        _yuan(debts),
        str(max((each.per_terminal for each in lent), default=0) or "–"),
    ]


def _yuan(ceilings_fen: list[int]) -> str:
    """The highest of the lanes' ceilings: the marks are the terminal's, so that one lane's sales count at another."""
    return f"¥{max(ceilings_fen) / 100:,g}" if ceilings_fen else "–"


def test_what_can_be_lost_is_what_the_presets_allow() -> None:
    expected = [row for row in map(_losses, preset_names()) if row is not None]
    lines = "\n".join("| " + " | ".join(row) + " |" for row in expected)
    assert _rows(_THREATS, _LOSSES) == expected, f"the table should read\n{lines}"


def test_where_nothing_is_at_stake_the_page_says_so() -> None:
    without = [f"`{name}`" for name in preset_names() if _losses(name) is None]
    said = re.search(r"^No money and no item is at stake at ([^.]*)\.", _text(_THREATS), flags=re.MULTILINE)
    assert said is not None
    assert re.findall(r"`[a-z-]+`", said[1]) == without
