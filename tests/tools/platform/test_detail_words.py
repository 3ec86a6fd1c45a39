"""What the platform notes of an alarm or a dead letter has its words in Chinese, each sentence of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.house import ROOT
from tools.platform.detail_words import CHINESE, detail_words

NOTED = {"alarm": 1, "Refused": 1, "ChainBroken": 0}
"""Which argument of these is what is noted."""


def sentence(node: ast.expr) -> str | None:
    """A literal, with `{}` for what is filled in."""
    match node:
        case ast.Constant(value=str() as said):
            return said
        case ast.JoinedStr(values=values):
            return "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in values)
        case ast.Subscript(value=value):
            return sentence(value)
    return None


def noted() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "tools/platform").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            made: ast.expr | None = None
            match node:
                case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=args) if name in NOTED:
                    made = args[NOTED[name]] if len(args) == NOTED[name] + 1 else None
                case ast.Assign(targets=[ast.Name(id="detail")], value=value):
                    made = value
            if made is not None and (said := sentence(made)) is not None:
                yield said, f"{path.name}:{node.lineno}"  # type: ignore[attr-defined]  # a call or an assignment


def test_every_sentence_has_its_words_and_none_is_left_of_what_is_noted_no_more() -> None:
    found = dict(noted())
    assert {place for said, place in found.items() if said not in CHINESE} == set()
    assert CHINESE.keys() == found.keys()
    assert all(said.count("{}") == words.count("{}") for said, words in CHINESE.items())


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ("record 7 does not follow record 5", "第 7 条与第 5 条不相接"),
        ("record 12: openings counted: 3", "第 12 条：只计数的开门次数：3"),
        ("record 12: record field seq: should be a seq from 1", "第 12 条：record field seq: should be a seq from 1"),
        ("JournalBatch: chain_id: is missing", "JournalBatch: chain_id: is missing"),
    ],
)
def test_a_detail_is_said_in_the_readers_language(monkeypatch: pytest.MonkeyPatch, detail: str, words: str) -> None:
    monkeypatch.setenv("ONECARD_LANG", "zh")
    assert detail_words(detail) == words
    monkeypatch.setenv("ONECARD_LANG", "en")
    assert detail_words(detail) == detail
