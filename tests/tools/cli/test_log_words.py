"""Whatever the terminal logs has words in Chinese."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.logs import ALLOWED_KEYS
from profiles.api import Kind
from tools.cli import log_words
from tools.cli.codes import KINDS

AGENT = Path(__file__).parents[3] / "agent"
LOGS = {"debug", "info", "warning", "error", "line", "tell", "_not_recorded", "_wait_for_technician"}
"""The calls whose first argument is an event."""


def logged() -> Iterator[str]:
    """Every event that is written out in the agent."""
    for path in sorted(AGENT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr=name) | ast.Name(id=name), args=[ast.Constant(value=str(event)), *_]
                ) if name in LOGS:
                    yield event


def test_every_event_and_every_key_of_the_log_has_a_word() -> None:
    events = set(logged())
    assert {"ready", "device", "journal log", "append failed"} <= events
    assert events - log_words.EVENTS.keys() - KINDS.keys() == set()
    named = {key for key in ALLOWED_KEYS if not key.endswith("_ns")} - {"event", "level", "timestamp", "zh", "en"}
    assert named == log_words.KEYS.keys()


@pytest.mark.parametrize(
    ("entry", "zh", "en", "said"),
    [
        (
            {"event": Kind.DECISION.value, "reason": "not-entitled", "durable_ns": 71_000_123},
            "决定",
            "decision",
            "原因=凭证有效，但没有所需权限",
        ),
        ({"event": "device", "state": "failed", "reason": "unplugged"}, "设备", "device", "状态=故障 原因=设备已拔出"),
        ({"event": "of another version", "unknown": 7}, "of another version", "of another version", "unknown=7"),
    ],
)
def test_a_line_is_said_in_one_language(
    entry: dict[str, Any], zh: str, en: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {key: content for key, content in entry.items() if key != "event"}
    monkeypatch.setenv("ONECARD_LANG", "en")
    assert log_words.event(entry["event"]) == en
    assert "durable_ns" not in log_words.fields(fields)
    for key in fields.keys() - {"durable_ns"}:
        assert f"{key}={fields[key]}" in log_words.fields(fields)
    monkeypatch.setenv("ONECARD_LANG", "zh")
    assert log_words.event(entry["event"]) == zh
    assert log_words.fields(fields) == said
