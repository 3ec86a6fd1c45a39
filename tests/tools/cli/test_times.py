"""One rule for times: people read local time with its offset, machines UTC, and one file knows how."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from agent.command_reasons import COMMAND
from agent.config import parse
from agent.permits.acts import Role, ServiceAct
from agent.sync.contract.commands import CommandAct
from offline_store.record import MAX_INTEGER, Entry, Record, new_id
from tests.tools.doctor.parts import DAY_MS, Ward, ward
from tools.cli import fields
from tools.cli.journal import line_of, text_of
from tools.cli.permit_words import ACTS, COMMANDS, ROLES
from tools.cli.presets import preset_text
from tools.cli.times import go_by, iso, local, local_of
from tools.doctor.examine import examine

MOMENT_MS = 1_772_334_000_000
TOOLS = Path(__file__).parents[3] / "tools"
OTHERS = {"cli/times.py", "platform/school_reports.py"}
"""The second writes what parents read, in the school's own time."""


def test_people_read_local_time_with_its_offset_and_machines_utc() -> None:
    assert local(MOMENT_MS) == "2026-03-01 11:00:00+08:00"
    assert iso(MOMENT_MS) == "2026-03-01T03:00:00+00:00"
    assert local_of(iso(MOMENT_MS)) == local(MOMENT_MS)


def test_a_time_that_no_calendar_has_is_told_as_its_last_moment() -> None:
    entry = Entry(new_id(MOMENT_MS, bytes(10)), "passage", MAX_INTEGER, "untrusted", monotonic_ms=1)
    line = line_of(Record(entry, 7, bytes(16), bytes(32)), 9)
    assert line["time"] == "9999-12-31T23:59:59.000+00:00"
    assert "9999-12-31 23:59:59+08:00" in text_of(line)
    assert local_of(iso(MAX_INTEGER)) == local(MAX_INTEGER) == "9999-12-31 23:59:59+08:00"


def test_the_terminals_configuration_says_which_time_is_local(tmp_path: Path) -> None:
    @click.command
    def command() -> None:
        go_by(parse(preset_text("gate"), "gate", tmp_path, ("terminal.utc_offset_minutes=420",)))
        click.echo(local(MOMENT_MS))

    assert CliRunner().invoke(command).output == "2026-03-01 10:00:00+07:00\n"


def test_no_other_command_writes_times_in_a_way_of_its_own() -> None:
    paths = [path for room in ("cli", "platform", "doctor") for path in (TOOLS / room).glob("*.py")]
    own = {str(path.relative_to(TOOLS)) for path in paths if "strftime(" in path.read_text(encoding="utf-8")}
    assert own <= OTHERS
    assert len(paths) > 50


def test_the_doctors_threads_say_times_as_the_command_does(tmp_path: Path) -> None:
    with ward(tmp_path) as well:
        _with_a_certificate_that_is_over(well)

        @click.command
        def command() -> None:
            well.configure(terminal=well.document["terminal"] | {"utc_offset_minutes": 420})
            patient = well.patient()
            go_by(patient.resolved)
            click.echo("\n".join(each.said.en for each in examine(patient, patience_s=20.0)))

        assert "+07:00" in CliRunner().invoke(command).output


def _with_a_certificate_that_is_over(well: Ward) -> None:
    well.enrol(well.authority.issue("gate-7", life=-timedelta(milliseconds=DAY_MS)))


def test_roles_and_acts_of_a_permit_have_words() -> None:
    assert set(ROLES) == set(Role)
    assert set(ACTS) == set(ServiceAct)


def test_acts_of_the_platforms_commands_have_words_in_records_too() -> None:
    assert set(COMMANDS) == set(CommandAct)
    assert fields.line("act", "re-read") in {"act: read the configuration again", "操作：重新读取配置"}


def test_a_list_of_records_says_which_command_of_the_platform_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Entry(
        id=new_id(MOMENT_MS, bytes(10)),
        kind=COMMAND,
        time_ms=MOMENT_MS,
        time_quality="synchronised",
        monotonic_ms=1,
        reason="command-accepted",
        public={"act": "re-read"},
    )
    line = line_of(Record(entry, 7, bytes(16), bytes(32)), 9)
    monkeypatch.setenv("ONECARD_LANG", "zh")
    assert "平台的命令（重新读取配置）：平台的签名命令已接受" in text_of(line)
    monkeypatch.setenv("ONECARD_LANG", "en")
    assert "command of the platform (read the configuration again): the platform's" in text_of(line)
