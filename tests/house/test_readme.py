"""Every command that the pages for people tell a reader to type is real."""

from __future__ import annotations

import re
import shlex
import subprocess

import click
import pytest

from tests.house import ROOT
from tools.cli.main import cli

_PROFILES = sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs/profiles").glob("*.md"))
_PAPERS = ("docs/operations.md", "docs/threat-model.md", "docs/privacy.md", "docs/compliance.md")
_PAGES = ("README.md", "CONTRIBUTING.md", "docs/bundles.md", "docs/hcert.md", *_PAPERS, *_PROFILES)
_DEBIAN = {"apt-get", "sudo", "git", "cd", "sqlite3", "aplay", "mosquitto", "rabbitmqctl", "rabbitmq-plugins"}
_PROMISED = {"install", "demo", "test", "check", "bench", "run", "lock", "clean"}


def _commands(page: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    text = "".join(blocks).replace("\\\n", " ")
    return [line for line in text.splitlines() if shlex.split(line, comments=True)]


def _targets() -> set[str]:
    return set(re.findall(r"^\.PHONY: ([a-z]+)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def _assert_click_knows(words: list[str]) -> None:
    command: click.Command = cli
    context = click.Context(cli, info_name="onecard")
    while isinstance(command, click.Group):
        _, words, _ = command.make_parser(context).parse_args(words)
        if not words:
            return
        child = command.get_command(context, words[0])
        assert child is not None, f"{command.name} has no sub-command {words[0]}"
        command, context = child, click.Context(child, info_name=words[0], parent=context)
        words = words[1:]
    command.make_parser(context).parse_args(words)


def _assert_real(command: str) -> None:
    program, *words = shlex.split(command, comments=True)
    name = program.rpartition("/")[2]
    if name == "make":
        assert set(words) <= _targets(), command
    elif name == "onecard":
        _assert_click_knows(words)
    elif name in {"pytest", "python"}:
        assert program.startswith(".venv/bin/"), f"{command}: only .venv has it"
        paths = [word for word in words if word.startswith("tests")]
        assert all((ROOT / path).exists() for path in paths), command
    else:
        assert name in _DEBIAN, f"{command}: not a command of this project or of Debian"


@pytest.mark.parametrize(("page", "command"), [(page, command) for page in _PAGES for command in _commands(page)])
def test_a_command_on_a_page_for_people_is_real(page: str, command: str) -> None:
    _assert_real(command)


@pytest.mark.parametrize("page", _PAPERS)
def test_a_command_that_a_page_mentions_in_a_sentence_is_real(page: str) -> None:
    mentioned = re.findall(r"`(onecard [^`]+)`", (ROOT / page).read_text())
    assert mentioned
    for command in mentioned:
        _assert_real(command)


@pytest.mark.parametrize("page", _PAGES)
def test_a_page_for_people_names_files_that_exist(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", (ROOT / page).read_text())
    assert links
    for link in links:
        assert ((ROOT / page).parent / link).exists(), f"{page} points to {link}"


def test_the_front_page_shows_the_two_commands_of_a_newcomer() -> None:
    assert _commands("README.md")[:2] == ["make demo", "make test"]


@pytest.mark.parametrize(
    "command", ["make teleport", "onecard teleport", "onecard run --teleport", "onecard journal teleport", "teleport"]
)
def test_an_invented_command_is_found(command: str) -> None:
    with pytest.raises((AssertionError, click.UsageError)):
        _assert_real(command)


def test_make_help_has_a_line_for_each_target() -> None:
    text = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    lines = {line.split()[1]: line.split()[2:] for line in text.splitlines()}
    assert lines.keys() >= _PROMISED
    assert lines.keys() <= _targets()
    assert all(lines.values())
