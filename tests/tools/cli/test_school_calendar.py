"""``onecard trust calendar``: from a file of dates to the days of a terminal's lanes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from profiles.school_calendar import SchoolCalendar
from tests.agent.bundles.parts import BUNDLE, Terminal, private_pem
from tools.cli.main import cli

AT = "2026-11-23T11:00:00+08:00"
DATES = """
terms:
  - {from: "2026-09-01", to: "2027-01-22"}
holidays: ["2026-11-20"]
workdays: ["2026-11-28"]
"""


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal's bundles on a store of its own."""
    terminal = Terminal(tmp_path / "state")
    yield terminal
    terminal.stop()


def made(home: Path, dates: str) -> Result:
    (home / "bundle.pem").write_bytes(private_pem(BUNDLE.key))
    (home / "dates.yaml").write_text(dates, encoding="utf-8")
    arguments = ["trust", "calendar", "--name", "school-3", "--dates", str(home / "dates.yaml")]
    options = ["--key", str(home / "bundle.pem"), "--version", "1", "--at", AT, "-o", str(home / "1.bundle")]
    return CliRunner().invoke(cli, [*arguments, *options])


async def test_a_calendar_goes_from_a_file_into_force(terminal: Terminal, tmp_path: Path) -> None:
    result = made(tmp_path, DATES)
    assert result.exit_code == 0, result.output
    await terminal.install((tmp_path / "1.bundle").read_bytes())
    assert terminal.bundles.lists.current().calendars["school-3"] == SchoolCalendar(
        ((date(2026, 9, 1), date(2027, 1, 22)),), frozenset({date(2026, 11, 20)}), frozenset({date(2026, 11, 28)})
    )


@pytest.mark.parametrize(
    ("dates", "told"),
    [
        ("terms: []", "terms: needs at least 1 of them"),
        ("{", "is not plain YAML"),
        ("- 1", "dates.yaml"),
        (DATES.replace("2026-11-20", "2026-11-31"), "holidays"),
        (DATES.replace("2026-11-28", "2026-11-20"), "both without and with lessons"),
        (DATES + "hollidays: []", "did you mean holidays?"),
    ],
)
def test_dates_that_cannot_be_are_refused_with_their_place(
    dates: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONECARD_LANG", "en")
    result = made(tmp_path, dates)
    assert result.exit_code != 0
    assert told in result.output
    assert not (tmp_path / "1.bundle").exists()
