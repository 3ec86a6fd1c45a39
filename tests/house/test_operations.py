"""Links lead to chapters that exist; the card for a dead box prints on A6, in two languages, with real commands."""

from __future__ import annotations

import re
import unicodedata

import pytest

from tests.house import ROOT
from tests.house.test_readme import _assert_real

_PAGES = sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md"))
_A6_COLUMNS, _A6_LINES = 50, 38
"""At 16 characters and 8 lines an inch, on 105 mm × 148 mm, with margins of 12 mm."""


def _anchors(page: str) -> set[str]:
    """What GitHub makes of each heading: small letters, digits, hyphens."""
    heads = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {_anchor(head) for head in heads}


def _anchor(head: str) -> str:
    return re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", _PAGES)
def test_a_link_into_a_page_finds_its_chapter(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", (ROOT / page).read_text(encoding="utf-8"))
    for file, anchor in links:
        target = (ROOT / page).parent / file if file else ROOT / page
        if target.suffix == ".md":
            assert anchor in _anchors(str(target.resolve().relative_to(ROOT))), f"{page}: {file}#{anchor}"


def test_chapters_stand_in_the_order_in_which_the_first_page_leads_to_them() -> None:
    first, *chapters = re.split(r"^## ", (ROOT / "docs/operations.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    names = [_anchor(chapter.splitlines()[0]) for chapter in chapters]
    assert names == re.findall(r"\]\(#([^)]+)\)", first)
    assert names.index("install-and-enrol") < names.index("technicians") < names.index("replace-a-dead-box")


def _sides() -> list[list[str]]:
    text = (ROOT / "docs/cards/swap.md").read_text(encoding="utf-8")
    return [block.splitlines() for block in re.findall(r"^```text\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)]


def _columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)


def test_the_card_has_a_side_in_each_language_that_fits_a6() -> None:
    chinese, english = _sides()
    assert any("更换终端" in line for line in chinese)
    assert "".join(english).replace("─", "").replace("·", "").isascii()
    for side in (chinese, english):
        assert len(side) <= _A6_LINES
        assert max(map(_columns, side)) <= _A6_COLUMNS


def test_both_sides_of_the_card_have_the_same_commands_and_each_is_real() -> None:
    sides = []
    for side in _sides():
        text = "\n".join(side).replace("\\\n", " ")
        sides.append(re.findall(r"^ +(?:sudo )?(onecard .+)$", text, flags=re.MULTILINE))
    chinese, english = sides
    assert [command.split()[:4] for command in chinese[:1]] == [command.split()[:4] for command in english[:1]]
    assert len(chinese) == len(english) == 4
    for command in (*chinese, *english):
        _assert_real(command)
