"""The journal of a simulated terminal: a real chain's records in one file, read again for every batch.

So thousands of them hold nothing in memory, and no disk is written: the disks of a fleet are not on this machine.
"""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import cbor2

from offline_store.outbox import Position
from offline_store.record import hash_of
from tools.bench.backlog import chain


def make(path: Path, records: int) -> None:
    """Write a backlog of ``records`` records."""
    path.write_bytes(cbor2.dumps(chain(records)))


class FleetOutbox:
    """Both ports of the uplink: the outbox, and where it is moved forward."""

    def __init__(self, path: Path) -> None:
        self._path = path
        chain_id, bodies = self._load()
        self._position = Position(chain_id, 1, 0, len(bodies), hash_of(bodies[-1]))

    @property
    def is_empty(self) -> bool:
        """Whether the platform has everything."""
        return self._position.acked_seq == self._position.head_seq

    def position(self) -> Position:
        """See :class:`agent.sync.uplink.Outbox`."""
        return self._position

    def batch(self, after_seq: int, max_records: int, max_bytes: int) -> list[bytes]:
        """See :class:`agent.sync.uplink.Outbox`."""
        batch: list[bytes] = []
        size_bytes = 0
        for body in self._load()[1][after_seq : after_seq + max_records]:
            size_bytes += len(body)
            if batch and size_bytes > max_bytes:
                break
            batch.append(body)
        return batch

    def hash_at(self, seq: int) -> bytes | None:
        """See :class:`agent.sync.uplink.Outbox`."""
        return hash_of(self._load()[1][seq - 1]) if 1 <= seq <= self._position.head_seq else None

    def acknowledge(self, chain_id: bytes, seq: int, record_hash: bytes) -> Future[int]:  # noqa: ARG002 - one chain
        """See :class:`agent.sync.uplink.Acknowledgements`."""
        at = self._position
        self._position = Position(at.chain_id, at.first_retained, seq, at.head_seq, at.head_hash)
        future: Future[int] = Future()
        future.set_result(seq)
        return future

    def rescue(self) -> Future[None]:
        """See :class:`agent.sync.uplink.Acknowledgements`: nobody has another record of a chain that was made here."""
        raise AssertionError("the platform says that a simulated chain forked")

    def _load(self) -> Any:
        return cbor2.loads(self._path.read_bytes())
