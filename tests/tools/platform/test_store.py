"""The database as every rule uses it, on SQLite and on PostgreSQL."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import tools.platform
from tests.tools.platform.chains import CHAIN, NOW_MS, Desk, make_chain
from tools.platform.store import Store


def test_a_transaction_that_has_read_a_chain_writes_on(desk: Desk, store: Store) -> None:
    records = make_chain(3)
    desk.hello(records)
    desk.batch(records, 1, 3)
    with store.transaction() as transaction:
        assert [row.seq for row in transaction.records(CHAIN)] == [1, 2, 3]
        transaction.alarm("gate-1", "platform", "looked-at", NOW_MS)
        transaction.seen("gate-1", NOW_MS + 1)
    with store.transaction() as transaction:
        assert [row.code for row in transaction.alarms()] == ["looked-at"]
        (terminal,) = transaction.terminals()
        assert terminal.last_seen_ms == NOW_MS + 1


def test_a_platform_that_is_started_makes_every_table_that_a_command_looks_for() -> None:
    """Whatever a process has imported: each module of the platform adds its tables to one list."""
    every = [module.name for module in pkgutil.iter_modules(tools.platform.__path__)]
    tables = "from tools.platform.store import metadata; print(sorted(metadata.tables))"
    said = [
        subprocess.run([sys.executable, "-P", "-c", f"{imports}; {tables}"], capture_output=True, text=True, check=True)
        for imports in ("import tools.platform.service", "; ".join(f"import tools.platform.{name}" for name in every))
    ]
    assert said[0].stdout == said[1].stdout
