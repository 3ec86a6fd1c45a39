"""A day that cannot be read says where, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config import ConfigError
from tools.days.day import DayError, parse_day
from tools.days.play import configuration
from tools.scenes import DAYS, scene_files

GATE = scene_files(DAYS)["gate"].read_text(encoding="utf-8")
STEP = '  - {at: "06:58", card: chen,'
LINE = GATE[: GATE.index(STEP)].count("\n") + 1


def problem(old: str, new: str) -> str:
    assert GATE.count(old) >= 1
    with pytest.raises((DayError, ConfigError)) as caught:
        configuration(parse_day(GATE.replace(old, new, 1), "gate.yaml"), "gate.yaml", Path("/srv"))
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "where", "remedy"),
    [
        (STEP, '  - {at: "06:58", crad: chen,', f"line {LINE}, steps.0.crad", "did you mean card?"),
        (STEP, '  - {at: 16:58, card: chen,', f"line {LINE}, steps.0.at", "a time in quotes"),
        (STEP, '  - {at: "6.58", card: chen,', f"line {LINE}, steps.0.at", "a time in quotes"),
        (STEP, '  - {at: "06:58", card: chan,', f"line {LINE}: steps.0", "did you mean chen?"),
        (STEP, '  - {at: "06:58", card: chen, code: chen,', f"line {LINE}, steps.0", "here are card, code"),
        (STEP, '  - {at: "06:58", fault: gone,', f"line {LINE}, steps.0.fault", "should be one of removed"),
        (STEP, '  - {at: "06:58", code: chen, purpose: eat,', "steps.0.purpose", "pass, pay, borrow"),
        (STEP, '  - {at: "06:58", lane: south, card: chen,', "steps.0.lane", "one of the lanes: north-in"),
        (STEP, '  - {at: "06:58", network: away,', f"line {LINE}, steps.0.network", "should be 'up' or 'down'"),
        (STEP, '  - {at: "06:58", card: chen, paid: 12.50,', f"line {LINE}, steps.0.paid", "an amount in quotes"),
        ("expect: out-of-hours", "expect: out-of-hour", f"line {LINE}, steps.0.expect", "did you mean out-of-hours?"),
        ('at: "07:01"', 'at: "06:58"', f"line {LINE + 1}: steps.1", "after that of the step above (06:58:00)"),
        ('date: "2026-11-23"', 'date: "2026-11-31"', "date", 'like "2026-11-23"'),
        ('date: "2026-11-23"', 'date: "9999-12-31"', "date", 'like "2026-11-23"'),
        ('at: "07:01"', 'at: "07:01+08:00"', f"line {LINE + 1}, steps.1.at", "a time in quotes"),
        ("preset: gate", "preset: gaet", "preset", "gate, "),
        ("admit: {entitlements", "admitt: {entitlements", "settings.admitt", "did you mean admit?"),
        ("people:\n", "peeple:\n", "peeple", "did you mean people?"),
        ("steps:\n", "steps: &steps\n  - *steps\n", "line", "no alias"),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_names_line_key_and_remedy(old: str, new: str, where: str, remedy: str) -> None:
    said = problem(old, new)
    assert "gate.yaml" in said
    assert where in said
    assert remedy in said


def test_a_day_goes_on_over_midnight_where_a_step_says_so() -> None:
    text = GATE[: GATE.index("steps:")] + (
        'steps:\n  - {at: "23:59", card: chen}\n  - {at: "00:01", date: "2026-11-24", card: chen}\n'
    )
    first, second = parse_day(text, "night").moments()
    assert (second - first).total_seconds() == 120
