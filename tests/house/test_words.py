"""Every sentence that a person sees, as far as it can be reached: both languages are there, each by itself."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import click
import pytest

from agent import problems
from agent.config import profile_names, profile_type
from agent.records import CONTEXT, SERVICE
from agent.sync.faults import LinkFault
from drivers.api import CardFault, ReaderFault
from drivers.virtual.cards import wording
from offline_store.database import Doing
from offline_store.sealing import SEALING_KEY
from offline_store.wal import LogState
from profiles.api import Kind
from profiles.trace import Rule, RuleEnum
from tools.cli import click_words
from tools.cli.codes import KINDS, reasons
from tools.cli.main import cli
from tools.platform.alarms import ALARMS
from tools.platform.store import UNREAD

ROOT = Path(__file__).parents[2]
ROOMS = ("agent", "drivers", "profiles", "offline_store", "tools")
HAN = r"[\u3400-\u9fff]"
ASCII_STOPS = re.compile(rf"{HAN} *[,;:!?](?={HAN})|{HAN}[,;:!?] |{HAN}[,;:!?]$")
BETWEEN_HAN = re.compile(rf"{HAN}[,;:!?()](?={HAN}|\{{)|\}}[,;:!?](?={HAN})")
URL = re.compile(r"[a-z]+://[^\s，。]*")
# Its details name fields of a card as the standard does.
CARD_APPLICATIONS = ROOT / "drivers/cards"
# Methods of text, whose arguments are no sentences.
TEXT_METHODS = frozenset({"replace", "split", "startswith"})
CLICK_ENGLISH = re.compile(
    r"Usage|Options|Commands|Show th|and exit|default:|required|\b(OPTIONS|COMMAND|ARGS|TEXT|INTEGER|PATH|FILE)\b"
)


def is_chinese(text: str) -> bool:
    return re.search(HAN, text) is not None


def check(zh: str, en: str, where: object) -> None:
    assert is_chinese(zh), f"{where}: {zh!r} is no Chinese sentence"
    assert en.strip(), f"{where}: the English sentence is missing"
    assert not is_chinese(en), f"{where}: {en!r} is no English sentence"
    prose = URL.sub("", zh)
    assert not ASCII_STOPS.search(prose), f"{where}: ASCII punctuation in {zh!r}"
    assert not BETWEEN_HAN.search(prose), f"{where}: ASCII punctuation in {zh!r}"


@pytest.mark.parametrize("kind", [ReaderFault, CardFault, LinkFault, Doing, LogState])
def test_every_fault_is_said_in_both_languages(kind: type[Enum]) -> None:
    for member in kind:
        fault: Any = member
        check(fault.zh, fault.en, member)


def test_every_reason_is_said_in_both_languages_to_citizen_and_technician() -> None:
    assert {"granted", "forced-open"} <= reasons().keys()
    for reason in reasons().values():
        check(reason.citizen.zh, reason.citizen.en, reason)
        check(reason.technician.zh, reason.technician.en, reason)


def test_every_rule_is_asked_in_both_languages() -> None:
    assert {profile_type(name) for name in profile_names()}  # a profile's own rules are known once it is imported
    kinds: list[type[RuleEnum]] = RuleEnum.__subclasses__()
    assert Rule in kinds
    for rule in (rule for kind in kinds for rule in kind):
        check(rule.question.zh, rule.question.en, rule)


def test_every_kind_of_record_and_every_alarm_of_the_platform_is_said_in_both_languages() -> None:
    assert {*Kind, CONTEXT, SERVICE, SEALING_KEY, UNREAD} <= KINDS.keys()
    for code, sentence in {**KINDS, **ALARMS}.items():
        check(sentence.zh, sentence.en, code)
    files = ("tools/platform/desk.py", "tools/platform/ingest.py", "agent/sync/uplink.py")
    source = "".join((ROOT / file).read_text(encoding="utf-8") for file in files)
    raised = re.findall(r'(?:alarm|Refused|_alarm)\(\s*"([a-z-]+)"', source)
    assert {"fork", "chain-break", "answer-refused"} <= set(raised) <= ALARMS.keys()


@pytest.mark.parametrize("table", [problems._WORDS, problems._PATTERNS, wording._WORDS, wording._PATTERNS])
def test_every_problem_of_settings_and_card_files_is_said_in_both_languages(table: dict[str, tuple[str, str]]) -> None:
    for code, (zh, en) in table.items():
        if (zh, en) != ("{zh}", "{en}"):
            check(zh, en, code)


def test_every_pattern_that_a_setting_is_held_against_has_words() -> None:
    for room, words in (("agent", problems), ("profiles", problems), ("drivers/virtual/cards", wording)):
        for path in (ROOT / room).rglob("*.py"):
            if {"contract", "bundles"} & set(path.parts):
                continue  # messages of the wire and signed contents, which no person writes
            for pattern in re.findall(r'pattern=r"([^"]+)"', path.read_text(encoding="utf-8")):
                assert pattern in words._PATTERNS, f"{path}: {pattern}"


def sources() -> Iterator[tuple[Path, ast.AST]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                yield path, node


def texts(node: ast.AST) -> str | None:
    """The text of a string literal; what an f-string fills in stands as ``{}``."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(texts(part) or "{}" for part in node.values)
    return None


def pair_of(node: ast.Call) -> tuple[str | None, str | None] | None:
    """The Chinese and English sentence of a call that takes both, one after the other."""
    if isinstance(node.func, ast.Attribute) and node.func.attr in TEXT_METHODS:
        return None
    # What is computed is taken for a sentence: it was checked where it was made.
    said = ["computed" if texts(argument) is None else texts(argument) for argument in node.args]
    chinese = next((place for place, text in enumerate(said) if text is not None and is_chinese(text)), None)
    if chinese is None:
        return None
    return said[chinese], said[chinese + 1] if chinese + 1 < len(said) else None


def test_every_chinese_sentence_in_a_call_has_its_english_one_beside_it() -> None:
    pairs = [
        (path, node.lineno, pair)
        for path, node in sources()
        if isinstance(node, ast.Call)
        and not path.is_relative_to(CARD_APPLICATIONS)
        and (pair := pair_of(node)) is not None
    ]
    assert len(pairs) > 200
    for path, line, (zh, en) in pairs:
        where = f"{path.relative_to(ROOT)}:{line}"
        assert zh is not None
        assert en is not None, f"{where}: {zh!r} has no English sentence beside it"
        check(zh, en, where)


def test_every_error_of_store_keys_link_and_platform_is_raised_with_both_languages() -> None:
    bilingual = re.compile(
        r"Locked|Busy|NewerSchema|MigrationFailed|Damaged|DiskFull|IoFailed|QueueFull|Closed|UnknownSuite"
        r"|AcknowledgementRefused|KeyStoreError|LinkError|CardFileError|YamlError|_CannotStart|VirtualReadersUnavailable"
    )
    raised = [
        (path, node)
        for path, node in sources()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and bilingual.fullmatch(node.func.id)
    ]
    assert len(raised) > 40
    for path, node in raised:
        assert len(node.args) == 2, f"{path.relative_to(ROOT)}:{node.lineno}: Chinese and English belong here"


_HELP = """
import click, json
from click.testing import CliRunner
from tools.cli.main import cli

def pages(command, path):
    yield " ".join(path), CliRunner().invoke(cli, [*path, "--help"], prog_name="onecard").output
    if isinstance(command, click.Group):
        for name in command.list_commands(None):
            yield from pages(command.get_command(None, name), [*path, name])

print(json.dumps(dict(pages(cli, []))))
"""


def help_pages(locale: str, home: Path) -> dict[str, str]:
    """What every command says of itself in a locale, by its name."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "ONECARD_"))}
    done = subprocess.run(
        [sys.executable, "-P", "-c", _HELP],
        stdout=subprocess.PIPE,
        timeout=120,
        check=True,
        cwd=home,
        env=kept | {"LC_ALL": locale, "XDG_STATE_HOME": "/var/lib", "COLUMNS": "100"},
    )
    pages: dict[str, str] = json.loads(done.stdout)
    assert {"", "run", "config init", "virtual insert", "platform terminal add"} <= pages.keys()
    return pages


def test_help_speaks_chinese_alone_in_a_chinese_locale(tmp_path: Path) -> None:
    for command, page in help_pages("zh_CN.UTF-8", tmp_path).items():
        assert page.startswith("用法：onecard"), command
        assert not CLICK_ENGLISH.search(page), f"{command}:\n{page}"
        assert not BETWEEN_HAN.search(page), f"{command}:\n{page}"
        for line in page.splitlines()[2:]:
            assert not line.strip() or is_chinese(line) or line.strip().startswith("-"), f"{command}: {line}"


def test_help_speaks_english_alone_elsewhere(tmp_path: Path) -> None:
    for command, page in help_pages("C.UTF-8", tmp_path).items():
        assert page.startswith("Usage: onecard"), command
        assert not is_chinese(page), f"{command}:\n{page}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--nope"), "没有选项 '--nope'。"),
        (("nope",), "没有命令 'nope'。"),
        (("config", "init"), "缺少参数 '文件'。"),
        (("journal", "list", "--last", "x"), "'x' 不是整数。"),
        (("journal", "list", "--last", "0"), "不在范围"),
        (("journal", "list", "more", "still"), "多余的参数"),
        (("run", "--preset"), "选项 '--preset' 需要一个值。"),
        (("run", "--log-format", "x"), "应为其中之一"),
    ],
)
def test_click_complains_in_chinese(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "agent", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"ONECARD_LANG": "zh", "PYTHONUTF8": "1"},
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert not re.search(r"Error|Usage|Try|Missing|such", done.stderr)


def test_clicks_words_are_clicks_own() -> None:
    """A sentence that click no longer says would leave its English successor standing."""
    source = "".join(Path(str(module.__file__)).read_text(encoding="utf-8") for module in click_words._MODULES)
    said = {text for node in ast.walk(ast.parse(source)) if (text := texts(node)) is not None}
    for english in {**click_words._WORDS, **click_words._PLURALS}:
        assert english in said or english == "required", english


def test_a_date_of_another_form_is_refused_in_chinese() -> None:
    """Of click's types, the dates' is the one that only two commands use."""
    date = click.DateTime(["%Y-%m-%d"])
    with pytest.raises(click.BadParameter) as refused:
        date.convert("today", None, None)
    english = "{value!r} does not match the format {format}."
    assert refused.value.message == english.format(value="today", format="'%Y-%m-%d'")
    assert is_chinese(click_words._ngettext(english, "", 1))


_TEXTS = """
import click, json
from tools.cli.main import cli

def texts(command, path):
    yield " ".join(path), command.help or ""
    for param in command.params:
        if isinstance(param, click.Option):
            yield " ".join((*path, param.opts[0])), param.help or ""
    if isinstance(command, click.Group):
        for name in command.list_commands(None):
            yield from texts(command.get_command(None, name), (*path, name))

print(json.dumps(dict(texts(cli, ("onecard",)))))
"""
LEAST_OF_ENGLISH = 1 / 3
"""A Chinese character is two columns wide and says what five or six do in English."""
WORTH_COMPARING = 40
"""Columns: of shorter helps, such as `How many rounds`, the width says nothing."""


def help_texts(language: str, home: Path) -> dict[str, str]:
    """The help of every command and option, by its name."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", _TEXTS],
        stdout=subprocess.PIPE,
        timeout=120,
        check=True,
        cwd=home,
        env=os.environ | {"ONECARD_LANG": language, "XDG_STATE_HOME": "/var/lib"},
    )
    texts: dict[str, str] = json.loads(done.stdout)
    return texts


def columns(text: str) -> int:
    return sum(2 if is_chinese(letter) else 1 for letter in text)


def test_chinese_helps_say_as_much_as_the_english_ones(tmp_path: Path) -> None:
    chinese, english = help_texts("zh", tmp_path), help_texts("en", tmp_path)
    assert chinese.keys() == english.keys()
    short = {
        name: (chinese[name], text)
        for name, text in english.items()
        if not chinese[name]
        or not text
        or (columns(text) >= WORTH_COMPARING and columns(chinese[name]) < LEAST_OF_ENGLISH * columns(text))
    }
    assert short == {}


def options_of(command: click.Command, name: str) -> Iterator[tuple[str, click.Option]]:
    if isinstance(command, click.Group):
        for child, below in command.commands.items():
            yield from options_of(below, f"{name} {child}")
    yield from ((name, param) for param in command.params if isinstance(param, click.Option))


def test_every_option_says_what_it_is_for() -> None:
    assert [f"{name} {option.opts[0]}" for name, option in options_of(cli, "onecard") if not option.help] == []
