"""What is intact of a damaged journal goes on in a new one; the damaged file is kept (:mod:`offline_store.aside`).

The new chain's genesis names the last record that the platform has acknowledged; a ``damage`` record says what was
found; then a ``carried`` record for each unacknowledged one that can still be read, with its exact bytes, so that the
platform loses none and can tell by its id whether it had it. Lane states, marks, installed bundles and what the library
must be told go on as well.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from offline_store.aside import READY, STAGING, next_aside, settle
from offline_store.bundles import InstalledBundle
from offline_store.database import DATABASE_NAME, open_reading, os_error
from offline_store.durable import sync_directory
from offline_store.errors import Damaged, DiskFull, IoFailed, RecordInvalid
from offline_store.genesis import Genesis, Predecessor
from offline_store.journal import Append, Clock, Journal, Random
from offline_store.loans import READ as READ_LOANS
from offline_store.loans import Loan
from offline_store.marks import Mark
from offline_store.record import CARRIED, Entry, Record, Value, new_id
from offline_store.reserve import give_opening_room, is_full

__all__ = ["CARRIED", "DAMAGE", "Rescued", "heal", "open_or_rescue", "rescue"]

DAMAGE = "damage"
_GROUP = 200
_MAX_MISSES = 2_000
"""So many places in a row without a readable record, and there is nothing behind them."""


@dataclass(frozen=True, slots=True)
class Rescued:
    """Where the damaged file lies now, how many records were carried over, and how many places could not be read."""

    aside: Path
    carried: int
    lost: int


@dataclass
class _Found:
    """What can still be read."""

    predecessor: Predecessor | None = None
    bodies: list[bytes] = field(default_factory=list)
    lost: int = 0
    saves: dict[str, bytes] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    bundles: list[InstalledBundle] = field(default_factory=list)
    loans: list[Loan] = field(default_factory=list)


def open_or_rescue(
    directory: Path, boot_id: bytes, *, clock: Clock, random: Random, size_limit_bytes: int
) -> tuple[Journal, Rescued | None]:
    """Open the journal; one that is damaged is rescued first, and on a full disk it gets the room that is kept for it.

    Raises :class:`~offline_store.errors.StoreError`.
    """
    rescued: Rescued | None = None
    while True:
        try:
            journal = Journal.open(directory, boot_id, clock=clock, random=random, size_limit_bytes=size_limit_bytes)
        except Damaged:
            if rescued is not None:
                raise
            rescued = rescue(directory, boot_id, clock, random)
        except (DiskFull, IoFailed):
            if not (is_full(directory) and give_opening_room(directory)):
                raise
        else:
            return journal, rescued


def rescue(directory: Path, boot_id: bytes, clock: Clock, random: Random) -> Rescued:
    """Exchange a damaged journal, which nobody has open, for a new one. Raises ``StoreError``; then nothing changed."""
    staging = directory / STAGING
    try:
        shutil.rmtree(staging, ignore_errors=True)
        found = _read(directory / DATABASE_NAME)
        aside = next_aside(directory)
        _build(staging, found, aside.name, boot_id, clock, random)
        staging.rename(directory / READY)
        sync_directory(directory)
        settle(directory)
    except OSError as error:
        raise os_error(error, directory, "损坏的日志无法替换", "the damaged journal cannot be replaced") from error
    return Rescued(aside, len(found.bodies), found.lost)


def heal(journal: Journal) -> Rescued:
    """The same for a journal that is open, under its own lock. Raises ``StoreError``."""
    journal.lay_down()
    try:
        return rescue(journal.directory, journal.boot_id, journal.clock, journal.random)
    finally:
        journal.take_up()


def _build(staging: Path, found: _Found, aside: str, boot_id: bytes, clock: Clock, random: Random) -> None:
    journal = Journal.open(staging, boot_id, clock=clock, random=random, predecessor=found.predecessor)
    try:
        facts: dict[str, Value] = {"aside": aside, "carried": len(found.bodies), "lost": found.lost}
        damage = _entry(DAMAGE, facts, clock, random)
        journal.append(
            [Append((damage,), dict(found.saves), tuple(found.marks), tuple(found.bundles), tuple(found.loans))]
        )
        for first in range(0, len(found.bodies), _GROUP):
            group = found.bodies[first : first + _GROUP]
            journal.append([Append((_carrier(body, clock, random),)) for body in group])
    finally:
        journal.close()


def _carrier(body: bytes, clock: Clock, random: Random) -> Entry:
    return _entry(CARRIED, {"record": body}, clock, random, refers_to=Record.from_bytes(body).entry.id)


def _innermost(body: bytes) -> bytes:
    """What was carried before is carried on as itself: a second rescue wraps nothing twice.

    Raises :class:`RecordInvalid` also for what is spoilt within a record that carries it. Each is smaller.
    """
    while True:
        record = Record.from_bytes(body)
        within = record.entry.public.get("record") if record.entry.kind == CARRIED else None
        if not isinstance(within, bytes):
            return body
        body = within


def _entry(kind: str, public: dict[str, Value], clock: Clock, random: Random, refers_to: bytes | None = None) -> Entry:
    now_ms = clock.now_ms()
    return Entry(
        id=new_id(now_ms, random.token(10)),
        kind=kind,
        time_ms=now_ms,
        time_quality=clock.state(),
        monotonic_ms=clock.monotonic_ms(),
        refers_to=refers_to,
        public=public,
    )


def _read(path: Path) -> _Found:
    """Everything readable, table by table: one that cannot be read takes none of the others along."""
    found = _Found()
    try:
        connection = open_reading(path)
    except sqlite3.Error:
        return found
    try:
        found.saves = {row[0]: row[1] for row in _rows(connection, "SELECT key, value FROM saved")}
        found.marks = [Mark(*row) for row in _rows(connection, "SELECT scope, key, value, expires_ms FROM mark")]
        found.bundles = [
            InstalledBundle(*row) for row in _rows(connection, "SELECT name, version, manifest FROM bundle")
        ]
        found.loans = [Loan(*row) for row in _rows(connection, f"{READ_LOANS} ORDER BY place")]
        query = "SELECT chain_id, base, acked_seq, acked_hash FROM chain ORDER BY number"
        chains = list(_rows(connection, query))
        for chain_id, _, acked_seq, acked_hash in chains:
            if acked_seq:
                found.predecessor = Predecessor(chain_id, acked_seq, acked_hash)
        if chains and found.predecessor is None:
            found.predecessor = _inherited(connection, chains[-1][1])
        acknowledged = max((base + acked_seq for _, base, acked_seq, _ in chains if acked_seq), default=0)
        _collect(connection, acknowledged, found)
    finally:
        connection.close()
    return found


def _inherited(connection: sqlite3.Connection, base: int) -> Predecessor | None:
    """What a chain of which the platform has nothing continues itself."""
    body = _body(connection, base + 1)
    with suppress(RecordInvalid):
        return None if body is None else Genesis.of(Record.from_bytes(body)).predecessor
    return None


def _rows(connection: sqlite3.Connection, query: str) -> Iterator[Any]:
    """The rows up to the first that cannot be read."""
    with suppress(sqlite3.Error, RecordInvalid):
        yield from connection.execute(query)


def _collect(connection: sqlite3.Connection, place: int, found: _Found) -> None:
    """The records behind ``place``, each looked up by itself: a page that is gone takes only its own along."""
    misses = 0
    while misses < _MAX_MISSES:
        place += 1
        body = _body(connection, place)
        if body is None:
            misses += 1
            continue
        found.lost += misses  # places between readable ones held something
        misses = 0
        found.bodies.append(body)
    found.lost += min(misses, _known_behind(connection, place - misses))


def _body(connection: sqlite3.Connection, place: int) -> bytes | None:
    try:
        row = connection.execute("SELECT body FROM record WHERE place = ?", (place,)).fetchone()
        if row is None:
            return None
        return _innermost(row[0])
    except (sqlite3.Error, RecordInvalid, TypeError):
        return None


def _known_behind(connection: sqlite3.Connection, place: int) -> int:
    """How many places behind this one the table says that it has."""
    with suppress(sqlite3.Error):
        last = connection.execute("SELECT max(place) FROM record").fetchone()[0]
        return max(0, (last or 0) - place)
    return 0
