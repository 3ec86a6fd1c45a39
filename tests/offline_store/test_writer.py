"""The writer: groups, order, faults, closing, and a process killed in the middle."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from offline_store.database import DATABASE_NAME
from offline_store.errors import AcknowledgementRefused, Busy, Closed, QueueFull, RecordInvalid, StoreError
from offline_store.journal import Append, Appended, Journal
from offline_store.outbox import Outbox
from offline_store.record import Record
from offline_store.writer import InlineWriter, JournalWriter, Writer
from tests.offline_store.parts import START_MS, entry

WAIT_S = 20.0
ROOT = Path(__file__).parents[2]


@pytest.fixture(params=[Writer, InlineWriter])
def writer(request: pytest.FixtureRequest, journal: Journal) -> Iterator[JournalWriter]:
    writer: JournalWriter = request.param(journal)
    yield writer
    assert writer.close(WAIT_S)


@pytest.fixture
def technician(journal: Journal, directory: Path) -> Iterator[sqlite3.Connection]:
    """Somebody who opened the file for writing, and so can hold the writer up."""
    connection = sqlite3.connect(directory / DATABASE_NAME, isolation_level=None)
    yield connection
    connection.close()


def seqs(futures: list[Future[Appended]]) -> list[int]:
    return [record.seq for future in futures for record in future.result(WAIT_S).records]


def test_appends_are_stored_in_the_order_of_their_submission(writer: JournalWriter) -> None:
    assert seqs([writer.submit(Append((entry(number),))) for number in range(300)]) == list(range(2, 302))


def test_all_is_delivered_once_the_platform_has_the_last_that_was_handed_over(journal: Journal) -> None:
    writer = Writer(journal)
    try:
        assert not writer.is_delivered(), "nobody has said so since the start"
        (first,) = writer.submit(Append((entry(1),))).result(WAIT_S).records
        pending = writer.submit(Append((entry(2),)))
        assert not writer.is_delivered()
        (second,) = pending.result(WAIT_S).records
        chain_id = journal.head.chain_id
        writer.acknowledge(chain_id, first.seq, first.hash).result(WAIT_S)
        assert not writer.is_delivered(), "the last is not there"
        writer.acknowledge(chain_id, second.seq, second.hash).result(WAIT_S)
        assert writer.is_delivered()
        writer.submit(Append((entry(3),)))
        assert not writer.is_delivered()
    finally:
        assert writer.close(WAIT_S)


def test_what_brings_no_record_leaves_all_delivered(journal: Journal) -> None:
    """The clock's state and a lane's are saved alone: nobody will ever acknowledge that."""
    writer = Writer(journal)
    try:
        (record,) = writer.submit(Append((entry(1),))).result(WAIT_S).records
        writer.acknowledge(journal.head.chain_id, record.seq, record.hash).result(WAIT_S)
        pending = writer.submit(Append(saves={"clock": b"now"}))
        assert writer.is_delivered()
        assert pending.result(WAIT_S).records == ()
        assert writer.is_delivered()
        (second,) = writer.submit(Append((entry(2),), saves={"clock": b"later"})).result(WAIT_S).records
        assert not writer.is_delivered()
        writer.acknowledge(journal.head.chain_id, second.seq, second.hash).result(WAIT_S)
        assert writer.is_delivered()
    finally:
        assert writer.close(WAIT_S)


def test_what_waits_is_committed_as_one_group(journal: Journal, technician: sqlite3.Connection) -> None:
    """Eight appends wait behind a held file; the last of them is wrong, so none of them is stored."""
    head = journal.head
    journal.append([Append((entry(100),))])
    technician.execute("BEGIN IMMEDIATE")
    writer = Writer(journal)
    held_up = writer.acknowledge(head.chain_id, head.seq, head.hash)
    numbers = [1, 2, 3, 4, 5, 6, 7, 100]
    futures = [writer.submit(Append((entry(number, reason="refused"),))) for number in numbers]
    technician.execute("ROLLBACK")
    assert held_up.result(WAIT_S) == 1
    for future in futures:
        with pytest.raises(RecordInvalid):
            future.result(WAIT_S)
    writer.reload(START_MS).result(WAIT_S)
    assert journal.head.seq == 2
    assert writer.close(WAIT_S)


def test_after_a_fault_everything_fails_until_memory_is_taken_from_the_disk(writer: JournalWriter) -> None:
    writer.submit(Append((entry(1),), {"lane": b"one"})).result(WAIT_S)
    failing = writer.submit(Append((entry(1, reason="refused"),), {"lane": b"two"}))
    built_on_it = writer.submit(Append((entry(3),), {"lane": b"three"}))
    for future in (failing, built_on_it):
        with pytest.raises(RecordInvalid):
            future.result(WAIT_S)
    with pytest.raises(RecordInvalid):
        writer.submit(Append((entry(4),))).result(WAIT_S)
    assert writer.reload(START_MS).result(WAIT_S).saved == {"lane": b"one"}
    assert seqs([writer.submit(Append((entry(5),)))]) == [3]


def test_a_database_held_by_a_tool_fails_the_append_with_a_sentence(
    writer: JournalWriter, technician: sqlite3.Connection
) -> None:
    technician.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy, match="sqlite3 -readonly"):
        writer.submit(Append((entry(1),))).result(WAIT_S)
    technician.execute("ROLLBACK")
    writer.reload(START_MS).result(WAIT_S)
    assert seqs([writer.submit(Append((entry(1),)))]) == [2]


def test_a_refused_acknowledgement_stops_no_append(writer: JournalWriter) -> None:
    refused = writer.acknowledge(bytes(16), 1, bytes(32))
    stored = writer.submit(Append((entry(1),)))
    with pytest.raises(AcknowledgementRefused):
        refused.result(WAIT_S)
    assert seqs([stored]) == [2]


def test_an_acknowledgement_goes_through_the_same_queue(writer: JournalWriter, journal: Journal) -> None:
    chain_id = journal.head.chain_id
    record = writer.submit(Append((entry(1),))).result(WAIT_S).records[0]
    assert writer.acknowledge(chain_id, record.seq, record.hash).result(WAIT_S) == 2


def test_what_was_handed_over_cannot_be_cancelled(writer: JournalWriter) -> None:
    future = writer.submit(Append((entry(1),)))
    assert not future.cancel()
    assert seqs([future]) == [2]


def test_a_full_queue_refuses_at_once(journal: Journal, technician: sqlite3.Connection) -> None:
    technician.execute("BEGIN IMMEDIATE")
    writer = Writer(journal, queue_limit=5)
    accepted: list[Future[Appended]] = []
    with pytest.raises(QueueFull, match="nothing was stored"):
        accepted.extend(writer.submit(Append((entry(number),))) for number in range(200))
    technician.execute("ROLLBACK")
    assert writer.close(WAIT_S)


def test_closing_stores_what_waits_and_refuses_what_comes_later(journal: Journal, directory: Path) -> None:
    writer = Writer(journal)
    futures = [writer.submit(Append((entry(number),))) for number in range(100)]
    assert writer.close(WAIT_S)
    assert seqs(futures) == list(range(2, 102))
    with pytest.raises(Closed):
        writer.submit(Append((entry(200),)))
    assert writer.close(WAIT_S)


def test_threads_that_submit_at_once_share_one_chain(journal: Journal) -> None:
    writer = Writer(journal)
    start = threading.Barrier(4)
    futures: list[Future[Appended]] = []

    def lane(first: int) -> None:
        start.wait(WAIT_S)
        futures.extend(writer.submit(Append((entry(number),))) for number in range(first, first + 50))

    threads = [threading.Thread(target=lane, args=(first,)) for first in range(0, 200, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert sorted(seqs(futures)) == list(range(2, 202))
    assert writer.close(WAIT_S)


def test_the_log_is_checkpointed_and_stays_small(journal: Journal, directory: Path) -> None:
    """Without checkpoints 3,000 commits of at least three pages each would leave 36 MB of log."""
    writer = InlineWriter(journal)
    for number in range(3_000):
        writer.submit(Append((entry(number),))).result(WAIT_S)
    assert (directory / f"{DATABASE_NAME}-wal").stat().st_size < 8 * 1024**2
    writer.close(WAIT_S)


CHILD = """
import sys
from pathlib import Path
from offline_store.journal import Append, Journal
from offline_store.marks import Mark
from offline_store.writer import Writer
from tests.offline_store.parts import BOOT_ID, START_MS, SeededRandom, SteppingClock, entry

journal = Journal.open(Path(sys.argv[1]), BOOT_ID, clock=SteppingClock(), random=SeededRandom(1))
writer = Writer(journal)
first = journal.head.seq * 1000
for number in range(first, first + 100_000, 4):
    group = [
        writer.submit(Append((entry(n),), {"n": b"%d" % n}, (Mark("count", b"n", n, START_MS),)))
        for n in range(number, number + 4)
    ]
    for future in group:
        try:
            record = future.result(20).records[0]
        except Exception as error:
            print("fault", type(error).__name__, flush=True)
            sys.exit(3)
        print(record.seq, record.hash.hex(), record.entry.id.hex(), flush=True)
"""


def run_child(directory: Path, *before: str) -> subprocess.Popen[str]:
    program = "\n".join((*before, CHILD))
    return subprocess.Popen(
        [sys.executable, "-c", program, str(directory)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def assert_all_is_there(directory: Path, confirmed: list[list[str]], journal: Journal) -> None:
    """Every confirmed record, a whole chain, and state and mark of the last record and of no other."""
    assert journal.verify().broken is None
    outbox = Outbox.open(directory)
    try:
        for seq, digest, _ in confirmed:
            stored = outbox.hash_at(int(seq))
            assert stored is not None
            assert stored.hex() == digest
        last = Record.from_bytes(outbox.batch(journal.head.seq - 1, 1, 10**6)[0])
    finally:
        outbox.close()
    restored = journal.restore(START_MS)
    number = int(restored.saved["n"])
    assert last.entry == entry(number)
    assert [mark.value for mark in restored.marks] == [number]


@pytest.mark.parametrize("lines", [1, 6, 23, 150])
def test_a_process_killed_in_mid_append_loses_nothing_that_was_confirmed(
    directory: Path, open_journal: Callable[[], Journal], lines: int
) -> None:
    confirmed: list[list[str]] = []
    for _ in range(2):
        with run_child(directory) as child:
            assert child.stdout is not None
            confirmed += [child.stdout.readline().split() for _ in range(lines)]
            child.send_signal(signal.SIGKILL)
            confirmed += [line.split() for line in child.stdout if line.endswith("\n")]
        assert child.returncode == -signal.SIGKILL
    assert len(confirmed) >= 2 * lines
    assert_all_is_there(directory, [line for line in confirmed if len(line) == 3], open_journal())


def test_a_file_that_may_not_grow_fails_the_append_and_keeps_what_was_confirmed(
    directory: Path, open_journal: Callable[[], Journal]
) -> None:
    """A real write error from the kernel (EFBIG) in the middle of the log."""
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    with run_child(directory, limit, "resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, 900_000))") as child:
        assert child.stdout is not None
        lines = [line.split() for line in child.stdout]
    assert child.returncode == 3
    assert lines[-1][0] == "fault"
    assert issubclass(getattr(sys.modules["offline_store.errors"], lines[-1][1]), StoreError)
    assert len(lines) > 20
    assert_all_is_there(directory, lines[:-1], open_journal())
