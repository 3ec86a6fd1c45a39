"""What the sync tests share: simulated time, seeded randomness, a real journal, and a platform in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from random import Random as Seeded

from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose
from agent.clock import Clock, Moment, Random
from agent.sync.contract import Ack, Answer, Expect, Fork, Hello, JournalBatch, sign_answer
from agent.sync.uplink import Acknowledgements, Uplink, UplinkSettings
from offline_store.journal import Append, Journal
from offline_store.outbox import Outbox
from offline_store.record import Entry, hash_of, new_id
from offline_store.writer import InlineWriter
from profiles.api import ClockState

TERMINAL = "gate-7"
BOOT_ID = bytes(range(16))
ISSUED_MS = 2_000_000_000_000
"""The platform's time in all its answers: far from any machine's that runs these tests."""


@dataclass
class SimulatedClock:
    """Time that moves when told to."""

    at_ms: int = 1_700_000_000_000

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_ms(self) -> int:
        return self.at_ms

    def state(self) -> ClockState:
        return ClockState.SYNCHRONISED

    def moment(self) -> Moment:
        return Moment(self.now_ms(), self.state(), uncertainty_ms=0)


@dataclass
class SeededRandom:
    """Randomness that repeats."""

    source: Seeded = field(default_factory=lambda: Seeded(7))

    def token(self, size_bytes: int) -> bytes:
        return self.source.randbytes(size_bytes)


def passage(clock: Clock, random: Random) -> Entry:
    """A granted passage, now."""
    return Entry(
        id=new_id(clock.now_ms(), random.token(10)),
        kind="passage",
        time_ms=clock.now_ms(),
        time_quality=clock.state(),
        monotonic_ms=clock.monotonic_ms(),
        lane="north",
        profile="gate",
        reason="granted",
    )


class Terminal:
    """A journal on disk and the uplink over it; ``restart`` closes and opens both."""

    def __init__(self, directory: Path, keys: cose.VerifyKey, settings: UplinkSettings | None = None) -> None:
        self.directory = directory
        self.keys = cose.keyring([keys])
        self.settings = settings or UplinkSettings(batch_records=10)
        self.clock = SimulatedClock()
        self.random = SeededRandom()
        self._open()

    def _open(self) -> None:
        self.journal = Journal.open(self.directory, BOOT_ID, clock=self.clock, random=self.random)
        self.writer = InlineWriter(self.journal)
        self.outbox = Outbox.open(self.directory)
        self.heard: list[tuple[int, int]] = []
        self.uplink = self.uplink_over(self.writer)

    def uplink_over(self, disk: Acknowledgements) -> Uplink:
        """An uplink whose acknowledgements go to ``disk``."""
        return Uplink(
            TERMINAL, self.outbox, disk, lambda: self.keys, self._hear, self.clock, self.random, self.settings
        )

    def _hear(self, issued_ms: int, round_trip_ms: int) -> None:
        self.heard.append((issued_ms, round_trip_ms))

    def restart(self) -> None:
        self.close()
        self._open()

    def close(self) -> None:
        self.outbox.close()
        self.writer.close(1)

    def append(self, count: int) -> None:
        """Append ``count`` passages in one transaction."""
        entries = tuple(passage(self.clock, self.random) for _ in range(count))
        self.writer.submit(Append(entries=entries)).result(0)

    @property
    def acknowledged(self) -> int:
        return self.outbox.position().acked_seq


class MemoryPlatform:
    """A platform that follows the contract and keeps all in memory."""

    def __init__(self, signer: cose.Es256Signer | None = None) -> None:
        self.signer = signer or cose.Es256Signer(ec.generate_private_key(ec.SECP256R1()))
        self.chains: dict[bytes, list[bytes]] = {}
        self.nonces: dict[bytes, bytes] = {}
        self.batches: list[JournalBatch] = []

    @property
    def verify_key(self) -> cose.VerifyKey:
        return cose.VerifyKey.of(self.signer.key.public_key())

    def hello(self, payload: bytes) -> bytes:
        """The answer to a hello: where this platform is."""
        hello = Hello.decode(payload)
        self.nonces[hello.chain_id] = hello.nonce
        records = self.chains.setdefault(hello.chain_id, [])
        if len(records) >= hello.head and hash_of(records[hello.head - 1]) != hello.head_hash:
            return self.sign(self.fork(hello.chain_id, hello.head))
        return self.sign(self.ack(hello.chain_id) if records else self.expect(hello.chain_id))

    def journal(self, payload: bytes) -> bytes:
        """The answer to a batch."""
        batch = JournalBatch.decode(payload)
        self.batches.append(batch)
        records = self.chains.setdefault(batch.chain_id, [])
        if batch.first_seq > len(records) + 1:
            return self.sign(self.expect(batch.chain_id))
        for seq, record in enumerate(batch.records, batch.first_seq):
            if seq <= len(records) and records[seq - 1] != record:
                return self.sign(self.fork(batch.chain_id, seq))
        records.extend(batch.records[len(records) + 1 - batch.first_seq :])
        return self.sign(self.ack(batch.chain_id))

    def ack(self, chain_id: bytes, seq: int | None = None) -> Ack:
        records = self.chains[chain_id]
        seq = len(records) if seq is None else seq
        return Ack(
            terminal=TERMINAL,
            chain_id=chain_id,
            nonce=self.nonces[chain_id],
            issued_ms=ISSUED_MS,
            seq=seq,
            hash=hash_of(records[seq - 1]),
        )

    def expect(self, chain_id: bytes, seq: int | None = None) -> Expect:
        records = self.chains[chain_id]
        seq = len(records) + 1 if seq is None else seq
        return Expect(
            terminal=TERMINAL,
            chain_id=chain_id,
            nonce=self.nonces[chain_id],
            issued_ms=ISSUED_MS,
            seq=seq,
            prev_hash=hash_of(records[seq - 2]) if seq > 1 else None,
        )

    def fork(self, chain_id: bytes, seq: int) -> Fork:
        record_hash = hash_of(self.chains[chain_id][seq - 1])
        nonce = self.nonces[chain_id]
        return Fork(terminal=TERMINAL, chain_id=chain_id, nonce=nonce, issued_ms=ISSUED_MS, seq=seq, hash=record_hash)

    def sign(self, answer: Answer) -> bytes:
        return sign_answer(answer, self.signer)
