"""The database as every rule uses it, on SQLite and on PostgreSQL."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import tools.platform
from tests.tools.platform.chains import CHAIN, NOW_MS, Desk, make_chain
from tools.platform.errors import PlatformError
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


def test_a_database_of_an_earlier_version_gets_the_indexes_and_columns_that_it_lacks_and_keeps_its_rows(
    desk: Desk, store: Store
) -> None:
    desk.hello(make_chain(3))
    indexes = ("intent_by_number", "intent_by_owner", "ix_chain_terminal")
    url = _url(store)
    with store.transaction() as transaction:
        for index in indexes:
            transaction.connection.exec_driver_sql(f"DROP INDEX {index}")
        transaction.connection.exec_driver_sql("ALTER TABLE terminal DROP COLUMN first_retained")
    with pytest.raises(PlatformError):
        Store.open_for_reading(url)
    for _ in range(2):
        later = Store.open(url)
        with later.transaction() as transaction:
            (terminal,) = transaction.terminals()
            assert (terminal.terminal, terminal.first_retained) == ("gate-1", None)
            for index in indexes:
                transaction.connection.exec_driver_sql(f"DROP INDEX {index}")
        later.close()
    Store.open_for_reading(url).close()


def test_a_column_that_nobody_can_fill_in_is_named_and_the_database_is_left_as_it_was(store: Store) -> None:
    url = _url(store)
    with store.transaction() as transaction:
        transaction.connection.exec_driver_sql("DROP INDEX intent_by_owner")
        transaction.connection.exec_driver_sql("ALTER TABLE intent DROP COLUMN remaining_fen")
    with pytest.raises(PlatformError, match="remaining_fen"):
        Store.open(url)
    with store.transaction() as transaction:
        transaction.connection.exec_driver_sql("CREATE INDEX intent_by_owner ON intent (state)")


def _url(store: Store) -> str:
    with store.transaction() as transaction:
        return transaction.connection.engine.url.render_as_string(hide_password=False)
