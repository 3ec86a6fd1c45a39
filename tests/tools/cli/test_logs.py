"""``onecard logs`` and ``onecard completion``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LINES = [
    {"event": "ready", "level": "info", "timestamp": "2026-11-26T08:00:00.1Z", "ready_ms": 812},
    {
        "event": "journal log",
        "level": "error",
        "timestamp": "2026-11-26T08:00:01.2Z",
        "zh": "并入失败",
        "en": "not moved",
    },
]


def onecard(*arguments: str, given: str = "", **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "agent", *arguments],
        input=given,
        env=os.environ | {"ONECARD_LANG": "en"} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def saved() -> str:
    return "\n".join([*(json.dumps(line) for line in LINES), "a line of another program", ""])


@pytest.mark.parametrize(("lang", "said", "unsaid"), [("en", "not moved", "并入失败"), ("zh", "并入失败", "not moved")])
def test_lines_are_said_in_the_readers_language(lang: str, said: str, unsaid: str) -> None:
    code, text = onecard("logs", "--from", "-", given=saved(), ONECARD_LANG=lang)
    assert code == 0
    assert said in text
    assert unsaid not in text
    first = {"en": "info    ready  ready_ms=812", "zh": "信息    就绪  启动毫秒=812"}
    assert f"2026-11-26 16:00:00+08:00 {first[lang]}\n" in text
    assert "a line of another program" in text


def test_only_what_matters_and_as_it_is() -> None:
    _, text = onecard("logs", "--from", "-", "--level", "warning", "--json", given=saved())
    assert [json.loads(line) for line in text.splitlines() if line.startswith("{")] == LINES[1:]


def test_journald_is_asked_for_the_unit_and_what_it_gives_is_said(tmp_path: Path) -> None:
    program = tmp_path / "journalctl"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(LINES[0])}\nasked: END\nEND\necho \"asked: $*\"\n")
    program.chmod(0o755)
    _, text = onecard("logs", "--lines", "7", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert "ready  ready_ms=812" in text
    assert "asked: --unit onecard --output cat --no-pager --quiet --lines 7" in text


@pytest.mark.parametrize(("lang", "words"), [("en", "nothing of the unit onecard"), ("zh", "没有服务 onecard 的日志")])
def test_a_unit_without_a_log_is_said(tmp_path: Path, lang: str, words: str) -> None:
    program = tmp_path / "journalctl"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    code, text = onecard("logs", ONECARD_LANG=lang, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert (code, words in text) == (0, True), text


@pytest.mark.parametrize(("lang", "words"), [("en", "no journald"), ("zh", "没有 journald")])
def test_a_machine_without_journald_gives_a_sentence(tmp_path: Path, lang: str, words: str) -> None:
    code, text = onecard("logs", ONECARD_LANG=lang, PATH=str(tmp_path))
    assert code == 1
    assert words in text


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_every_shell_gets_a_script_of_its_own(shell: str) -> None:
    code, text = onecard("completion", shell)
    assert code == 0
    assert "_ONECARD_COMPLETE" in text


def test_bash_completes_commands_and_options() -> None:
    _, source = onecard("completion", "bash")
    typed = "COMP_WORDS=(onecard doctor --re); COMP_CWORD=2"
    done = subprocess.run(
        ["bash", "-c", f'eval "$SCRIPT"; {typed}; _onecard_completion onecard; echo "${{COMPREPLY[@]}}"'],
        env=os.environ | {"SCRIPT": source, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["--report"]
