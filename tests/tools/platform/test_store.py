"""The database as every rule uses it, on SQLite and on PostgreSQL."""

from __future__ import annotations

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
