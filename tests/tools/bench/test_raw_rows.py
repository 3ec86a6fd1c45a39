"""The raw peer of decisions leaves on the disk what the journal has of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from agent.facts import TerminalFacts
from offline_store.database import DATABASE_NAME, PAGE_BYTES
from profiles.api import Event, Facts, Profile, Record, Step
from tools.bench.raw_rows import Decided, RawRows, written
from tools.days.around import Around
from tools.days.day import parse_day
from tools.days.play import play
from tools.scenes import DAYS, scene_files

SCENE = "shop"
"""Nothing is saved behind the last decision of its day, so that what is saved is that decision's."""


class _Noting(Around):
    """A profile whose decisions are noted."""

    def __init__(self, profile: Profile[Any], noted: list[Decided]) -> None:
        super().__init__(profile)
        self._noted = noted

    def handle(self, state: Any, event: Event, facts: Facts) -> Step[Any]:
        step = self._profile.handle(state, event, facts)
        if any(isinstance(effect, Record) for effect in step.effects):
            self._noted.append(Decided(step, cast("TerminalFacts", facts)))
        return step


def _rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def test_the_peer_commits_the_rows_of_each_decision_and_nothing_else(tmp_path: Path) -> None:
    noted: list[Decided] = []
    day = parse_day(scene_files(DAYS)[SCENE].read_text(encoding="utf-8"), SCENE)
    assert play(day, tmp_path, wrap=lambda profile: cast("Profile[Any]", _Noting(profile, noted))).holds
    journal, raw = tmp_path / "journal", tmp_path / "raw.db"
    decisions = written(journal, SCENE, noted)
    with closing(RawRows(raw)) as peer:
        for _ in range(2):
            took_ns = peer.commits_ns(decisions)
    assert len(took_ns) == len(noted) > 5
    assert min(took_ns) > 0
    assert _rows(raw, "PRAGMA page_size") == [(PAGE_BYTES,)]
    own = "SELECT id, kind, lane, reason, time_ms, body FROM record WHERE lane IS NOT NULL ORDER BY place"
    for query in (own, "SELECT * FROM saved", "SELECT * FROM mark"):
        assert _rows(raw, query) == _rows(journal / DATABASE_NAME, query) != []
