"""What gates have waiting after an outage: real journals of real records, as the benches of the sync drain them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from agent import cose
from agent.clock import RecordIds, SystemClock, SystemRandom
from offline_store.checkpoint import Signatory
from offline_store.genesis import GENESIS, Genesis
from offline_store.journal import Append, Journal
from offline_store.record import NO_HASH, Entry, Record, hash_of

_GROUP = 1_000


def fill(directory: Path, terminal: str, signer: cose.Signer, records: int) -> None:
    """Make the journal of a gate with at least ``records`` records, which ``signer`` has signed as it grew."""
    clock, random = SystemClock(), SystemRandom()
    with closing(Journal.open(directory, random.token(16), clock=clock, random=random)) as journal:
        journal.sign_with(Signatory(terminal, signer))
        passages = _passages(clock, random)
        for first in range(0, records, 2 * _GROUP):
            journal.append([next(passages) for _ in range(min(_GROUP, (records - first + 1) // 2))])
            journal.log.checkpoint()


def chain(records: int) -> tuple[bytes, list[bytes]]:
    """The same without file and signatures, for terminals by the thousand: chain id, and the bytes of each record."""
    clock, random = SystemClock(), SystemRandom()
    chain_id, boot_id, before = random.token(16), random.token(16), NO_HASH
    passages = _passages(clock, random)
    entries = [_genesis(chain_id, clock, random)]
    while len(entries) < records:
        entries += next(passages).entries
    bodies: list[bytes] = []
    for entry in entries[:records]:
        bodies.append(Record(entry, len(bodies) + 1, boot_id, before).to_bytes())
        before = hash_of(bodies[-1])
    return chain_id, bodies


def _genesis(chain_id: bytes, clock: SystemClock, random: SystemRandom) -> Entry:
    return Entry(
        id=RecordIds(clock, random).new(),
        kind=GENESIS,
        time_ms=clock.now_ms(),
        time_quality="synchronised",
        monotonic_ms=clock.monotonic_ms(),
        public=Genesis(chain_id).to_public(),
    )


def _passages(clock: SystemClock, random: SystemRandom) -> Iterator[Append]:
    """One person each: the decision, and that the gate was passed."""
    ids = RecordIds(clock, random)
    while True:
        decision = ids.new()
        yield Append((_decision(decision, clock, random), _outcome(ids.new(), decision, clock)))


def _decision(own: bytes, clock: SystemClock, random: SystemRandom) -> Entry:
    return Entry(
        id=own,
        kind="decision",
        time_ms=clock.now_ms(),
        time_quality="synchronised",
        monotonic_ms=clock.monotonic_ms(),
        lane="north-in",
        profile="gate",
        reason="granted",
        medium=random.token(16),
        subject=("city", random.token(16)),
        public={"direction": "in", "source": "social-security", "assurance": 1},
    )


def _outcome(own: bytes, decision: bytes, clock: SystemClock) -> Entry:
    return Entry(
        id=own,
        kind="outcome",
        time_ms=clock.now_ms(),
        time_quality="synchronised",
        monotonic_ms=clock.monotonic_ms(),
        lane="north-in",
        profile="gate",
        reason="passed",
        refers_to=decision,
        public={"direction": "in"},
    )
