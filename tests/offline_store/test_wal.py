"""The write-ahead log while somebody keeps a read open, and when it cannot be moved: said once, bounded, and mended."""

from __future__ import annotations

import queue
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from offline_store.database import DATABASE_NAME, PAGE_BYTES
from offline_store.errors import DiskFull
from offline_store.journal import Append, Journal
from offline_store.wal import LOOK_EVERY, Health, LogState
from offline_store.writer import InlineWriter, JournalWriter, Writer
from tests.offline_store.parts import BOOT_ID, START_MS, SeededRandom, SteppingClock, entry, fill

WAIT_S = 20.0
LOG_LIMIT_BYTES = 256 * 1024
SIZE_LIMIT_BYTES = 1024**2
BIGGEST_COMMIT_BYTES = 16 * PAGE_BYTES


@pytest.fixture
def small(directory: Path) -> Iterator[Journal]:
    """A journal whose bounds a test reaches quickly."""
    with closing(
        Journal.open(
            directory,
            BOOT_ID,
            clock=SteppingClock(),
            random=SeededRandom(1),
            size_limit_bytes=SIZE_LIMIT_BYTES,
            log_limit_bytes=LOG_LIMIT_BYTES,
        )
    ) as journal:
        yield journal


@contextmanager
def reading(directory: Path) -> Iterator[None]:
    """A technician whose tool began to read and does not end."""
    uri = f"file:{directory / DATABASE_NAME}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as technician:
        technician.execute("BEGIN")
        technician.execute("SELECT count(*) FROM record").fetchone()
        yield


def size_bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.glob(f"{DATABASE_NAME}*") if not path.name.endswith("-shm"))


def append_until_refused(writer: JournalWriter, first: int = 1) -> int:
    """The number of the first append that was refused as :class:`DiskFull`."""
    for number in range(first, first + 5_000):
        error = writer.submit(Append((entry(number),))).exception(WAIT_S)
        if error is not None:
            assert isinstance(error, DiskFull)
            assert "end that program" in error.en
            assert "请关闭那个程序" in error.zh
            return number
    raise AssertionError("the log was never bounded")


@pytest.mark.parametrize("kind", [Writer, InlineWriter])
def test_a_read_that_stays_open_is_told_once_fills_no_disk_and_hinders_nothing_when_it_ends(
    small: Journal, directory: Path, kind: Callable[..., JournalWriter]
) -> None:
    told: queue.SimpleQueue[Health] = queue.SimpleQueue()
    writer = kind(small, tell=told.put)
    with reading(directory):
        refused = append_until_refused(writer)
        assert told.get(timeout=WAIT_S).state is LogState.HELD
        assert size_bytes(directory) <= SIZE_LIMIT_BYTES + LOOK_EVERY * BIGGEST_COMMIT_BYTES
        for _ in range(3):
            writer.reload(START_MS).result(WAIT_S)
            assert append_until_refused(writer, refused) == refused
        assert told.empty()
    writer.reload(START_MS).result(WAIT_S)
    for number in range(refused, refused + 5):
        writer.submit(Append((entry(number),))).result(WAIT_S)
    assert told.get(timeout=WAIT_S).state is LogState.FREE
    assert (directory / f"{DATABASE_NAME}-wal").stat().st_size <= LOG_LIMIT_BYTES
    assert small.verify().checked == refused + 5
    assert told.empty()
    assert writer.close(WAIT_S)


def test_the_end_of_a_long_read_is_noticed_although_nobody_taps(small: Journal, directory: Path) -> None:
    told: queue.SimpleQueue[Health] = queue.SimpleQueue()
    writer = Writer(small, tell=told.put)
    with reading(directory):
        append_until_refused(writer)
        held = told.get(timeout=WAIT_S)
        assert (held.state, held.log_bytes > LOG_LIMIT_BYTES) == (LogState.HELD, True)
        assert writer.health == held
    assert told.get(timeout=WAIT_S).state is LogState.FREE
    assert writer.close(WAIT_S)


def test_a_short_read_is_no_trouble(small: Journal, directory: Path) -> None:
    writer = InlineWriter(small)
    with reading(directory):
        writer.submit(Append((entry(1),))).result(WAIT_S)
        assert small.log.checkpoint().state is LogState.FREE
    writer.close(WAIT_S)


@contextmanager
def no_file_beyond(limit_bytes: int) -> Iterator[None]:
    """The kernel refuses to write beyond an offset, as on a device that fails there (EFBIG)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_checkpoint_that_fails_is_told_once_and_tried_again_until_it_works(small: Journal) -> None:
    told: queue.SimpleQueue[Health] = queue.SimpleQueue()
    fill(small, 300)
    with no_file_beyond(16 * PAGE_BYTES):
        assert small.log.checkpoint().state is LogState.FAILED
        assert small.log.checkpoint().state is LogState.FAILED
    writer = Writer(small, tell=told.put)
    writer.submit(Append((entry(1_000),))).result(WAIT_S)
    failed = told.get(timeout=WAIT_S)
    assert failed.state is LogState.FAILED
    assert "SQLITE_" in str(failed.fault)
    assert told.get(timeout=WAIT_S).state is LogState.FREE
    assert told.empty()
    assert writer.close(WAIT_S)
    assert told.empty()
