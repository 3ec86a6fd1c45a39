"""Names and values of what commands print: both languages, and none that a record bears is missing."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

import pytest

from agent.bundles.manifest import Kind
from agent.sync.uplink import Refusal
from profiles.api import Assurance
from profiles.reasons import Sentence
from tests.house import ROOT
from tests.house.test_words import check
from tools.cli import fields
from tools.cli.times import local

MAKERS = {"public", "facts"}
"""Names under which the rooms of the terminal put together a record's public fields."""


@pytest.mark.parametrize(
    "table", [fields.FIELDS, fields.VALUES, fields.ASSURANCES, fields.BUNDLE_KINDS, fields.REFUSALS]
)
def test_every_word_is_there_in_both_languages(table: Mapping[object, Sentence]) -> None:
    for name, said in table.items():
        check(said.zh, said.en, name)


def test_every_member_of_a_closed_list_has_its_words() -> None:
    assert fields.ASSURANCES.keys() == set(Assurance)
    assert fields.BUNDLE_KINDS.keys() == {kind.value for kind in Kind}
    assert fields.REFUSALS.keys() > {refusal.value for refusal in Refusal}


@pytest.mark.parametrize("basis", ["reserved", "free", "assisted"])
def test_why_a_museum_admitted_somebody_is_said_in_words(basis: str) -> None:
    assert fields.VALUES[basis].zh != fields.VALUES[basis].en != basis


def made_in(node: ast.AST) -> ast.expr | None:
    """What a node makes public fields of: a keyword `public=`, or an assignment to one of `MAKERS`."""
    match node:
        case ast.keyword(arg="public", value=made):
            return made
        case ast.AnnAssign(target=ast.Name(id=name), value=made) if name in MAKERS:
            return made
        case ast.Assign(targets=[ast.Name(id=name)], value=made) if name in MAKERS:
            return made
    return None


def public_names() -> Iterator[tuple[str, str]]:
    """The literal names of public fields, wherever a record is made, with their place."""
    for room in ("agent", "profiles", "offline_store"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                made = made_in(node)
                for key in made.keys if isinstance(made, ast.Dict) else ():
                    if isinstance(key, ast.Constant):
                        yield str(key.value), f"{path.relative_to(ROOT)}:{key.lineno}"


def test_every_public_field_of_a_record_has_its_words() -> None:
    found = list(public_names())
    assert {"direction", "assurance", "chain_id", "carried"} <= {name for name, _ in found}
    for name, place in found:
        assert name in fields.FIELDS, f"{place}: say in tools/cli/fields.py what {name!r} is"


def test_values_are_said_and_names_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [
        (("assurance", 2), "凭证的可信程度：已读卡，未认证", "how sure the credential is: read, not authenticated"),
        (("bundles", {"trust": 3}), "数据包版本：trust 3", "versions of bundles: trust 3"),
        (("bundles", {}), "数据包版本：无", "versions of bundles: none"),
        (("refers_to", None), "所指记录：-", "refers to: -"),
        (("floor_ms", 0), f"时钟下限：{local(0)}", f"floor of the clock: {local(0)}"),
        (("verified", True), "检验通过：是", "verified: yes"),
        (("audience", "site:north"), "接收者：场所 north", "for: site north"),
        (("kind", "status"), "类别：吊销名单", "kind: deny list"),
        (
            ("rules", "010282"),
            "规则轨迹：共 3 条（onecard explain 逐条说明）",
            "rules asked: 3 (`onecard explain` tells each)",
        ),
        (("of-a-later-version", [1, "x"]), "of-a-later-version：1，x", "of-a-later-version: 1, x"),
    ]
    for arguments, zh, en in cases:
        for language, said in (("zh", zh), ("en", en)):
            monkeypatch.setenv("ONECARD_LANG", language)
            assert fields.line(*arguments) == said
