"""Records as they come: each judged by its place in the chain, whether or not its content is understood."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from agent.sync.contract import JournalBatch
from offline_store.errors import RecordInvalid
from offline_store.outline import Outline
from offline_store.record import Record, hash_of


class ChainBroken(ValueError):
    """The records of a batch do not follow one another; the text says where."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One record: its place, its exact bytes, their hash; decoded, or why it could not be."""

    seq: int
    id: bytes
    prev_hash: bytes = field(repr=False)
    body: bytes = field(repr=False)
    hash: bytes = field(repr=False)
    record: Record | None = field(repr=False)
    problem: str = ""

    @classmethod
    def of(cls, body: bytes) -> Arrived:
        """Read one record. Raises :class:`RecordInvalid` if not even its place can be told."""
        try:
            record = Record.from_bytes(body)
        except RecordInvalid as error:
            place = Outline.of(body)
            return cls(place.seq, place.id, place.prev_hash, body, hash_of(body), None, str(error))
        return cls(record.seq, record.entry.id, record.prev_hash, body, hash_of(body), record)


def read_records(batch: JournalBatch) -> list[Arrived]:
    """The records of a batch. Raises :class:`RecordInvalid` and :class:`ChainBroken`."""
    arrived = [Arrived.of(body) for body in batch.records]
    if arrived[0].seq != batch.first_seq:
        raise ChainBroken("the first record is not the one that the batch announces")
    for before, after in pairwise(arrived):
        if after.seq != before.seq + 1 or after.prev_hash != before.hash:
            raise ChainBroken(f"record {after.seq} does not follow record {before.seq}")
    return arrived
