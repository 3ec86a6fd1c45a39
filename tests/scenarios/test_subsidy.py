"""Nothing of a subsidy's answer, and no PIN, is in the terminal's store or its logs, whatever happened all day."""

from __future__ import annotations

from pathlib import Path

import structlog

from tools.days.day import parse_day
from tools.days.play import play
from tools.scenes import DAYS, scene_files

SECRETS = ("耕地地力保护补贴", "农机购置补贴", "3600.00", "360000", "1250.00", "4321", "135790", "111111", "c*n")


def test_no_byte_of_an_answer_or_a_pin_is_in_store_or_log(tmp_path: Path) -> None:
    day = parse_day(scene_files(DAYS)["subsidy"].read_text(encoding="utf-8"), "subsidy")
    with structlog.testing.capture_logs() as logs:
        result = play(day, tmp_path, source="subsidy")
    assert result.holds
    shown = "".join(played.came.says.zh for played in result.steps if played.came.says is not None)
    assert "农机购置补贴  3600.00 元" in shown  # the screen did have it
    said = repr(logs).encode()
    assert b"subsidy-shown" in said
    kept = {path.name: path.read_bytes() for path in (tmp_path / "journal").rglob("*") if path.is_file()}
    assert b"subsidy-shown" in b"".join(kept.values())
    for name, content in {**kept, "log": said}.items():
        for secret in SECRETS:
            assert secret.encode() not in content, f"{secret} is in {name}"
            assert repr(secret)[1:-1].encode() not in content, f"{secret} is in {name}"
