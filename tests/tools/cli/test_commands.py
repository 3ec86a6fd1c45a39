"""Commands by hand: what they say, in which language, and never a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.cli import in_process
from tests.tools.cli.in_process import Done


def onecard(home: Path, *arguments: str, lang: str = "en") -> Done:
    environment = {"XDG_STATE_HOME": str(home), "XDG_RUNTIME_DIR": str(home), "ONECARD_LANG": lang}
    return in_process.onecard(home, *arguments, environment=environment)


def in_a_process(home: Path, *arguments: str, lang: str) -> subprocess.CompletedProcess[str]:
    """For words that are chosen when a module is imported, as those of help."""
    environment = os.environ | {"XDG_STATE_HOME": str(home), "XDG_RUNTIME_DIR": str(home), "ONECARD_LANG": lang}
    command = [sys.executable, "-P", "-m", "agent", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, cwd=home, check=False)


def test_a_configuration_is_begun_and_checked(tmp_path: Path) -> None:
    assert onecard(tmp_path, "config", "init", "my.yaml").exit_code == 0
    checked = onecard(tmp_path, "config", "check", "my.yaml")
    assert (checked.exit_code, checked.out) == (0, "my.yaml: good, 1 lane, 4 devices\n")
    again = onecard(tmp_path, "config", "init", "my.yaml")
    assert again.exit_code == 1
    assert "exists already" in again.err


def test_the_schema_describes_every_driver_and_profile(tmp_path: Path) -> None:
    schema = json.loads(onecard(tmp_path, "config", "schema").out)
    assert {"pcsc", "pn532", "relay", "scanner", "keypad"} <= schema["drivers"].keys()
    assert "admit" in schema["profiles"]["gate"]["properties"]


@pytest.mark.parametrize(
    ("arguments", "en", "zh"),
    [
        (("config", "check", "none.yaml"), "cannot be read", "无法读取"),
        (("run", "--config", "none.yaml"), "cannot be read", "无法读取"),
        (("run", "--set", "terminal.idd=x"), "did you mean id?", "是否指 id？"),
        (("run", "--set", "nonsense"), "path.to.key=value", "路径.键=值"),
        (("journal", "list"), "there is no journal", "没有日志"),
        (("journal", "verify", "--state-dir", "nowhere"), "there is no journal", "没有日志"),
        (("virtual", "insert", "gen2-li"), "no virtual devices are running", "没有运行中的虚拟设备"),
        (("virtual", "press", "12.50"), "no virtual devices are running", "没有运行中的虚拟设备"),
        (("virtual", "show", ""), "cannot be empty", "不能为空"),
        (("virtual", "insert", ""), "is too short", "太短"),
        (("virtual", "show", "x", "--scanner", "scanner", "--look", "glare"), "are for a camera", "只用于摄像头"),
        (("virtual", "press", "--", "-5"), "give one like 12.50", "请给出如 12.50 的数"),
        (("virtual", "press", "12.505"), "at most two decimals", "最多两位小数"),
        (("virtual", "press", "1e3"), "1e3 is no amount", "1e3 不是金额"),
        (("virtual", "press", "99999999"), "at most 100000 yuan", "最多 100000 元"),
        (("virtual", "press", "--keys", "12,5"), "a keypad has the keys 0-9", "键盘只有 0-9"),
        (("virtual", "press", "12.50", "--hold"), "not for amounts", "不用于金额"),
        (("card", "show", "--reader", "none"), "has no card reader none", "没有读卡器 none"),
        (("card", "show", "--reader", "gone"), "; it has card-slot, card-field", "；现有：card-slot、card-field"),
        (("devices", "list", "--port", "/dev/nowhere"), "/dev/nowhere does not exist", "/dev/nowhere 不存在"),
        (("platform", "status"), "", ""),
    ],
)
def test_what_cannot_be_done_is_one_sentence_in_the_readers_language(
    tmp_path: Path, arguments: tuple[str, ...], en: str, zh: str
) -> None:
    for lang, words in (("en", en), ("zh", zh)):
        done = onecard(tmp_path, *arguments, lang=lang)
        assert done.exit_code in (1, 2), done
        assert words in done.err


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    "command",
    [
        "",
        "run",
        "config",
        "virtual",
        "card",
        "code",
        "code keygen",
        "code issue",
        "code show",
        "code verify",
        "code expand",
        "hcert",
        "hcert verify",
        "journal",
        "platform",
        "demo",
        "bench",
        "bench qr",
        "decode",
    ],
)
def test_every_command_explains_itself(tmp_path: Path, command: str, lang: str) -> None:
    done = in_a_process(tmp_path, *command.split(), "--help", lang=lang)
    assert done.returncode == 0, done.stderr
    assert any("\u4e00" <= letter <= "\u9fff" for letter in done.stdout) is (lang == "zh") or not command


@pytest.mark.parametrize(
    ("lang", "words"), [("en", "let XDG_RUNTIME_DIR name a directory"), ("zh", "请让 XDG_RUNTIME_DIR")]
)
def test_a_runtime_directory_that_cannot_be_used_is_named_with_its_remedy(
    tmp_path: Path, lang: str, words: str
) -> None:
    (tmp_path / "file").touch()
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "file")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "agent", "run"],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment | {"ONECARD_LANG": lang},
        check=False,
    )
    assert done.returncode == 1
    assert words in done.stderr
    assert str(tmp_path / "file") in done.stderr
    assert " · " not in done.stderr


def test_a_file_that_click_cannot_open_is_said_in_chinese(tmp_path: Path) -> None:
    done = in_a_process(tmp_path, "logs", "--from", "none.log", lang="zh")
    assert (done.returncode, "none.log：不存在" in done.stderr) == (2, True), done.stderr
    assert "No such file" not in done.stderr


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_an_empty_configuration_is_told_what_should_stand_in_it(tmp_path: Path, lang: str) -> None:
    (tmp_path / "empty.yaml").touch()
    told = onecard(tmp_path, "config", "check", "empty.yaml", lang=lang).err
    for key in ("terminal", "devices", "lanes"):
        assert key in told


def test_doctor_names_the_file_that_it_cannot_read(tmp_path: Path) -> None:
    done = onecard(tmp_path, "doctor", "--config", "nope.yaml")
    assert done.exit_code == 1
    assert "FAIL  configuration: nope.yaml: cannot be read" in done.out
    assert "see to this file, then run onecard config check" in done.out


@pytest.mark.parametrize(("lang", "words"), [("en", "give - and < FILE"), ("zh", "请用 - 和 < 文件")])
def test_a_file_that_is_taken_for_a_code_is_not_left_at_that(tmp_path: Path, lang: str, words: str) -> None:
    onecard(tmp_path, "code", "keygen", "city.key", "--row", "city.row")
    done = onecard(tmp_path, "code", "verify", "/nope", "--row", "city.row", lang=lang)
    assert (done.exit_code, words in done.err) == (1, True), done
    piped = in_process.onecard(
        tmp_path, "code", "verify", "-", "--row", "city.row", stdin="x", environment={"ONECARD_LANG": lang}
    )
    assert (piped.exit_code, piped.err) == (1, "")


def test_whoever_reads_no_further_has_the_shells_code_for_that_and_no_commands_own(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path), "ONECARD_LANG": "en"}
    command = [sys.executable, "-P", "-m", "agent", "day", "list"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=environment, timeout=60, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_a_platform_database_is_named_by_its_path(tmp_path: Path) -> None:
    done = onecard(tmp_path, "platform", "status", "--dir", str(tmp_path / "nowhere"))
    assert f"{tmp_path}/nowhere/platform.db" in done.err
    assert "%3A" not in done.err
