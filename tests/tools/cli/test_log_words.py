"""Whatever the terminal logs has words in Chinese."""

from __future__ import annotations

import ast
import re
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
        (
            {"event": "device", "device": "library", "state": "failed", "reason": "silent"},
            "设备",
            "device",
            "设备=library 状态=故障 原因=图书馆系统没有及时应答",
        ),
        ({"event": "device", "state": "failed", "reason": "silent"}, "设备", "device", "状态=故障 原因=设备没有应答"),
        ({"event": "link down", "fault": "silent"}, "连接断开", "link down", "故障=平台没有应答"),
        ({"event": "show", "tone": "ok"}, "屏幕显示", "show", "提示音=成功"),
        ({"event": "show", "kind": "private"}, "屏幕显示", "show", "类别=私密"),
        ({"event": "bundle is old", "state": "in-grace"}, "数据包已过时", "bundle is old", "状态=宽限期内"),
        ({"event": "journal log", "state": "held"}, "日志并入", "journal log", "状态=被占住"),
        (
            {"event": "command refused", "reason": "foreign"},
            "指令被拒",
            "command refused",
            "原因=属于另一台终端或另一条记录链",
        ),
        (
            {"event": "journal is damaged", "seq": 7, "fault": "altered"},
            "日志已损坏",
            "journal is damaged",
            "序号=7 故障=被改动",
        ),
        (
            {"event": "certificate could not be renewed", "problem": "not-ours"},
            "证书未能更新",
            "certificate could not be renewed",
            "问题=收到的证书不属于本终端的密钥",
        ),
        ({"event": "part failed", "problem": "pinning"}, "部件出错", "part failed", "问题=现行版本"),
        ({"event": "of another version", "unknown": 7}, "of another version", "of another version", "unknown=7"),
    ],
)
def test_a_line_is_said_in_one_language(
    entry: dict[str, Any], zh: str, en: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {key: content for key, content in entry.items() if key != "event"}
    monkeypatch.setenv("ONECARD_LANG", "en")
    assert log_words.event(entry["event"]) == en
    assert "durable_ns" not in log_words.fields_of(entry["event"], fields)
    for key in fields.keys() - {"durable_ns"}:
        assert f"{key}={fields[key]}" in log_words.fields_of(entry["event"], fields)
    monkeypatch.setenv("ONECARD_LANG", "zh")
    assert log_words.event(entry["event"]) == zh
    assert log_words.fields_of(entry["event"], fields) == said


def test_every_part_that_is_supervised_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONECARD_LANG", "zh")
    parts = set(re.findall(r'_supervised\("([^"]+)"', (AGENT / "terminal.py").read_text(encoding="utf-8")))
    assert {"sync", "service acts"} <= parts
    unsaid = {part for part in parts if log_words.fields_of("part failed", {"problem": part}) == f"问题={part}"}
    assert unsaid == set()
