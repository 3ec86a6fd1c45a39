"""Proof that no record is missing, altered or out of its place, from the file alone.

The last record has no successor that pins its hash: it is pinned by the platform's acknowledgement once that came.
Checkpoints pin more: with the terminal's key (``proof``) what stands before one that holds is what the terminal wrote.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from offline_store.checkpoint import CHECKPOINT, Proof, holds
from offline_store.errors import RecordInvalid, UnknownSuite
from offline_store.genesis import Genesis
from offline_store.record import NO_HASH, Record, hash_of

_PORTION = 500


class Fault(StrEnum):
    """What is wrong with a record."""

    MISSING = "missing"
    ALTERED = "altered"
    MISPLACED = "misplaced"
    INSERTED = "inserted"
    """Two follow the same record, and the one behind them follows the other."""
    FORGED = "forged"
    """A checkpoint that the terminal's key did not sign: it, or what stands before it, is not the terminal's."""
    UNKNOWN_SUITE = "unknown-suite"
    """Of algorithms that this version does not know: nothing can be proved of it, nor of what follows."""


@dataclass(frozen=True, slots=True)
class Break:
    """The first record at fault: its chain's id (16 bytes), where it belongs, and what is wrong."""

    chain_id: bytes
    seq: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many records were found whole, and the first that was not.

    ``signed`` counts the checkpoints among them whose signature was right; ``vouched_seq`` is the last record of the
    current chain that one of them, or the platform's acknowledgement, stands for: what is behind it rests on the file.
    """

    checked: int
    broken: Break | None = None
    signed: int = 0
    vouched_seq: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class _Chain:
    """A chain; ``end`` is the last seq that must be there."""

    chain_id: bytes
    base: int
    first_retained: int
    anchor_hash: bytes
    acked_seq: int
    acked_hash: bytes
    end: int


_Row = tuple[int, bytes, str, str | None, str | None, int, bytes]


Told = Callable[[int, int], None]
"""Hears how much of a long work is done, and of how much."""


def unheard(done: int, total: int) -> None:
    """Nobody wants to know how far it is."""


def verify(connection: sqlite3.Connection, proof: Proof | None = None, told: Told = unheard) -> Verdict:
    """Walk every chain from its anchor to its end; reads in portions, so that no log grows behind it.

    ``told`` hears after each portion how many of how many records are done. Raises ``sqlite3.Error``. What is appended
    meanwhile is left to the next walk.
    """
    checked = walked = vouched_seq = 0
    seals = _Seals(proof)
    chains = _chains(connection)
    total = sum(chain.end - chain.first_retained + 1 for chain in chains)

    def portion() -> None:
        nonlocal walked
        walked += _PORTION
        told(walked, total)

    for chain in chains:
        seals.last_seq = 0
        count, broken = _verify_chain(connection, chain, seals, portion)
        checked += count
        walked, vouched_seq = checked, max(seals.last_seq, chain.acked_seq)
        told(checked, total)
        if broken is not None:
            return Verdict(checked, broken, seals.right, vouched_seq)
    return Verdict(checked, None, seals.right, vouched_seq)


def verify_waiting(connection: sqlite3.Connection, pause: Callable[[], None]) -> Break | None:
    """Walk what the platform has not acknowledged; ``pause`` is called after each portion, so that taps go before.

    Raises ``sqlite3.Error``.
    """
    for chain in _chains(connection):
        if chain.end <= chain.acked_seq:
            continue
        waiting = chain
        if chain.acked_seq >= chain.first_retained:
            waiting = replace(chain, first_retained=chain.acked_seq + 1, anchor_hash=chain.acked_hash)
        _, broken = _verify_chain(connection, waiting, _Seals(None), pause)
        if broken is not None:
            return broken
    return None


class _Seals:
    """Looks at the checkpoints on the way."""

    def __init__(self, proof: Proof | None) -> None:
        self._proof = proof
        self.right = self.last_seq = 0

    def breaks(self, record: Record, chain_id: bytes) -> bool:
        """Whether this is a checkpoint that was not signed as it says."""
        if self._proof is None or record.entry.kind != CHECKPOINT:
            return False
        try:
            signed = holds(record, chain_id, self._proof)
        except RecordInvalid:
            return True
        if signed:
            self.right, self.last_seq = self.right + 1, record.seq
        return signed is False


def _chains(connection: sqlite3.Connection) -> list[_Chain]:
    rows = connection.execute(
        "SELECT chain_id, base, first_retained, anchor_hash, acked_seq, acked_hash, max(last_seq, acked_seq)"
        " FROM chain_span ORDER BY number"
    )
    return [_Chain(*row) for row in rows.fetchall()]


def _verify_chain(
    connection: sqlite3.Connection, chain: _Chain, seals: _Seals, pause: Callable[[], None] = lambda: None
) -> tuple[int, Break | None]:
    """The number of whole records and the first break."""
    expected = chain.first_retained
    before: Record | None = None
    before_hash = chain.anchor_hash
    for row in _rows(connection, chain, pause):
        seq = row[0] - chain.base
        if seq != expected:
            break
        fault, record = _verify_row(row, seq, chain)
        if fault is Fault.MISPLACED and before is not None and _follows_the_same(row[6], before):
            seq -= not _is_disowned(connection, chain, seq, row[6])
            return seq - chain.first_retained, Break(chain.chain_id, seq, Fault.INSERTED)
        if record is not None and record.prev_hash != before_hash:
            # One of the two was altered: the one before, unless the platform has it or the next one disowns this.
            if before is not None and seq - 1 != chain.acked_seq and not _is_disowned(connection, chain, seq, row[6]):
                return seq - 1 - chain.first_retained, Break(chain.chain_id, seq - 1, Fault.ALTERED)
            fault = Fault.ALTERED
        if fault is not None or record is None:
            return seq - chain.first_retained, Break(chain.chain_id, seq, fault or Fault.ALTERED)
        if seals.breaks(record, chain.chain_id):
            return seq - chain.first_retained, Break(chain.chain_id, seq, Fault.FORGED)
        before, before_hash = record, hash_of(row[6])
        expected += 1
    whole = expected - chain.first_retained
    return (whole, None) if expected > chain.end else (whole, Break(chain.chain_id, expected, Fault.MISSING))


def _verify_row(row: _Row, seq: int, chain: _Chain) -> tuple[Fault | None, Record | None]:
    """One row by itself: readable, in its place, its columns as its body says."""
    _, record_id, kind, lane, reason, time_ms, body = row
    try:
        record = Record.from_bytes(body)
        if seq == 1 and Genesis.of(record).chain_id != chain.chain_id:
            return Fault.ALTERED, None
    except UnknownSuite:
        return Fault.UNKNOWN_SUITE, None
    except RecordInvalid:
        return Fault.ALTERED, None
    if record.seq != seq:
        return Fault.MISPLACED, None
    entry = record.entry
    if (record_id, kind, lane, reason, time_ms) != (entry.id, entry.kind, entry.lane, entry.reason, entry.time_ms):
        return Fault.ALTERED, None
    if (seq == 1 and record.prev_hash != NO_HASH) or (seq == chain.acked_seq and hash_of(body) != chain.acked_hash):
        return Fault.ALTERED, None
    return None, record


def _follows_the_same(body: bytes, before: Record) -> bool:
    """Whether a readable record has the number of the one before it, and its predecessor."""
    record = Record.from_bytes(body)
    return (record.seq, record.prev_hash) == (before.seq, before.prev_hash)


def _is_disowned(connection: sqlite3.Connection, chain: _Chain, seq: int, body: bytes) -> bool:
    """Whether the record after it names another hash than this body's, which is a record's."""
    if seq == chain.acked_seq:
        return False
    row = connection.execute("SELECT body FROM record WHERE place = ?", (chain.base + seq + 1,)).fetchone()
    try:
        return row is not None and Record.from_bytes(row[0]).prev_hash != hash_of(body)
    except RecordInvalid:
        return False


def _rows(connection: sqlite3.Connection, chain: _Chain, pause: Callable[[], None]) -> Iterator[_Row]:
    query = (
        "SELECT place, id, kind, lane, reason, time_ms, body FROM record"
        " WHERE place > ? AND place <= ? ORDER BY place LIMIT ?"
    )
    place = chain.base + chain.first_retained - 1
    while True:
        rows = connection.execute(query, (place, chain.base + chain.end, _PORTION)).fetchall()
        yield from rows
        if len(rows) < _PORTION:
            return
        place = rows[-1][0]
        pause()
