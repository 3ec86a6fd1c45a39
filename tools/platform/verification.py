"""Proof that what the platform holds of a chain is whole, from the bytes alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from offline_store.errors import RecordInvalid
from offline_store.record import NO_HASH
from tools.platform.arrived import Arrived
from tools.platform.holes import Hole
from tools.platform.store import Position


def verify_chain(head: Position, stored: Iterable[tuple[bytes, bytes]], holes: Sequence[Hole] = ()) -> int | None:
    """Walk a whole chain, given as bytes and noted hash of each record; the seq where it breaks, or none.

    An altered record is named itself as long as its noted hash was not altered with it; else the one after it is. What
    is noted as a hole is missing, and no break.
    """
    expected, before = 1, NO_HASH
    missing = {hole.first: hole for hole in holes}
    for body, noted_hash in stored:
        if expected in missing:
            hole = missing[expected]
            expected, before = hole.last + 1, hole.anchor_hash
        try:
            record = Arrived.of(body)
        except RecordInvalid:
            return expected
        if record.seq != expected or record.prev_hash != before or record.hash != noted_hash:
            return expected
        expected, before = expected + 1, noted_hash
    return None if (expected - 1, before) == (head.seq, head.hash) else expected
