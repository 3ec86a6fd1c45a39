"""Records as they come: each judged by its place in the chain, whether or not its content is understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from agent.sync.contract import JournalBatch
from offline_store.errors import RecordInvalid
from offline_store.fields import ID, PREV_HASH, SEQ, record_fields
from offline_store.outline import Outline
from offline_store.record import Record, hash_of


class ChainBroken(ValueError):
    """The records of a batch do not follow one another; the text says where."""


@dataclass(slots=True)
class Arrived:
    """One record: its place, its exact bytes, their hash; decoded, or why it could not be."""

    seq: int
    id: bytes
    prev_hash: bytes = field(repr=False)
    body: bytes = field(repr=False)
    hash: bytes = field(repr=False)
    fields: Mapping[int, Any] | None = field(repr=False)
    """The map of :mod:`offline_store.record`; ``None`` if it breaks the rules."""
    problem: str = ""

    @classmethod
    def of(cls, body: bytes) -> Arrived:
        """Read one record. Raises :class:`RecordInvalid` if not even its place can be told."""
        try:
            fields = record_fields(body)
        except RecordInvalid as error:
            place = Outline.of(body)
            return cls(place.seq, place.id, place.prev_hash, body, hash_of(body), None, str(error))
        return cls(fields[SEQ], fields[ID], fields[PREV_HASH], body, hash_of(body), fields)

    @property
    def record(self) -> Record:
        """The record itself; of most nobody asks for more than a few fields. Raises :class:`RecordInvalid`."""
        return Record.from_bytes(self.body)


def read_records(batch: JournalBatch) -> list[Arrived]:
    """The records of a batch. Raises :class:`RecordInvalid` and :class:`ChainBroken`."""
    arrived = [Arrived.of(body) for body in batch.records]
    if arrived[0].seq != batch.first_seq:
        raise ChainBroken("the first record is not the one that the batch announces")
    for before, after in pairwise(arrived):
        if after.seq != before.seq + 1 or after.prev_hash != before.hash:
            raise ChainBroken(f"record {after.seq} does not follow record {before.seq}")
    return arrived
