"""``onecard doctor``: lines with their remedies in both languages, JSON, and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.house.test_words import check
from tests.tools.doctor.conftest import well
from tests.tools.doctor.parts import Ward
from tests.tools.doctor.test_broken_setups import BROKEN
from tools.cli import place
from tools.cli.doctor import doctor
from tools.cli.outbox import outbox
from tools.cli.status import status
from tools.doctor.examine import CHECKS, FAMILIES

__all__ = ["well"]
_NO_COLOUR = "\x1b["


def onecard(config: Path, *arguments: str, lang: str = "en", **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "agent", "doctor", "--config", str(config), *arguments],
        env=os.environ | {"ONECARD_LANG": lang} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def findings(said: str) -> dict[str, dict[str, Any]]:
    return {each["check"]: each for each in json.loads(said)["findings"]}


@pytest.mark.parametrize(("lang", "words"), [("en", "→ find the program"), ("zh", "→ 找出并停止占用端口的程序")])
def test_a_line_says_what_is_wrong_and_what_to_do(well: Ward, lang: str, words: str) -> None:
    device = os.open(well.scanner.port.path, os.O_RDWR | os.O_NOCTTY)
    import fcntl

    fcntl.flock(device, fcntl.LOCK_EX)
    code, said = onecard(well.config, lang=lang)
    os.close(device)
    assert code == 1
    assert words in said
    assert _NO_COLOUR not in said


def test_as_json_it_has_codes_for_scripts(well: Ward) -> None:
    well.broker.stop()
    code, said = onecard(well.config, "--json")
    assert code == 1
    assert json.loads(said)["verdict"] == "fail"
    found = findings(said)["route.tcp"]
    assert (found["verdict"], found["fault"]) == ("fail", "unreachable")
    assert found["remedy"]


def test_warnings_alone_have_an_exit_code_of_their_own(well: Ward) -> None:
    code, said = onecard(well.config, "--json")
    assert (code, json.loads(said)["verdict"]) == (3, "warn")  # at least: the agent does not run


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_configuration_that_cannot_be_read_is_a_line_too(well: Ward, lang: str) -> None:
    well.configure(terminal={"idd": "x"})
    report = well.directory / "report.zip"
    code, said = onecard(well.config, "--json", "--report", str(report), lang=lang)
    assert code == 1
    assert findings(said)["config"]["fault"] == "invalid"
    assert report.stat().st_size > 0


def test_everything_is_walked_where_that_is_asked_for(well: Ward) -> None:
    _, said = onecard(well.config, "--json", "--deep")
    assert "21 records" in findings(said)["chain"]["said"]


def test_every_check_has_words_and_every_line_says_what_to_do(well: Ward) -> None:
    assert FAMILIES.keys() - CHECKS.keys() == {"clock"}
    for code, words in CHECKS.items():
        check(words.zh.replace("RTC", "时钟"), words.en, code)
    for spoiled, _ in BROKEN[::3]:
        spoiled(well)
    for finding in well.findings():
        assert finding.check in CHECKS
        check(finding.said.zh + "。", finding.said.en, finding.check)
        if finding.remedy is not None:
            check(finding.remedy.zh, finding.remedy.en, finding.check)


def test_on_a_terminal_that_is_installed_that_one_needs_no_name(well: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "INSTALLED_CONFIG", well.config)
    assert place.default_state_dir() == well.state_dir
    done = CliRunner().invoke(doctor, ["--json"])
    assert "21 records" in findings(done.stdout)["chain"]["said"]
    monkeypatch.setattr(place, "INSTALLED_CONFIG", well.directory / "none.yaml")
    assert place.installed() is None


def test_a_box_that_is_no_terminal_yet_is_not_taken_for_a_preset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONECARD_LANG", "en")
    monkeypatch.setattr(place, "PACKAGE", Path(sys.prefix))
    monkeypatch.setattr(place, "INSTALLED_CONFIG", tmp_path / "terminal.yaml")
    done = CliRunner().invoke(doctor, ["--json"])
    assert done.exit_code == 1
    assert (set(findings(done.stdout)), findings(done.stdout)["config"]["fault"]) == ({"config"}, "not-enrolled")
    assert "sudo onecard provision" in findings(done.stdout)["config"]["remedy"]
    for command in (status, outbox):
        asked = CliRunner().invoke(command)
        assert (asked.exit_code, "sudo onecard provision" in asked.stderr) == (1, True)
    asked = CliRunner().invoke(doctor, ["--preset", "gate", "--json"])
    assert findings(asked.stdout)["config"]["verdict"] == "ok", "who names one is told of that one"


@pytest.mark.parametrize("forbidden", ["terminal.yaml", "."])
def test_whoever_may_not_read_the_terminals_configuration_is_told_so_and_of_no_preset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forbidden: str
) -> None:
    monkeypatch.setenv("ONECARD_LANG", "en")
    config = tmp_path / "terminal.yaml"
    config.write_text("terminal: {}")
    closed, real = str(tmp_path / forbidden), os.access  # whoever tests is root, and may read all

    def access(path: Path, mode: int) -> bool:
        return not str(path).startswith(closed) and real(path, mode)

    monkeypatch.setattr(os, "access", access)
    monkeypatch.setattr(place, "PACKAGE", Path(sys.prefix))
    monkeypatch.setattr(place, "INSTALLED_CONFIG", config)
    done = findings(CliRunner().invoke(doctor, ["--json"]).stdout)["config"]
    assert (done["fault"], "sudo onecard doctor" in done["remedy"]) == ("denied", True)
    asked = CliRunner().invoke(status)
    assert (asked.exit_code, "sudo" in asked.stderr) == (1, True)
