"""SIGTERM ends a terminal soon, whatever its disk does."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from offline_store.database import DATABASE_NAME
from tests.scenarios.site import gate, started, taken_by_another


@contextmanager
def written_by_another(database: Path) -> Iterator[None]:
    """Another program writes: it holds the database and does not end its transaction."""
    blocker = sqlite3.connect(database, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        blocker.execute("ROLLBACK")
        blocker.close()


def test_a_terminal_whose_records_wait_for_a_locked_database_ends_on_sigterm(tmp_path: Path) -> None:
    with gate(tmp_path) as site, written_by_another(site.state_dir / DATABASE_NAME):
        site.insert("gen3-chen")
        site.expect("show", tone="no")
        assert site.terminal.stop() == 0
        assert not any(change.on for change in site.relay().history)


def test_a_terminal_that_cannot_open_its_journal_ends_on_sigterm(tmp_path: Path) -> None:
    with gate(tmp_path) as site:
        assert site.terminal.stop() == 0
        with taken_by_another(site.state_dir / DATABASE_NAME), started(site.config, site.devices) as again:
            site.terminal, site.seen = again, 0
            site.expect("journal cannot be opened")
            assert again.stop() == 0
