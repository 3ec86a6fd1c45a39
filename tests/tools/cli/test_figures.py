"""What a full disk only let count: said while it waits, and from its record; in both languages and as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from offline_store.figures import UNRECORDED, Instead
from offline_store.journal import Append, Journal
from offline_store.record import Value
from offline_store.writer import InlineWriter
from tests.offline_store.parts import BOOT_ID, SeededRandom, SteppingClock, entry
from tests.tools.platform.chains import make_chain
from tools.cli.figures import figure_words, figures_of, openings_of
from tools.cli.times import local

LIMIT_BYTES = 1 << 32


def onecard(*arguments: str, state_dir: Path, lang: str = "en") -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "agent", *arguments, "--state-dir", str(state_dir)],
        env=os.environ | {"ONECARD_LANG": lang, "TZ": "Asia/Shanghai"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal.open(tmp_path, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1), size_limit_bytes=LIMIT_BYTES)


@pytest.fixture
def writer(journal: Journal) -> InlineWriter:
    """Three openings and a refusal were counted, and wait."""
    writer = InlineWriter(journal)
    journal.limit(LIMIT_BYTES)
    for number, openings in enumerate((1, 1, 1, 0), start=1):
        reason = "granted" if openings else "not-entitled"
        public: dict[str, Value] = {"filling": os.urandom(4_000)}
        told = entry(1_000 * number, "decision", lane="north-in", reason=reason, public=public)
        assert writer.submit(Append((told,), vital=True, instead=Instead(openings))).result().counted
    return writer


def test_what_waits_is_said_also_where_no_link_is(writer: InlineWriter, tmp_path: Path) -> None:
    writer.close(0)
    code, said = onecard("status", state_dir=tmp_path)
    assert code == 1
    assert (
        "north-in: the disk is full, 3 openings are not recorded one by one "
        "(2026-01-01 08:00:01+08:00 to 2026-01-01 08:00:04+08:00)" in said
    )
    assert "north-in：磁盘已满，有 3 次开门没有逐条记录" in onecard("status", state_dir=tmp_path, lang="zh")[1]


def test_its_record_is_listed_with_the_number_and_shown_with_every_figure(
    writer: InlineWriter, journal: Journal, tmp_path: Path
) -> None:
    journal.limit(0)
    writer.keep_reserve()
    writer.close(0)
    assert "counted while the disk was full north-in (3 openings)" in onecard("journal", "list", state_dir=tmp_path)[1]
    assert "（开门 3 次）" in onecard("journal", "list", state_dir=tmp_path, lang="zh")[1]
    _, said = onecard("journal", "show", "2", state_dir=tmp_path)
    assert "openings: 3" in said
    assert "decision: granted × 3 (2026-01-01 08:00:01+08:00 – 2026-01-01 08:00:03+08:00)" in said
    assert "× 1 (2026-01-01 08:00:04+08:00 – 2026-01-01 08:00:04+08:00)" in said
    shown = json.loads(onecard("journal", "show", "2", "--json", state_dir=tmp_path)[1])
    assert (shown["kind"], shown["openings"]) == (UNRECORDED, 3)
    assert shown["public"]["figures"][0][:3] == ["decision", "granted", 3]


def test_figures_of_another_form_are_left_out_and_stop_nobody() -> None:
    record = make_chain(2)[-1]
    rows: tuple[Value, ...] = (
        ("decision", "granted", 2, 0, 1),
        ("decision", "", 1, 0, 2**53 - 1),
        ("decision", "granted", "many", 0, 1),
        ("decision", "granted"),
        7,
    )
    public: dict[str, Value] = {"openings": -1, "figures": rows}
    told = replace(record, entry=replace(record.entry, kind=UNRECORDED, public=public))
    assert [figure.times for figure in figures_of(told)] == [2]
    assert figure_words(figures_of(told)[0]).endswith(f"× 2 ({local(0)} – {local(0)})")
    assert openings_of(told) is None
    assert (openings_of(record), figures_of(record)) == (None, [])
