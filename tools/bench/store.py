"""``onecard bench store``: durable, chained, sealed appends, beside bare SQLite commits of the same bytes and indexes.

Both sides run in this process, in turns, on the same disk. Ours is what the journal's writer thread does for one
decision: seal, encode, chain, insert, commit, and move the log when that is due. The raw peer inserts the very bytes
into a table with the same columns and indexes, WAL and ``synchronous=FULL``, one row a commit.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from contextlib import closing
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose
from agent.clock import RecordIds, SystemClock, SystemRandom
from agent.day_keys import DayKeys
from agent.entries import RULES
from offline_store.checkpoint import Signatory
from offline_store.database import DATABASE_NAME, PAGE_BYTES
from offline_store.journal import Append, Journal
from offline_store.record import Entry
from offline_store.writer import Writer
from tools.bench.place import bench_directory
from tools.bench.report import Figure, Report, median

LANES = 8
TERMINAL = "bench-store"
SMALL = 10_000
"""The journal that a large one is held against."""
_FILL_GROUP = 2_000
_EVIDENCE_BYTES = 310
"""A dynamic citizen code: docs/code-format.md."""
_CLOSE_S = 30.0
_RAW_SCHEMA = """
CREATE TABLE record (place INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, lane TEXT, reason TEXT,
                     time_ms INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
"""
_RAW_INSERT = "INSERT INTO record (id, kind, lane, reason, time_ms, body) VALUES (?, ?, ?, ?, ?, ?)"


def run(records: int, appends: int, rounds: int) -> Report:
    """Measure ``rounds`` times ``appends`` of each kind, the last ones behind ``records`` records."""
    maker = _Maker()
    with bench_directory() as directory:
        ours, raw = _beside_raw(directory, maker, appends, rounds)
        single, group = _groups(directory / "groups", maker, appends, rounds)
        size_bytes = _bytes_per_record(directory / "size", maker)
        small, large = _growth(directory, maker, records, appends, rounds)
    figures = (
        Figure("store.append_ratio", median(ours) / median(raw), "×", target=0.65, at_least=True),
        Figure("store.appends_s", median(ours), "1/s", digits=0),
        Figure("store.raw_s", median(raw), "1/s", digits=0),
        Figure("store.group_ratio", median(group) / median(single), "×", target=4.0, at_least=True),
        Figure("store.single_s", median(single), "1/s", digits=0),
        Figure("store.group_s", median(group), "1/s", digits=0),
        Figure("store.growth_ratio", median(small) / median(large), "×", target=1.2),
        Figure("store.bytes_per_record", size_bytes, "bytes", target=450, digits=0),
    )
    return Report("store", figures, {"records": records, "appends": appends, "rounds": rounds, "lanes": LANES})


class _Maker:
    """Entries as lanes hand them in, and journals as terminals open them."""

    def __init__(self) -> None:
        self._clock, self._random = SystemClock(), SystemRandom()
        self._ids = RecordIds(self._clock, self._random)
        self._signer = cose.Es256Signer(ec.generate_private_key(ec.SECP256R1()))
        platform = cose.VerifyKey.of(ec.generate_private_key(ec.SECP256R1()).public_key())
        self._ring = {platform.kid: platform}

    def journal(self, directory: Path) -> Journal:
        """A journal that signs and seals."""
        journal = Journal.open(directory, self._random.token(16), clock=self._clock, random=self._random)
        journal.sign_with(Signatory(TERMINAL, self._signer))
        journal.seal_with(DayKeys(TERMINAL, lambda: self._ring, self._ids.new, self._random))
        return journal

    def passage(self, *, sealed: bool = True) -> Append:
        """What a gate decides, with or without evidence."""
        entry = Entry(
            id=self._ids.new(),
            kind="decision",
            time_ms=self._clock.now_ms(),
            time_quality="synchronised",
            monotonic_ms=self._clock.monotonic_ms(),
            lane="north-in",
            profile="gate",
            reason="granted",
            medium=secrets.token_bytes(16),
            subject=("city", secrets.token_bytes(16)),
            public={"direction": "in", "source": "citizen-code", "assurance": 4, RULES: bytes(range(1, 6))},
            secret=secrets.token_bytes(_EVIDENCE_BYTES) if sealed else None,
        )
        return Append((entry,))

    def passages(self, count: int, *, sealed: bool = True) -> list[Append]:
        """Made beforehand: lanes make them in another thread."""
        return [self.passage(sealed=sealed) for _ in range(count)]


class _Raw:
    """The raw peer: a file of the same pages as the journal's, so that what differs is what the journal does."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.executescript(_RAW_SCHEMA)

    def commits(self, rows: Sequence[tuple[bytes, str, str | None, str | None, int, bytes]]) -> float:
        """One commit a row; how many a second."""

        def commit() -> None:
            for row in rows:
                self.connection.execute("BEGIN IMMEDIATE")
                self.connection.execute(_RAW_INSERT, row)
                self.connection.execute("COMMIT")

        return _rate(len(rows), commit)


def _beside_raw(directory: Path, maker: _Maker, appends: int, rounds: int) -> tuple[list[float], list[float]]:
    """Appends a second of ours and of the raw peer, in turns; the first turn of each warms up."""
    ours: list[float] = []
    raw: list[float] = []
    with closing(maker.journal(directory / "journal")) as journal:
        peer = _Raw(directory / "raw.db")
        with closing(peer.connection):
            for _ in range(rounds + 1):
                ours.append(_appends(journal, maker.passages(appends)))
                raw.append(peer.commits(_rows(directory / "journal", appends)))
    return ours[1:], raw[1:]


def _appends(journal: Journal, passages: Sequence[Append]) -> float:
    """What the writer's thread does, one decision a commit; how many a second."""

    def append() -> None:
        for passage in passages:
            journal.append([passage])
            if journal.log.due:
                journal.log.checkpoint()

    return _rate(len(passages), append)


def _rows(directory: Path, count: int) -> list[tuple[bytes, str, str | None, str | None, int, bytes]]:
    """The latest records as they stand in the journal's own table, in the order in which they were appended."""
    with closing(sqlite3.connect(f"{(directory / DATABASE_NAME).as_uri()}?mode=ro", uri=True)) as connection:
        query = "SELECT id, kind, lane, reason, time_ms, body FROM record ORDER BY place DESC LIMIT ?"
        return connection.execute(query, (count,)).fetchall()[::-1]


def _groups(directory: Path, maker: _Maker, appends: int, rounds: int) -> tuple[list[float], list[float]]:
    """Appends a second through the writer's thread: of one lane, and of eight that decide at the same moment."""
    single: list[float] = []
    group: list[float] = []
    writer = Writer(maker.journal(directory))
    try:
        for _ in range(rounds + 1):
            for lanes, rates in ((1, single), (LANES, group)):
                rates.append(_decide(writer, maker.passages(appends * lanes), lanes))
    finally:
        writer.close(_CLOSE_S)
    return single[1:], group[1:]


def _decide(writer: Writer, passages: Sequence[Append], lanes: int) -> float:
    def decide() -> None:
        for first in range(0, len(passages), lanes):
            wait([writer.submit(passage) for passage in passages[first : first + lanes]])

    return _rate(len(passages), decide)


def _bytes_per_record(directory: Path, maker: _Maker) -> float:
    """How much the file grows by a passage, which seals nothing, its index and its page's rest included."""
    with closing(maker.journal(directory)) as journal:
        _fill(journal, maker, SMALL // 2)
        before = _pages(directory)
        _fill(journal, maker, SMALL // 2)
        return (_pages(directory) - before) * PAGE_BYTES / (SMALL // 2)


def _growth(directory: Path, maker: _Maker, records: int, appends: int, rounds: int) -> tuple[list[float], list[float]]:
    """Appends a second behind few records and behind many, in turns."""
    small: list[float] = []
    large: list[float] = []
    with (
        closing(maker.journal(directory / "small")) as young,
        closing(maker.journal(directory / "large")) as old,
    ):
        _fill(young, maker, SMALL)
        _fill(old, maker, records)
        for _ in range(rounds + 1):
            small.append(_appends(young, maker.passages(appends)))
            large.append(_appends(old, maker.passages(appends)))
    return small[1:], large[1:]


def _fill(journal: Journal, maker: _Maker, records: int) -> None:
    """Real records, chained by the journal itself, in large groups."""
    for first in range(0, records, _FILL_GROUP):
        journal.append(maker.passages(min(_FILL_GROUP, records - first), sealed=False))
        journal.log.checkpoint()


def _pages(directory: Path) -> int:
    with closing(sqlite3.connect(f"{(directory / DATABASE_NAME).as_uri()}?mode=ro", uri=True)) as connection:
        return int(connection.execute("PRAGMA page_count").fetchone()[0])


def _rate(count: int, work: Callable[[], None]) -> float:
    started_ns = time.monotonic_ns()
    work()
    return count * 1e9 / (time.monotonic_ns() - started_ns)
