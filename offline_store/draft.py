"""One transaction in the making: what the journal's head will be when it is committed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from offline_store.checkpoint import CHECKPOINT, Signatory
from offline_store.errors import CannotSeal, RecordInvalid
from offline_store.record import CARRIED, MAX_OWN_BYTES, Entry, Record, Value, hash_of
from offline_store.sealing import SEALING_KEY, Sealer

_INSERT_RECORD = (
    "INSERT INTO record (place, id, kind, lane, reason, time_ms, body) VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO NOTHING"
)

OwnEntry = Callable[[str, Mapping[str, Value]], Entry]
"""Makes an entry of the journal itself, from its kind and its public fields."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last record of the current chain. ``place`` is its row, ``base`` the row before the chain's first."""

    number: int
    chain_id: bytes
    base: int
    place: int
    hash: bytes

    @property
    def seq(self) -> int:
        """The last record's sequence number."""
        return self.place - self.base


@dataclass(slots=True)
class Draft:
    """Inserts behind ``head``; nothing of it counts before the transaction is committed.

    ``handed_over`` is the id of the sealing key that the platform can find in the journal.
    """

    connection: sqlite3.Connection
    boot_id: bytes
    own_entry: OwnEntry
    head: Head
    handed_over: bytes | None = None

    def add(self, entry: Entry, sealer: Sealer | None) -> Record:
        """Store the entry behind the head, its secret sealed; or find the record that has its id already."""
        if entry.secret is None:
            return self._insert(entry) or self._known(entry)
        if sealer is None or not sealer.ready():
            if self._body(entry.id) is None:
                raise CannotSeal
            return self._known(entry)
        key = sealer.key(entry.time_ms)
        if key.id != self.handed_over:
            if self._body(entry.id) is not None:
                return self._known(entry)
            self._insert(replace(self.own_entry(SEALING_KEY, key.public), id=key.id))
            self.handed_over = key.id
        return self._insert(entry.with_sealed(key.seal(entry.secret, entry.id))) or self._known(entry)

    def sign(self, signatory: Signatory) -> Entry:
        """Store a checkpoint behind the head."""
        entry = self.own_entry(CHECKPOINT, signatory.public(self.head.chain_id, self.head.seq, self.head.hash))
        self._insert(entry)
        return entry

    def begin(self, entry: Entry) -> None:
        """Store record 1."""
        self._insert(entry)

    def _insert(self, entry: Entry) -> Record | None:
        """Store the entry; ``None`` if a record bears its id already."""
        head = self.head
        record = Record(entry, head.seq + 1, self.boot_id, head.hash)
        body = record.to_bytes()
        if len(body) > MAX_OWN_BYTES and entry.kind != CARRIED:
            raise RecordInvalid.at(
                "record",
                f"至多 {MAX_OWN_BYTES} 字节，而非 {len(body)}",
                f"at most {MAX_OWN_BYTES} bytes, not {len(body)},",
            )
        row = (head.place + 1, entry.id, entry.kind, entry.lane, entry.reason, entry.time_ms, body)
        if not self.connection.execute(_INSERT_RECORD, row).rowcount:
            return None
        self.head = Head(head.number, head.chain_id, head.base, head.place + 1, hash_of(body))
        return record

    def _known(self, entry: Entry) -> Record:
        """The record that bears the entry's id; what was sealed then cannot be compared any more."""
        known = Record.from_bytes(self._body(entry.id) or b"")
        wanted = replace(entry, secret=None, sealed=known.entry.sealed) if entry.secret is not None else entry
        if known.entry != wanted or (entry.secret is not None and known.entry.sealed is None):
            raise RecordInvalid(
                f"第 {known.seq} 条记录已用此编号而内容不同；每条须有自己的编号",
                f"record {known.seq} has this id and other fields; every entry needs an id of its own",
            )
        return known

    def _body(self, record_id: bytes) -> bytes | None:
        row = self.connection.execute("SELECT body FROM record WHERE id = ?", (record_id,)).fetchone()
        return None if row is None else row[0]
