"""How far the platform has the journal: checked at once, written with whatever is written next.

It is a mark and no record: the platform says it again after every hello. Until it is on the disk nothing is pruned by
it; if it is lost in a crash, what the platform has is offered once more, and known there.
"""

from __future__ import annotations

import sqlite3

from offline_store.errors import AcknowledgementRefused
from offline_store.record import hash_of

_SPAN = "SELECT number, base, acked_seq, last_seq FROM chain_span WHERE chain_id = ?"
_BODY = "SELECT body FROM record WHERE place = ?"
_WRITE = "UPDATE chain SET acked_seq = ?, acked_hash = ? WHERE number = ?"


class Acknowledged:
    """The acknowledged position of one connection's chains. Every method raises ``sqlite3.Error``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._noted: dict[int, tuple[int, bytes]] = {}

    @property
    def waits(self) -> bool:
        """Whether something is noted that no transaction has written."""
        return bool(self._noted)

    def note(self, chain_id: bytes, seq: int, record_hash: bytes) -> int:
        """The platform has committed ``seq`` and all before it. Returns the acknowledged seq, which never goes back.

        Raises :class:`AcknowledgementRefused` for a chain, record or hash that this journal does not hold.
        """
        chain = self._connection.execute(_SPAN, (chain_id,)).fetchone()
        if chain is None:
            raise AcknowledgementRefused(
                "平台回执所指的链不在本日志中", "an acknowledgement names a chain that is not in this journal"
            )
        number, base, acked_seq, last_seq = chain
        acked_seq, _ = self._noted.get(number, (acked_seq, b""))
        if seq <= acked_seq:
            return int(acked_seq)
        row = self._connection.execute(_BODY, (base + seq,)).fetchone()
        if row is None or seq > last_seq:
            raise AcknowledgementRefused(
                f"平台回执所指的第 {seq} 条记录超出了链的末尾",
                f"record {seq} was acknowledged, which is beyond the end of its chain",
            )
        if hash_of(row[0]) != record_hash:
            raise AcknowledgementRefused(
                f"平台回执中第 {seq} 条记录的摘要不符",
                f"record {seq} was acknowledged with a hash that is not its own",
            )
        self._noted[number] = (seq, record_hash)
        return seq

    def write(self) -> None:
        """Within a transaction: what is noted."""
        for number, (seq, record_hash) in self._noted.items():
            self._connection.execute(_WRITE, (seq, record_hash, number))

    def written(self) -> None:
        """The transaction was committed."""
        self._noted.clear()
