"""What is not as the day promises is told, whatever it is; and in the evening the books are held against each other."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner

from profiles.api import Event, Facts, Kind, Profile, Record, Step
from profiles.barcodes import ReadsBarcodes
from profiles.gate import Gate
from profiles.till import Till
from tools.cli.main import cli
from tools.days.around import Around
from tools.days.day import parse_day
from tools.days.play import Result, play

GATE = """
title: {zh: 北门, en: North gate}
preset: gate
date: "2026-11-23"
people: {chen: {}}
steps:
  - {at: "08:00", card: chen, expect: granted, opens: gate, says: Please pass}
  - {at: "08:00:02", input: passage, expect: passed}
  - {at: "09:00", input: passage, expect: forced-open, alarms: forced-open}
"""
TILL = """
title: {zh: 收银台, en: Till}
preset: till
date: "2026-11-23"
people: {chen: {account: "50.00"}}
steps:
  - {at: "08:00", keypad: "12.50"}
  - {at: "08:00:05", card: chen, expect: [asked, paid], paid: "12.50"}
"""


def played(text: str, directory: Path, wrap: Callable[[Any], Any] | None = None) -> Result:
    day = parse_day(text, "day")
    return play(day, directory) if wrap is None else play(day, directory, wrap=wrap)


@pytest.mark.parametrize(
    ("text", "old", "new", "told"),
    [
        (GATE, "expect: granted", "expect: nothing", "records: granted, should be nothing"),
        (GATE, "opens: gate", "opens: [gate, lamp]", "opens: gate, should be gate, lamp"),
        (GATE, "says: Please pass", "says: Welcome", "should be Welcome"),
        (GATE, ", alarms: forced-open", "", "alarms: forced-open, should be nothing"),
        (TILL, 'paid: "12.50"', 'paid: "12.00"', "paid: 12.50, should be 12.00"),
        (TILL, ', paid: "12.50"', "", "paid: 12.50, should be 0.00"),
    ],
)
def test_what_is_not_as_promised_is_told(text: str, old: str, new: str, told: str, tmp_path: Path) -> None:
    assert played(text, tmp_path / "right").holds
    result = played(text.replace(old, new), tmp_path / "wrong")
    assert [difference for step in result.steps for difference in step.differences if told in difference]
    assert not result.holds


def test_all_that_the_person_was_shown_is_told_and_not_the_last_sentence_alone(tmp_path: Path) -> None:
    """A session at the library that ends by itself, long before the next step."""
    file = tmp_path / "day.yaml"
    file.write_text(
        "{title: {zh: 借还, en: Loans}, preset: library, date: '2026-11-23', people: {chen: {}}, steps: ["
        "{at: '09:10', card: chen, expect: library-welcome},"
        "{at: '09:10:10', scan: 'EC1:NOT-AN-ITEM', expect: code-damaged, says: You are logged out; thank you}]}"
    )
    told = CliRunner().invoke(cli, ["day", "play", str(file)], env={"ONECARD_LANG": "en"})
    assert told.exit_code == 0, told.output
    shown = 'code-damaged "The code was not read well; please show it again" → "You are logged out; thank you"'
    assert shown in told.stdout
    lines = CliRunner().invoke(cli, ["day", "play", str(file), "--json"]).stdout.splitlines()
    sentences = [each["en"] for each in json.loads(lines[1])["shown"]]
    assert sentences == ["The code was not read well; please show it again", "You are logged out; thank you"]


class _Changed(Around):
    """A profile whose records somebody changes."""

    def __init__(self, profile: Profile[Any], change: Callable[[Record], Record]) -> None:
        super().__init__(profile)
        self._change = change

    def handle(self, state: Any, event: Event, facts: Facts) -> Step[Any]:
        step = self._profile.handle(state, event, facts)
        effects = tuple(self._change(effect) if isinstance(effect, Record) else effect for effect in step.effects)
        return Step(step.state, effects)


def test_what_stands_around_a_profile_can_what_the_profile_can() -> None:
    class Counting:
        def barcode(self, text: str, symbology: str) -> None:
            del text, symbology

    around = Around(cast("Profile[Any]", Counting()))
    assert isinstance(around, ReadsBarcodes)
    assert callable(inspect.getattr_static(around, "barcode")), "as isinstance looks from Python 3.12 on"


def test_a_till_that_writes_another_amount_than_was_held_is_found_out_in_the_evening(tmp_path: Path) -> None:
    def dearer(record: Record) -> Record:
        if record.kind is not Kind.PAYMENT or record.money is None:
            return record
        return record._replace(money=record.money._replace(amount_fen=9_900))

    result = played(TILL, tmp_path, lambda profile: cast("Profile[Any]", _Changed(profile, dearer)))
    assert any("payment-differs" in told for told in result.evening)


def test_a_till_that_forgets_to_end_an_intent_is_found_out_in_the_evening(tmp_path: Path) -> None:
    def silent(record: Record) -> Record:
        return record._replace(kind=Kind.OUTCOME, money=None) if record.kind is Kind.PAYMENT else record

    result = played(TILL, tmp_path, lambda profile: cast("Profile[Any]", _Changed(profile, silent)))
    assert "a payment has not ended" in result.evening


def test_every_event_of_a_day_goes_through_the_profile_that_was_put_around(tmp_path: Path) -> None:
    seen: list[type[Any]] = []

    def note(profile: Profile[Any]) -> Profile[Any]:
        seen.append(type(profile))
        return profile

    played(GATE, tmp_path / "gate", note)
    played(TILL, tmp_path / "till", note)
    assert seen == [Gate, Till]


def test_the_command_plays_a_day_of_its_own_and_one_in_a_file_and_says_what_differs(tmp_path: Path) -> None:
    file = tmp_path / "north.yaml"
    file.write_text(GATE.replace("expect: passed", "expect: timed-out"), encoding="utf-8")
    done = CliRunner().invoke(cli, ["day", "play", str(file), "--json"])
    assert done.exit_code == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line.get("reasons") for line in lines] == [["granted"], ["passed"], ["forced-open"], None]
    assert lines[1]["differences"] == ["records: passed, should be timed-out"]
    assert lines[-1] == {"holds": False, "evening": []}
    done = CliRunner().invoke(cli, ["day", "play", "gate", "--offline"])
    assert done.exit_code == 0
    assert "the day is as its script says" in done.stdout
    endless = CliRunner().invoke(cli, ["day", "play", "/dev/zero"])
    assert endless.exit_code == 1
    assert "longer than 1000000 bytes" in endless.stderr
    missing = CliRunner().invoke(cli, ["day", "play", "no-such-day"])
    assert missing.exit_code == 1
    assert "no day of this name (" in missing.stderr
    assert "gate, " in missing.stderr


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("campus-gate", "turnstile-campus"),
        ("campus-canteen", "canteen-campus"),
        ("campus-library", "library-campus"),
        ("turnstyle", "turnstile"),
    ],
)
def test_who_names_a_preset_or_mistypes_a_day_is_told_which_day_that_is(typed: str, meant: str) -> None:
    missing = CliRunner().invoke(cli, ["day", "play", typed])
    assert (missing.exit_code, f"did you mean {meant}?" in missing.stderr) == (1, True), missing.stderr
