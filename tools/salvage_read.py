"""Every record that can still be read of a copied journal, by place, however damaged the database is.

The table is walked as far as SQLite can. Where it finds the file damaged, bare pages are read as well
(:mod:`tools.salvage_pages`), and what was found either way counts. All of it lies in a scratch database beside the
copy, so that no journal is too large.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from itertools import chain as one_after_another
from pathlib import Path
from typing import Any

from offline_store.database import DATABASE_NAME, open_reading
from offline_store.errors import RecordInvalid, UnknownSuite
from offline_store.genesis import Genesis
from offline_store.record import HASH_BYTES, ID_BYTES, Record
from tools.salvage_pages import Pages, Value, page_sizes

_SCRATCH = "scratch.db"
_CHAINS = "SELECT base, chain_id, acked_seq FROM chain ORDER BY base"


@dataclass(frozen=True, slots=True)
class Chain:
    """Its id (16 bytes), the place before its first record, and how far the platform had acknowledged it."""

    base: int
    chain_id: bytes
    acked_seq: int


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
            "PRAGMA journal_mode = OFF; CREATE TABLE found (place INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;"
        )
        path = directory / DATABASE_NAME
        self.is_sound, chains = self._walk(path)
        if not self.is_sound:
            chains += self._carve(directory)
        self.chains = self._sorted(chains)

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
            for place, body in self._scratch.execute(query, (chain.base + chain.acked_seq, behind)):
                record = _read(body)
                if record is not None and record.seq == place - chain.base:
                    yield Placed(chain, record, body)

    def _walk(self, path: Path) -> tuple[bool, list[Chain]]:
        """Whether SQLite finds nothing wrong, and the chains; takes every row up to the first that cannot be read."""
        chains: list[Chain] = []
        try:
            with closing(open_reading(path)) as journal:
                chains += [Chain(*row) for row in journal.execute(_CHAINS) if _is_chain(row)]
                self._keep(journal.execute("SELECT place, body FROM record"))
                return journal.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",), chains
        except sqlite3.Error:
            return False, chains

    def _carve(self, directory: Path) -> list[Chain]:
        """Take what bare pages hold; the chains of which they tell, as far as any of them was acknowledged."""
        log = directory / f"{DATABASE_NAME}-wal"
        chains: dict[int, Chain] = {}
        with ExitStack() as files:
            database = files.enter_context((directory / DATABASE_NAME).open("rb"))
            opened = files.enter_context(log.open("rb")) if log.is_file() else None
            sizes = page_sizes(database, opened)
            for row in one_after_another.from_iterable(Pages(database, opened, size).rows() for size in sizes):
                bodies = [value for value in row.values if isinstance(value, bytes) and _is_record(value)]
                self._keep((row.rowid, body) for body in bodies)
                if (chain := _chain_in(row.values)) is not None:
                    known = chains.get(chain.base, chain)
                    chains[chain.base] = max(chain, known, key=lambda each: each.acked_seq)
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
        """Each chain once; one whose row is lost is told by its own genesis."""
        by_base = {chain.base: chain for chain in reversed(chains)}
        if not by_base:
            for place, body in self._scratch.execute("SELECT place, body FROM found ORDER BY place"):
                record = _read(body)
                with suppress(RecordInvalid):
                    if record is not None and record.seq == 1:
                        by_base[place - 1] = Chain(place - 1, Genesis.of(record).chain_id, 0)
        return [by_base[base] for base in sorted(by_base)]


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
    if not (_is_octets(anchor, HASH_BYTES) and _is_octets(acked_hash, HASH_BYTES)):
        return None
    row = (base, chain_id, acked_seq)
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
    base, chain_id, acked_seq = row
    sound = isinstance(base, int) and isinstance(acked_seq, int) and base >= 0 and acked_seq >= 0
    return sound and isinstance(chain_id, bytes) and len(chain_id) == ID_BYTES
