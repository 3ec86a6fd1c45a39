"""What a terminal starts with: on trial a few times, the last good one else, and never the same failure for ever."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.config import ConfigError
from agent.configuration.choice import as_it_runs, read_issue
from agent.configuration.standing import MAX_STARTS, Standing, Why
from tests.agent.configuration.box import Box, document, text


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def put(box: Box, version: int, content: str) -> None:
    """A configuration that is to be tried from the next start on."""
    issue = box.shelf.keep(version, content)
    box.shelf.write(box.shelf.read().begun(issue, frozenset()))


def keep(box: Box, version: int) -> None:
    """One that has proven itself."""
    put(box, version, text())
    trial = box.shelf.read().trial
    assert trial is not None
    box.shelf.write(box.shelf.read().proven(trial))


def test_without_one_of_the_platform_its_own_file_counts(box: Box) -> None:
    assert box.begin() is box.own
    assert as_it_runs(box.own) is box.own
    assert not box.shelf.directory.exists()


def test_one_that_never_proves_itself_is_started_three_times_and_no_more(box: Box) -> None:
    keep(box, 1)
    put(box, 2, text())
    for _ in range(MAX_STARTS + 3):
        box.begin()
    assert box.starts == [2] * MAX_STARTS + [1] * 3
    withdrawn = box.shelf.read().withdrawn
    assert withdrawn is not None
    assert (withdrawn.version, withdrawn.why) == (2, Why.RESTARTS)


def test_id_site_and_state_directory_stay_its_own(box: Box) -> None:
    put(box, 1, text(state_dir="/somewhere/else"))
    resolved = box.begin()
    assert (resolved.issue, resolved.config.terminal.state_dir) == (1, box.state_dir)


def without_platform(gate: dict[str, Any]) -> None:
    del gate["platform"]


def without_lanes(gate: dict[str, Any]) -> None:
    del gate["lanes"]


@pytest.mark.parametrize(
    ("change", "at"),
    [
        (lambda gate: gate["terminal"].update(id="gate-8"), "terminal.id"),
        (lambda gate: gate["terminal"].update(site="north"), "terminal.site"),
        (without_platform, "platform"),
        (without_lanes, "lanes"),
        (lambda gate: gate["lanes"]["north-in"].update(profile="of-a-later-version"), "lanes.north-in.profile"),
        (lambda gate: gate.update(later="key"), "later"),
        (lambda gate: gate.update(terminal="gate-7"), "terminal.state_dir"),
    ],
)
def test_one_that_does_not_fit_is_withdrawn_before_anything_is_built_of_it(box: Box, change: Any, at: str) -> None:
    gate = document()
    change(gate)
    with pytest.raises(ConfigError):
        read_issue(yaml.safe_dump(gate), 1, box.own.config.terminal)
    put(box, 1, yaml.safe_dump(gate))
    assert box.begin() is box.own
    withdrawn = box.shelf.read().withdrawn
    assert withdrawn is not None
    assert (withdrawn.version, withdrawn.why, withdrawn.at) == (1, Why.INVALID, at)


@pytest.mark.parametrize("content", ["", "[]", "a: *b", "\ud800", "x: " * 99, "{" * 4_000])
def test_nonsense_is_withdrawn_as_any_other(box: Box, content: str) -> None:
    with pytest.raises(ConfigError):
        read_issue(content, 1, box.own.config.terminal)


def test_a_disk_that_takes_nothing_tries_nothing(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    keep(box, 1)
    put(box, 2, text())
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        assert box.begin().issue == 1
    assert box.begin().issue == 2


def test_a_damaged_text_is_not_tried_and_one_in_force_gives_way_to_the_own_file(box: Box) -> None:
    keep(box, 1)
    put(box, 2, text())
    (box.shelf.directory / "2.yaml").write_text(text(utc_offset_minutes=0))
    assert box.begin().issue == 1
    withdrawn = box.shelf.read().withdrawn
    assert withdrawn is not None
    assert withdrawn.why is Why.DAMAGED
    (box.shelf.directory / "1.yaml").unlink()
    assert box.begin() is box.own


@pytest.mark.parametrize("content", [b"", b"\xff", b"{}x", b'{"trial": 7}', b'{"kept": {"version": 0}}', b"[" * 70_000])
def test_a_damaged_standing_is_no_standing(box: Box, content: bytes) -> None:
    keep(box, 1)
    (box.shelf.directory / "standing.json").write_bytes(content)
    assert box.shelf.read() == Standing()
    assert box.begin() is box.own


def test_who_stands_beside_sees_what_runs_and_counts_nothing(box: Box) -> None:
    keep(box, 1)
    put(box, 2, text())
    before = box.shelf.read()
    assert as_it_runs(box.own).issue == 1  # nobody has started it yet
    assert box.shelf.read() == before
    box.begin()
    assert as_it_runs(box.own).issue == 2
    assert replace(as_it_runs(box.own), trial=None).config == read_issue(text(), 2, box.own.config.terminal).config
