"""Chains of real records, and a desk that hands them to the ingest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cbor2

from agent.cose import Es256Signer, VerifyKey
from agent.sync.contract import Address, Answer, Channel, Hello, JournalBatch, open_answer
from offline_store.checkpoint import CHECKPOINT, Signatory
from offline_store.genesis import Genesis, Predecessor
from offline_store.record import NO_HASH, Entry, Record, hash_of, new_id
from tests.agent.seeded import SeededRandom
from tools.platform.ingest import Ingest
from tools.platform.store import Store

CHAIN = bytes(range(16))
BOOT = bytes(16)
NOW_MS = 1_800_000_000_000


def make_chain(
    count: int,
    *,
    chain_id: bytes = CHAIN,
    seed: int = 1,
    predecessor: Predecessor | None = None,
    signatory: Signatory | None = None,
) -> list[Record]:
    """A genesis record and `count - 1` passages; with a signatory, 2, every tenth and the last are its checkpoints."""
    random = SeededRandom(seed)
    genesis = Entry(
        id=new_id(NOW_MS, random.token(10)),
        kind="genesis",
        time_ms=NOW_MS,
        time_quality="synchronised",
        monotonic_ms=0,
        public=Genesis(chain_id, predecessor).to_public(),
    )
    records = [Record(genesis, 1, BOOT, NO_HASH)]
    for seq in range(2, count + 1):
        passage = Entry(
            id=new_id(NOW_MS + seq, random.token(10)),
            kind="passage",
            time_ms=NOW_MS + seq,
            time_quality="synchronised",
            monotonic_ms=seq,
            lane="north",
            profile="gate",
            reason="granted",
        )
        if signatory is not None and (seq in (2, count) or seq % 10 == 0):
            public = signatory.public(chain_id, seq - 1, records[-1].hash)
            passage = replace(passage, kind=CHECKPOINT, public=public)
        records.append(Record(passage, seq, BOOT, records[-1].hash))
    return records


def altered(records: Sequence[Record], seq: int) -> list[Record]:
    """The same chain up to `seq`, from there on with other contents, properly chained."""
    changed = list(records[: seq - 1])
    for record in records[seq - 1 :]:
        entry = replace(record.entry, monotonic_ms=record.entry.monotonic_ms + 1)
        changed.append(replace(record, entry=entry, prev_hash=changed[-1].hash if changed else NO_HASH))
    return changed


def of_a_later_version(record: Record) -> bytes:
    """The record with a field that this version does not know: its place in the chain is still to be told."""
    fields = cbor2.loads(record.to_bytes())
    return cbor2.dumps(fields | {40: "later"}, canonical=True)


def batch_of(bodies: Sequence[bytes], first: int, chain_id: bytes = CHAIN) -> bytes:
    """The payload with these very bytes."""
    return JournalBatch(chain_id=chain_id, first_seq=first, records=tuple(bodies)).encode()


def batch(records: Sequence[Record], first: int, last: int, chain_id: bytes = CHAIN) -> bytes:
    """The payload with the records from `first` to `last`."""
    bodies = tuple(record.to_bytes() for record in records[first - 1 : last])
    return JournalBatch(chain_id=chain_id, first_seq=first, records=bodies).encode()


def hello(
    records: Sequence[Record], *, chain_id: bytes = CHAIN, nonce: bytes = b"n" * 16, first_retained: int = 1
) -> bytes:
    """The payload of a terminal that holds `records`."""
    return Hello(
        chain_id=chain_id,
        nonce=nonce,
        first_retained=first_retained,
        head=len(records),
        head_hash=hash_of(records[-1].to_bytes()),
    ).encode()


class Desk:
    """One terminal in front of an ingest; answers are verified with the platform's public key."""

    def __init__(self, store: Store, signer: Es256Signer, terminal: str = "gate-1") -> None:
        self.terminal = terminal
        self._ingest = Ingest(store, signer, lambda: NOW_MS)
        self._keys = {signer.kid: VerifyKey.of(signer.key.public_key())}

    def hand(self, channel: Channel, payload: bytes) -> Answer | None:
        reply = self._ingest.handle(Address(self.terminal).topic(channel), payload)
        if reply is None:
            return None
        assert reply.topic == Address(self.terminal).topic(Channel.ACK)
        return open_answer(reply.payload, self._keys, self.terminal)

    def hello(self, records: Sequence[Record], **changes: object) -> Answer | None:
        return self.hand(Channel.HELLO, hello(records, **changes))  # type: ignore[arg-type]

    def batch(self, records: Sequence[Record], first: int, last: int, chain_id: bytes = CHAIN) -> Answer | None:
        return self.hand(Channel.JOURNAL, batch(records, first, last, chain_id))


def batch_of_another_suite(records: Sequence[Record]) -> bytes:
    """All of them, the last one naming suite 2."""
    bodies = [record.to_bytes() for record in records]
    bodies[-1] = cbor2.dumps({**cbor2.loads(bodies[-1]), 0: 2}, canonical=True)
    return JournalBatch(chain_id=CHAIN, first_seq=records[0].seq, records=tuple(bodies)).encode()
