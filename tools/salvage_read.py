"""Every record that can still be read of a copied journal, by place, however damaged the database is.

A sound file's table is walked; of a damaged one bare pages are read (:mod:`tools.salvage_pages`). What was found lies
in a scratch database beside the copy, so that no journal is too large.

Whoever wrote the file may want more than to be read: only tables are asked, since a view can go on for ever, and no
value larger than a record can be is made. SQLite has no checksums: how far the platform had acknowledged is believed
only where the record that it names is there and is the one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from offline_store.database import DATABASE_NAME, open_reading
from offline_store.errors import RecordInvalid, UnknownSuite
from offline_store.genesis import Genesis
from offline_store.record import HASH_BYTES, ID_BYTES, NO_HASH, Record, hash_of
from tools.salvage_pages import Pages, Row, Value, page_sizes

_SCRATCH = "scratch.db"
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE TABLE %'"
_CHAINS = "SELECT base, chain_id, acked_seq, acked_hash FROM chain ORDER BY base"
_MAX_CHAINS = 1_000
_MAX_VALUE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Chain:
    """Its id (16 bytes), the place before its first record, and how far the platform had acknowledged it (32 bytes)."""

    base: int
    chain_id: bytes
    acked_seq: int
    acked_hash: bytes
    is_acked: bool = False
    """Whether that is proved; else all that can be read counts as what the platform lacks."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A record that can be read, its exact bytes, and where it stands in which chain."""

    chain: Chain
    record: Record
    body: bytes


class Found:
    """What is left of the journal in ``directory``, which :func:`tools.salvage.take_copy` made; the copy is changed."""

    def __init__(self, directory: Path) -> None:
        self._scratch = sqlite3.connect(directory / _SCRATCH, isolation_level=None)
        self._scratch.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE found (place INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;"
        )
        walked = self._walk(directory / DATABASE_NAME)
        self.is_sound = walked is not None
        self.chains = self._sorted(self._carve(directory) if walked is None else walked)

    def close(self) -> None:
        """Close the scratch database."""
        self._scratch.close()

    def has_another_suite(self) -> bool:
        """Whether anything found is of algorithms that this version does not know: one flipped bit looks so too."""
        return any(_is_of_another_suite(body) for (body,) in self._scratch.execute("SELECT body FROM found"))

    def placed(self) -> Iterator[Placed]:
        """Records that can be read, in the order of their places; what the platform had acknowledged is left out."""
        for number, chain in enumerate(self.chains):
            behind = self.chains[number + 1].base if number + 1 < len(self.chains) else (1 << 62)
            query = "SELECT place, body FROM found WHERE place > ? AND place <= ? ORDER BY place"
            first = chain.base + (chain.acked_seq if chain.is_acked else 0)
            for place, body in self._scratch.execute(query, (first, behind)):
                record = _read(body)
                if record is not None and record.seq == place - chain.base:
                    yield Placed(chain, record, body)

    def _walk(self, path: Path) -> list[Chain] | None:
        """Take every row of a file in which SQLite finds nothing wrong, and its chains; ``None`` of any other."""
        try:
            with closing(open_reading(path)) as journal:
                journal.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
                is_sound = journal.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
                if not is_sound or not {"chain", "record"} <= {name for (name,) in journal.execute(_TABLES)}:
                    return None
                self._keep(journal.execute("SELECT place, body FROM record"))
                rows = journal.execute(_CHAINS).fetchmany(_MAX_CHAINS)
        except sqlite3.Error:
            return None
        return [Chain(*row) for row in rows if _is_chain(row)]

    def _carve(self, directory: Path) -> list[Chain]:
        """Take what bare pages hold; the chains of which they tell, as far as any of them was acknowledged."""
        chains: dict[int, Chain] = {}

        def bodies() -> Iterator[tuple[int, bytes]]:
            for row in _rows_of_pages(directory):
                yield from (
                    (row.rowid, value) for value in row.values if isinstance(value, bytes) and _is_record(value)
                )
                chain = _chain_in(row.values)
                if chain is not None and len(chains) < _MAX_CHAINS:
                    chains[chain.base] = max(chain, chains.get(chain.base, chain), key=lambda each: each.acked_seq)

        self._keep(bodies())
        return list(chains.values())

    def _keep(self, rows: Iterator[Any]) -> None:
        self._scratch.execute("BEGIN")
        try:
            self._scratch.executemany(
                "INSERT INTO found VALUES (?, ?) ON CONFLICT DO NOTHING", (row for row in rows if _is_placed(row))
            )
        finally:
            self._scratch.execute("COMMIT")

    def _sorted(self, chains: list[Chain]) -> list[Chain]:
        """Each chain once; where no row tells of any, those whose genesis can be read."""
        by_base = {chain.base: chain for chain in chains}
        if not by_base:
            for place, body in self._scratch.execute("SELECT place, body FROM found ORDER BY place"):
                record = _read(body)
                with suppress(RecordInvalid):
                    if record is not None and record.seq == 1:
                        by_base[place - 1] = Chain(place - 1, Genesis.of(record).chain_id, 0, NO_HASH)
        return [replace(by_base[base], is_acked=self._is_acked(by_base[base])) for base in sorted(by_base)]

    def _is_acked(self, chain: Chain) -> bool:
        query = "SELECT body FROM found WHERE place = ?"
        row = self._scratch.execute(query, (chain.base + chain.acked_seq,)).fetchone()
        return row is not None and chain.acked_seq > 0 and hash_of(row[0]) == chain.acked_hash


def _rows_of_pages(directory: Path) -> Iterator[Row]:
    log = directory / f"{DATABASE_NAME}-wal"
    with ExitStack() as files:
        database = files.enter_context((directory / DATABASE_NAME).open("rb"))
        opened = files.enter_context(log.open("rb")) if log.is_file() else None
        for size in page_sizes(database, opened):
            yield from Pages(database, opened, size).rows()


def _read(body: bytes) -> Record | None:
    try:
        return Record.from_bytes(body)
    except RecordInvalid:
        return None


def _is_of_another_suite(body: bytes) -> bool:
    try:
        Record.from_bytes(body)
    except UnknownSuite:
        return True
    except RecordInvalid:
        pass
    return False


def _chain_in(values: tuple[Value, ...]) -> Chain | None:
    """What a row of the table `chain` says (``offline_store/schema``); ``None`` for any other."""
    if len(values) != 7:
        return None
    _, chain_id, base, _, anchor, acked_seq, acked_hash = values
    if not _is_octets(anchor, HASH_BYTES):
        return None
    row = (base, chain_id, acked_seq, acked_hash)
    return Chain(*row) if _is_chain(row) else None  # type: ignore[arg-type]  # it has just been looked at


def _is_octets(value: Value, size_bytes: int) -> bool:
    return isinstance(value, bytes) and len(value) == size_bytes


def _is_record(value: bytes) -> bool:
    try:
        Record.from_bytes(value)
    except RecordInvalid:
        return False
    return True


def _is_placed(row: Any) -> bool:
    return isinstance(row[0], int) and row[0] > 0 and isinstance(row[1], bytes)


def _is_chain(row: Any) -> bool:
    base, chain_id, acked_seq, acked_hash = row
    counts = isinstance(base, int) and isinstance(acked_seq, int) and 0 <= base < 1 << 62 and 0 <= acked_seq < 1 << 62
    return counts and _is_octets(chain_id, ID_BYTES) and _is_octets(acked_hash, HASH_BYTES)
