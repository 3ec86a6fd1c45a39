"""What a tap costs the flash: transactions and pages in the write-ahead log, counted; and what may reach it later.

The log's frames are read as they lie there (https://www.sqlite.org/fileformat2.html#the_write_ahead_log).
"""

from __future__ import annotations

import shutil
import sqlite3
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from offline_store import writer as writer_module
from offline_store.database import DATABASE_NAME, PAGE_BYTES
from offline_store.errors import AcknowledgementRefused
from offline_store.journal import Append, Journal
from offline_store.marks import MARK_GRACE_MS, SWEEP_AFTER, Mark
from offline_store.outbox import Outbox
from offline_store.record import NO_HASH, Record
from offline_store.writer import Writer
from tests.offline_store.parts import BOOT_ID, START_MS, SeededRandom, SteppingClock, entry, fill, spoil

WAIT_S = 20.0
HEADER_BYTES = 32
FRAME = struct.Struct(">II16x")
LANE_STATE = bytes(600)


def log_of(directory: Path) -> list[int]:
    """How many pages each transaction wrote; all since the log was begun."""
    log = (directory / f"{DATABASE_NAME}-wal").read_bytes()
    transactions, pages = [], 0
    for at in range(HEADER_BYTES, len(log), FRAME.size + PAGE_BYTES):
        _, size_after_commit = FRAME.unpack_from(log, at)
        pages += 1
        if size_after_commit:
            transactions.append(pages)
            pages = 0
    return transactions


def acked_seq(directory: Path) -> int:
    with closing(Outbox.open(directory)) as outbox:
        return outbox.position().acked_seq


@contextmanager
def after_power_cut(directory: Path) -> Iterator[Journal]:
    """The journal as another start finds it, while the one that wrote it has not been closed."""
    copy = directory.parent / "copy"
    shutil.copytree(directory, copy)
    with closing(Journal.open(copy, BOOT_ID, clock=SteppingClock(), random=SeededRandom(2))) as journal:
        yield journal


def decision(number: int) -> Append:
    """A grant: its record, the lane's state, a mark against a second use."""
    mark = Mark("gate.in", number.to_bytes(16, "big"), number, START_MS + MARK_GRACE_MS)
    return Append((entry(number),), {"lane/gate-1/gate": LANE_STATE + bytes([number % 256])}, (mark,))


def outcome(number: int) -> Append:
    """That somebody passed."""
    return Append((entry(number),), {"lane/gate-1/gate": LANE_STATE})


def taps(journal: Journal, count: int, first: int = 1) -> None:
    """One after the other, as at a lone gate: the platform answers each record before the next is made."""
    for number in range(first, first + 2 * count, 2):
        for append in (decision(number), outcome(number + 1)):
            journal.append([append])
            journal.acknowledge_soon(journal.head.chain_id, journal.head.seq, journal.head.hash)


def test_a_tap_is_two_transactions_however_often_the_platform_answers(journal: Journal, directory: Path) -> None:
    taps(journal, 5)
    before = len(log_of(directory))
    taps(journal, 50, 101)
    assert len(log_of(directory)) - before == 2 * 50


def test_a_lone_tap_writes_thirteen_kilobytes_to_the_log(journal: Journal, directory: Path) -> None:
    taps(journal, 5)
    before = sum(log_of(directory))
    taps(journal, 100, 101)
    assert (sum(log_of(directory)) - before) * PAGE_BYTES / 100 < 13_000


def test_an_acknowledgement_is_on_the_disk_with_the_next_append(journal: Journal, directory: Path) -> None:
    (record,) = fill(journal, 1)
    before = len(log_of(directory))
    assert journal.acknowledge_soon(journal.head.chain_id, record.seq, record.hash) == record.seq
    assert (acked_seq(directory), len(log_of(directory)), journal.settled) == (0, before, False)
    fill(journal, 1, 2)
    assert (acked_seq(directory), len(log_of(directory)), journal.settled) == (record.seq, before + 1, True)


def test_an_acknowledgement_that_waits_never_goes_back_and_is_checked_at_once(journal: Journal) -> None:
    first, second = fill(journal, 2)
    chain_id = journal.head.chain_id
    assert journal.acknowledge_soon(chain_id, second.seq, second.hash) == second.seq
    assert journal.acknowledge_soon(chain_id, first.seq, first.hash) == second.seq
    assert journal.acknowledge(chain_id, first.seq, first.hash) == second.seq
    with pytest.raises(AcknowledgementRefused):
        journal.acknowledge_soon(chain_id, second.seq + 1, second.hash)
    with pytest.raises(AcknowledgementRefused):
        journal.acknowledge_soon(bytes(16), 1, first.hash)


def test_a_power_cut_loses_the_acknowledgement_that_waits_and_nothing_else(journal: Journal, directory: Path) -> None:
    record: Record = fill(journal, 3)[-1]
    journal.acknowledge_soon(journal.head.chain_id, record.seq, record.hash)
    with after_power_cut(directory) as again:
        assert (again.head, again.verify().broken) == (journal.head, None)
        assert acked_seq(again.directory) == 0
        assert again.acknowledge_soon(again.head.chain_id, record.seq, record.hash) == record.seq
    assert acked_seq(directory.parent / "copy") == record.seq, "who closes the journal in order loses not even that"


def test_what_is_pruned_leaves_in_the_transaction_that_says_why_it_may(journal: Journal, directory: Path) -> None:
    record = fill(journal, 3)[-1]
    journal.acknowledge_soon(journal.head.chain_id, record.seq, record.hash)
    before = len(log_of(directory))
    assert journal.prune(START_MS + 10**9) == 3
    assert acked_seq(directory) == record.seq
    assert len(log_of(directory)) - before <= 2, "the other one gives the pages back"


def test_an_acknowledgement_after_which_another_chain_leaves_does_not_wait(
    open_journal: Callable[[], Journal], directory: Path
) -> None:
    first = open_journal()
    record = fill(first, 3)[-1]
    old = first.head
    first.close()
    spoil(
        directory,
        (
            "INSERT INTO chain (number, chain_id, base, anchor_hash, acked_hash) VALUES (2, randomblob(16), ?, ?, ?)",
            (old.place, NO_HASH, NO_HASH),
        ),
        ("INSERT INTO record (place, id, kind, time_ms, body) VALUES (5, randomblob(16), 'x', 0, ?)", (_body(1),)),
    )
    journal = open_journal()
    journal.acknowledge_soon(old.chain_id, record.seq, record.hash)
    with closing(Outbox.open(directory)) as outbox:
        assert outbox.position().chain_id == journal.head.chain_id != old.chain_id


def _body(seq: int) -> bytes:
    return Record(entry(9), seq, BOOT_ID, NO_HASH).to_bytes()


def test_where_nobody_taps_the_writer_puts_the_acknowledgement_on_the_disk_by_itself(
    journal: Journal, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "SETTLED_WITHIN_S", 0.05)
    writer = Writer(journal)
    try:
        (record,) = writer.submit(Append((entry(1),))).result(WAIT_S).records
        soon = writer.acknowledge_soon(journal.head.chain_id, record.seq, record.hash)
        assert soon.result(WAIT_S) == record.seq
        assert writer.is_delivered()
        deadline_s = time.monotonic() + WAIT_S
        while acked_seq(directory) != record.seq and time.monotonic() < deadline_s:
            pass
        assert acked_seq(directory) == record.seq
    finally:
        writer.close(WAIT_S)


def test_calls_that_append_nothing_do_not_put_an_acknowledgement_off(
    journal: Journal, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "SETTLED_WITHIN_S", 0.05)
    writer = Writer(journal)
    try:
        (record,) = writer.submit(Append((entry(1),))).result(WAIT_S).records
        deadline_s = time.monotonic() + WAIT_S
        while acked_seq(directory) != record.seq and time.monotonic() < deadline_s:
            writer.acknowledge_soon(journal.head.chain_id, record.seq, record.hash).result(WAIT_S)
        assert acked_seq(directory) == record.seq
    finally:
        writer.close(WAIT_S)


def taken(writer: Writer) -> None:
    """Wait until the writer's thread has taken all that was handed over."""
    deadline_s = time.monotonic() + WAIT_S
    while not writer._queue.empty():
        assert time.monotonic() < deadline_s


def test_what_is_patient_is_committed_with_the_decision_that_comes_next(
    journal: Journal, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "COMPANY_WITHIN_S", 10 * WAIT_S)
    writer = Writer(journal)
    try:
        before = len(log_of(directory))
        passed = writer.submit(replace(outcome(1), patient=True))
        taken(writer)
        timed_out = writer.submit(replace(outcome(2), patient=True))
        taken(writer)
        assert not passed.done()
        assert not timed_out.done()
        granted = writer.submit(decision(3))
        assert [future.result(WAIT_S).records[0].seq for future in (passed, timed_out, granted)] == [2, 3, 4]
        assert len(log_of(directory)) - before == 1
        assert writer.submit(decision(4)).result(WAIT_S).records[0].seq == 5, "a decision waits for nobody"
    finally:
        writer.close(WAIT_S)


def test_what_is_patient_is_committed_alone_where_nobody_comes_and_before_the_writer_closes(
    journal: Journal, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(journal)
    assert writer.submit(replace(outcome(1), patient=True)).result(WAIT_S).records[0].seq == 2
    monkeypatch.setattr(writer_module, "COMPANY_WITHIN_S", 10 * WAIT_S)
    last = writer.submit(replace(outcome(2), patient=True))
    assert writer.close(WAIT_S)
    assert last.result(0).records[0].seq == 3


def test_marks_that_ended_leave_from_among_many_that_stay(journal: Journal, clock: SteppingClock) -> None:
    staying = tuple(Mark("stays", _key(number), 1, START_MS + 9 * MARK_GRACE_MS) for number in range(2_000))
    journal.append([Append(marks=staying)])
    clock.time_ms += 2 * MARK_GRACE_MS
    most = 0
    for first in range(0, 4_000, SWEEP_AFTER):
        over = tuple(Mark("over", _key(number), 1, START_MS) for number in range(first, first + SWEEP_AFTER))
        journal.append([Append(marks=over)])
        most = max(most, _count(journal.directory))
    assert most <= 2_000 * 8 / 7 + 2 * SWEEP_AFTER
    assert set(staying) <= set(journal.load_marks(clock.time_ms))


def _key(number: int) -> bytes:
    return (number * 2_654_435_761 % 2**32).to_bytes(4, "big") + number.to_bytes(4, "big")


def _count(directory: Path) -> int:
    with closing(sqlite3.connect(directory / DATABASE_NAME)) as connection:
        return int(connection.execute("SELECT count(*) FROM mark").fetchone()[0])
