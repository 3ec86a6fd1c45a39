"""The outbox: exact bytes, in order, bounded, beside the running journal."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from offline_store.database import DATABASE_NAME
from offline_store.errors import Damaged, IoFailed
from offline_store.journal import Journal
from offline_store.outbox import Outbox, Position
from offline_store.record import NO_HASH
from tests.offline_store.parts import BOOT_ID, SeededRandom, SteppingClock, fill, spoil

DEADLINE_S = 20.0


@pytest.fixture
def outbox(journal: Journal, directory: Path) -> Iterator[Outbox]:
    outbox = Outbox.open(directory)
    yield outbox
    outbox.close()


def test_the_position_follows_the_journal(journal: Journal, outbox: Outbox) -> None:
    records = fill(journal, 5)
    journal.acknowledge(journal.head.chain_id, 3, records[1].hash)
    assert outbox.position() == Position(journal.head.chain_id, 1, 3, 6, journal.head.hash)


def test_batches_hold_the_exact_bytes_in_order(journal: Journal, outbox: Outbox) -> None:
    records = fill(journal, 250)
    sent: list[bytes] = []
    while batch := outbox.batch(1 + len(sent), 100, 10**6):
        assert len(batch) <= 100
        sent += batch
    assert sent == [record.to_bytes() for record in records]


def test_a_batch_is_bounded_in_bytes_but_never_empty_before_the_end(journal: Journal, outbox: Outbox) -> None:
    size_bytes = len(fill(journal, 10)[0].to_bytes())
    assert len(outbox.batch(1, 100, 3 * size_bytes + 3)) == 3
    assert len(outbox.batch(1, 100, 1)) == 1
    assert outbox.batch(1, 0, 10**6) == []
    assert outbox.batch(1, -1, 10**6) == []
    assert outbox.batch(11, 100, 10**6) == []


def test_a_hash_is_given_for_what_is_there(journal: Journal, outbox: Outbox) -> None:
    records = fill(journal, 2)
    assert outbox.hash_at(2) == records[0].hash
    assert outbox.hash_at(4) is None
    assert outbox.hash_at(0) is None


def test_no_read_transaction_stays_open_so_the_log_can_start_again(
    journal: Journal, outbox: Outbox, directory: Path
) -> None:
    """A passive checkpoint that a reader holds back could not move every page."""
    fill(journal, 200)
    outbox.position()
    outbox.batch(0, 50, 100)
    outbox.hash_at(1)
    outbox.verify()
    fill(journal, 200, first=300)
    checker = sqlite3.connect(directory / DATABASE_NAME)
    busy, in_log, moved = checker.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    checker.close()
    assert (busy, in_log) == (0, moved)


def test_whoever_closes_it_waits_for_a_reading_of_another_thread(journal: Journal, outbox: Outbox) -> None:
    """Python finalizes the statement that the other thread is about: it would take the process with it."""
    fill(journal, 501)
    closing = threading.Thread(target=outbox.close)

    def pause() -> None:
        closing.start()
        closing.join(0.05)

    assert outbox.inspect(pause) is None
    closing.join(DEADLINE_S)
    with pytest.raises(IoFailed):
        outbox.position()


def test_the_outbox_cannot_write(outbox: Outbox) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        outbox._connection.execute("DELETE FROM record")


def test_an_older_chain_leaves_first(open_journal: Callable[[], Journal], directory: Path) -> None:
    journal = open_journal()
    records = fill(journal, 3)
    old = journal.head
    journal.close()
    spoil(
        directory,
        (
            "INSERT INTO chain (number, chain_id, base, anchor_hash, acked_hash) VALUES (2, randomblob(16), ?, ?, ?)",
            (old.place, NO_HASH, NO_HASH),
        ),
        "INSERT INTO record (place, id, kind, time_ms, body) VALUES (5, randomblob(16), 'genesis', 0, x'01')",
    )
    outbox = Outbox.open(directory)
    try:
        assert outbox.position() == Position(old.chain_id, 1, 0, 4, old.hash)
        assert len(outbox.batch(0, 100, 10**6)) == 4
        assert outbox.hash_at(5) is None
        spoil(directory, ("UPDATE chain SET acked_seq = 4, acked_hash = ? WHERE number = 1", (records[-1].hash,)))
        assert outbox.position().head_seq == 1
        assert outbox.batch(0, 100, 10**6) == [b"\x01"]
    finally:
        outbox.close()


def test_a_directory_without_a_journal_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(IoFailed, match="there is no journal"):
        Outbox.open(tmp_path)


@pytest.mark.parametrize("name", [b"\xa5\xff", b"journal"])
def test_a_schema_of_noise_is_damage_and_no_traceback(journal: Journal, name: bytes) -> None:
    directory = journal.directory
    fill(journal, 3)
    journal.close()
    spoil(
        directory,
        "PRAGMA writable_schema = ON",
        ("UPDATE sqlite_schema SET name = CAST(? AS TEXT), sql = 'CREATE TABLE (' WHERE name = 'loan'", (name,)),
    )
    with closing(Outbox.open(directory)) as outbox, pytest.raises(Damaged):
        outbox.position()
    with pytest.raises(Damaged):
        Journal.open(directory, BOOT_ID, clock=SteppingClock(), random=SeededRandom(2))
