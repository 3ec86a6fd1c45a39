"""The journal on a real disk: the chain, idempotence, groups, faults, restart."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import cbor2
import pytest

from offline_store.database import DATABASE_NAME
from offline_store.errors import (
    AcknowledgementRefused,
    Damaged,
    DiskFull,
    IoFailed,
    Locked,
    RecordInvalid,
    StoreError,
    UnknownSuite,
)
from offline_store.genesis import Genesis
from offline_store.journal import Append, Journal
from offline_store.marks import MARK_GRACE_MS, SWEEP_AFTER, Mark
from offline_store.record import NO_HASH, Record
from tests.offline_store.parts import BOOT_ID, START_MS, SeededRandom, SteppingClock, entry, fill, spoil

Open = Callable[[], Journal]
SMALL_BYTES = 160 * 1024


def bodies(directory: Path) -> list[bytes]:
    connection = sqlite3.connect(f"file:{directory / DATABASE_NAME}?mode=ro", uri=True)
    try:
        return [row[0] for row in connection.execute("SELECT body FROM record ORDER BY place")]
    finally:
        connection.close()


def test_a_last_record_of_an_unknown_suite_is_named_so_and_the_file_is_left_as_it_is(
    open_journal: Open, directory: Path
) -> None:
    journal = open_journal()
    fill(journal, 3)
    journal.close()
    last = Record.from_bytes(bodies(directory)[-1])
    newer = cbor2.dumps({0: 2, 1: last.seq + 1, 99: b"what this version cannot read"}, canonical=True)
    insert = "INSERT INTO record (place, id, kind, time_ms, body) VALUES (?, ?, 'passage', 1, ?)"
    spoil(directory, (insert, (last.seq + 1, bytes(16), newer)))
    before = bodies(directory)
    with pytest.raises(UnknownSuite, match="unknown suite: a newer version") as named:
        Journal.open(directory, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1))
    assert not isinstance(named.value, Damaged), "what is damaged is exchanged"
    assert "未知" in named.value.zh
    assert bodies(directory) == before
    assert before[-1] == newer
    spoil(directory, ("DELETE FROM record WHERE place = ?", (last.seq + 1,)))
    assert open_journal().head.seq == last.seq, "as the newer version finds it"


def test_an_empty_journal_begins_with_a_genesis_that_names_the_chain(journal: Journal, directory: Path) -> None:
    first = Record.from_bytes(bodies(directory)[0])
    assert Genesis.of(first).chain_id == journal.head.chain_id
    assert (first.seq, first.prev_hash, journal.head.seq, journal.head.hash) == (1, NO_HASH, 1, first.hash)


def test_each_record_names_the_hash_of_the_one_before(journal: Journal, directory: Path) -> None:
    fill(journal, 20)
    stored = [Record.from_bytes(body) for body in bodies(directory)]
    assert [record.seq for record in stored] == list(range(1, 22))
    assert [record.prev_hash for record in stored] == [NO_HASH, *(record.hash for record in stored[:-1])]
    assert journal.head.hash == stored[-1].hash


def test_the_chain_goes_on_after_a_restart(open_journal: Open) -> None:
    head = (fill(open_journal(), 3)[-1], open_journal().head)
    assert head[0].hash == head[1].hash
    assert fill(open_journal(), 1, first=10)[0].prev_hash == head[1].hash
    assert open_journal().verify().broken is None


def test_an_entry_handed_in_twice_is_stored_once(journal: Journal) -> None:
    first = fill(journal, 3)
    again = fill(journal, 3)
    assert again == first
    assert journal.head.seq == 4


def test_an_entry_twice_in_one_group_is_stored_once(journal: Journal) -> None:
    one, two = journal.append([Append((entry(1),)), Append((entry(1), entry(2)))])
    assert two.records[0] == one.records[0]
    assert [record.seq for record in two.records] == [2, 3]


def test_a_retry_does_not_bring_old_state_back(journal: Journal) -> None:
    old = Append((entry(1),), {"lane": b"old"}, (Mark("replay", b"k", 1, START_MS),))
    journal.append([old])
    journal.append([Append((entry(2),), {"lane": b"new"}, (Mark("replay", b"k", 2, START_MS),))])
    journal.append([old])
    assert journal.load_saved() == {"lane": b"new"}
    assert [mark.value for mark in journal.load_marks(START_MS)] == [2]


def test_an_id_with_other_fields_is_refused_and_nothing_of_the_group_is_stored(journal: Journal) -> None:
    fill(journal, 1)
    head = journal.head
    with pytest.raises(RecordInvalid, match="an id of its own"):
        journal.append([Append((entry(2),)), Append((entry(1, reason="refused"),))])
    assert journal.head == head


def test_state_marks_and_record_are_found_again_together(open_journal: Open) -> None:
    mark = Mark("replay", b"jti", 1, START_MS + 1000)
    open_journal().append([Append((entry(1),), {"gate-1": b"open", "gate-2": b"shut"}, (mark,))])
    again = open_journal()
    again.append([Append((entry(2),), {"gate-2": None})])
    restored = open_journal().restore(START_MS)
    assert restored.saved == {"gate-1": b"open"}
    assert restored.marks == [mark]


def test_a_mark_is_removed_by_none_and_replaced_by_its_key(journal: Journal) -> None:
    journal.append([Append(marks=(Mark("a", b"1", 1, START_MS), Mark("a", b"2", b"x", START_MS)))])
    journal.append([Append(marks=(Mark("a", b"1", None, START_MS), Mark("a", b"2", 7, START_MS + 5)))])
    assert journal.load_marks(START_MS) == [Mark("a", b"2", 7, START_MS + 5)]


def test_marks_long_past_their_end_leave_and_others_stay_through_a_clock_wound_back(journal: Journal) -> None:
    marks = tuple(Mark("replay", number.to_bytes(2, "big"), 1, START_MS + number) for number in range(1200))
    journal.append([Append(marks=marks)])
    assert len(journal.load_marks(START_MS + 24 * 3_600_000)) == 1200
    left = journal.load_marks(START_MS + MARK_GRACE_MS + 1099)
    assert [mark.expires_ms - START_MS for mark in left] == list(range(1100, 1200))


def test_appends_prune_the_marks_that_ended(journal: Journal, clock: SteppingClock) -> None:
    for number in range(3 * SWEEP_AFTER):
        clock.time_ms = START_MS + number * MARK_GRACE_MS
        journal.append([Append(marks=(Mark("replay", bytes([number]), 1, clock.time_ms + 1),))])
    assert len(journal.load_marks(START_MS)) <= SWEEP_AFTER + 2


def test_a_second_agent_is_refused_and_told_who_holds_the_store(journal: Journal, directory: Path) -> None:
    with pytest.raises(Locked, match=f"held by process {os.getpid()}") as caught:
        Journal.open(directory, BOOT_ID, clock=SteppingClock(), random=SeededRandom(2))
    assert caught.value.pid == os.getpid()
    assert fill(journal, 1)[0].seq == 2


def appends_until_it_fails(journal: Journal) -> tuple[int, StoreError]:
    """Appends with state and a mark each; the number of the one that failed, and why."""
    for number in range(1, 10_000):
        mark = Mark("count", b"n", number, START_MS)
        try:
            journal.append([Append((entry(number),), {"lane": b"%d" % number}, (mark,))])
        except StoreError as error:
            return number, error
    raise AssertionError("the store never filled")


def test_a_full_store_stores_nothing_of_the_append_and_goes_on_where_it_stood(directory: Path) -> None:
    clock = SteppingClock()
    journal = Journal.open(directory, BOOT_ID, clock=clock, random=SeededRandom(1), size_limit_bytes=SMALL_BYTES)
    try:
        number, error = appends_until_it_fails(journal)
        assert isinstance(error, DiskFull)
        assert "make room" in str(error)
        assert journal.load_saved() == {"lane": b"%d" % (number - 1)}
        assert [mark.value for mark in journal.load_marks(START_MS)] == [number - 1]
        assert journal.head.seq == number
        assert journal.verify().checked == number
    finally:
        journal.close()
    larger = Journal.open(directory, BOOT_ID, clock=clock, random=SeededRandom(1))
    try:
        assert fill(larger, 1, first=number)[0].seq == number + 1
        assert larger.verify().broken is None
    finally:
        larger.close()


def test_an_acknowledgement_moves_forward_only(open_journal: Open) -> None:
    journal = open_journal()
    records = fill(journal, 5)
    chain_id = journal.head.chain_id
    assert journal.acknowledge(chain_id, records[2].seq, records[2].hash) == 4
    assert journal.acknowledge(chain_id, records[0].seq, records[0].hash) == 4
    assert open_journal().acknowledge(chain_id, 4, records[2].hash) == 4


@pytest.mark.parametrize(("seq", "flip", "sentence"), [(9, 0, "beyond the end"), (3, 1, "hash"), (3, 2, "chain")])
def test_a_wrong_acknowledgement_moves_nothing(journal: Journal, seq: int, flip: int, sentence: str) -> None:
    records = fill(journal, 5)
    chain_id = bytes(16) if flip == 2 else journal.head.chain_id
    record_hash = bytes(32) if flip == 1 else records[1].hash
    with pytest.raises(AcknowledgementRefused, match=sentence):
        journal.acknowledge(chain_id, seq, record_hash)
    assert journal.acknowledge(journal.head.chain_id, 2, records[0].hash) == 2


def test_a_journal_older_than_its_acknowledgement_is_not_opened(open_journal: Open, directory: Path) -> None:
    journal = open_journal()
    last = fill(journal, 5)[-1]
    journal.acknowledge(journal.head.chain_id, last.seq, last.hash)
    journal.close()
    spoil(directory, "DELETE FROM record WHERE place > 3")
    with pytest.raises(Damaged, match="restored from an old copy"):
        open_journal()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE record SET body = zeroblob(40) WHERE place = 4",
        "UPDATE record SET place = 9 WHERE place = 4",
        "DELETE FROM chain",
    ],
)
def test_a_damaged_end_is_named_at_opening(open_journal: Open, directory: Path, statement: str) -> None:
    fill(open_journal(), 3)
    open_journal().close()
    spoil(directory, statement)
    with pytest.raises(Damaged, match="keep the file"):
        open_journal()


def test_a_file_that_is_no_database_is_named_and_kept(directory: Path, open_journal: Open) -> None:
    directory.mkdir()
    (directory / DATABASE_NAME).write_bytes(b"not a database at all, but long enough to be read as one" * 20)
    before = (directory / DATABASE_NAME).read_bytes()
    with pytest.raises(Damaged, match="not an SQLite database"):
        open_journal()
    assert (directory / DATABASE_NAME).read_bytes() == before


def test_a_directory_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(IoFailed, match="cannot be used"):
        Journal.open(tmp_path / "file" / "store", BOOT_ID, clock=SteppingClock(), random=SeededRandom(1))


def test_the_stock_tool_reads_the_journal_while_the_agent_writes(journal: Journal, directory: Path) -> None:
    records = fill(journal, 2)
    journal.acknowledge(journal.head.chain_id, 2, records[0].hash)
    query = "SELECT chain, seq, time_utc, kind, lane, reason, acknowledged FROM journal ORDER BY place"
    command = ["sqlite3", "-readonly", str(directory / DATABASE_NAME), query]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.splitlines()
    assert shown[1:] == [
        "1|2|2026-01-01 00:00:00.001Z|passage|gate-1|granted|yes",
        "1|3|2026-01-01 00:00:00.002Z|passage|gate-1|granted|no",
    ]
    assert fill(journal, 1, first=7)[0].seq == 4


def test_a_passage_takes_at_most_450_bytes_on_the_disk(journal: Journal, directory: Path) -> None:
    for first in range(1, 5001, 50):
        fill(journal, 50, first)
    journal.log.checkpoint()
    assert (directory / DATABASE_NAME).stat().st_size / journal.head.seq <= 450


def test_the_store_is_for_its_owner_alone(journal: Journal, directory: Path) -> None:
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / DATABASE_NAME).stat().st_mode & 0o777 == 0o600
