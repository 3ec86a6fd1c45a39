"""Checkpoints: the terminal's key signs the chain, and a forger with the whole disk is found out."""

from __future__ import annotations

import hashlib
import hmac
import queue
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from offline_store.checkpoint import CHECKPOINT, Signatory, statement
from offline_store.journal import Append, Journal
from offline_store.outbox import Outbox
from offline_store.record import Record, hash_of
from offline_store.upkeep import Upkeep, keep_everything
from offline_store.verify import Break, Fault, Verdict
from offline_store.writer import Writer
from tests.offline_store.parts import Statement, SteppingClock, entry, fill, spoil

TERMINAL = "gate-001"
WAIT_S = 20.0


@dataclass(frozen=True)
class KeyedSigner:
    """The store asks for 64 bytes by a key; which algorithm makes them is the agent's affair."""

    secret: bytes

    @property
    def kid(self) -> bytes:
        return hashlib.sha256(self.secret).digest()[:8]

    def sign(self, data: bytes) -> bytes:
        return hmac.digest(self.secret, data, "sha512")

    def proves(self, kid: bytes, data: bytes, signature: bytes) -> bool | None:
        return None if kid != self.kid else hmac.compare_digest(signature, self.sign(data))


OURS = KeyedSigner(b"the terminal's")
FORGER = KeyedSigner(b"the forger's")


def signing(journal: Journal, every_records: int = 10, signer: KeyedSigner = OURS) -> Journal:
    journal.sign_with(Signatory(TERMINAL, signer, every_records=every_records, every_ms=60_000))
    return journal


def records_of(directory: Path) -> list[Record]:
    outbox = Outbox.open(directory)
    try:
        return [Record.from_bytes(body) for body in outbox.batch(0, 5_000, 10**7)]
    finally:
        outbox.close()


def checkpoints(directory: Path) -> list[int]:
    return [record.seq for record in records_of(directory) if record.entry.kind == CHECKPOINT]


def test_every_so_many_records_are_signed_in_the_same_commit(journal: Journal, directory: Path) -> None:
    signing(journal)
    for number in range(1, 31):
        journal.append([Append((entry(number),))])
    assert checkpoints(directory) == [3, 14, 25]
    assert journal.verify(OURS.proves) == Verdict(34, None, 3)


def test_a_checkpoint_signs_terminal_chain_and_the_record_before_it(journal: Journal, directory: Path) -> None:
    chain_id = journal.head.chain_id
    signing(journal)
    fill(journal, 1)
    before, signed = records_of(directory)[-2:]
    assert signed.entry.public == {
        "terminal": TERMINAL,
        "kid": OURS.kid,
        "signature": OURS.sign(statement(TERMINAL, chain_id, before.seq, before.hash)),
    }


def test_what_waits_is_signed_after_a_while_and_only_if_there_is_any(
    journal: Journal, clock: SteppingClock, directory: Path
) -> None:
    signing(journal, every_records=1_000)
    fill(journal, 1)
    fill(journal, 5, first=10)
    assert len(checkpoints(directory)) == 1
    assert not journal.sign_what_waits()
    clock.time_ms += 60_000
    assert journal.sign_what_waits()
    clock.time_ms += 60_000
    assert not journal.sign_what_waits()
    assert len(checkpoints(directory)) == 2


def test_the_writers_upkeep_signs_and_a_journal_without_a_key_signs_nothing(
    journal: Journal, clock: SteppingClock, directory: Path
) -> None:
    fill(journal, 3)
    Upkeep(journal, keep_everything).do()
    assert checkpoints(directory) == []
    signing(journal)
    clock.time_ms += 60_000
    Upkeep(journal, keep_everything).do()
    assert len(checkpoints(directory)) == 1


def test_the_writer_tells_of_a_checkpoint_that_is_all_an_append_left(
    journal: Journal, clock: SteppingClock, directory: Path
) -> None:
    told: queue.Queue[int] = queue.Queue()
    signing(journal, every_records=2)
    writer = Writer(journal, signed=told.put)
    try:
        writer.submit(Append(saves={"clock": b"now"})).result(WAIT_S)
        assert told.get(timeout=WAIT_S) == checkpoints(directory)[-1]
        writer.submit(Append(saves={"clock": b"later"})).result(WAIT_S)
        clock.time_ms += 60_000
        for number in (1, 2):
            writer.submit(Append((entry(number),))).result(WAIT_S)
        assert told.get(timeout=WAIT_S) == checkpoints(directory)[-1]
        assert told.empty()
    finally:
        writer.close(WAIT_S)


def test_a_failed_append_leaves_no_checkpoint_and_the_next_one_signs(
    journal: Journal, open_journal: Callable[[], Journal], directory: Path
) -> None:
    signing(journal, every_records=3)
    fill(journal, 1)
    with pytest.raises(Exception, match="this id and other fields"):
        journal.append([Append((entry(5),)), Append((replace(entry(1), reason="other"),))])
    assert checkpoints(directory) == [3]
    fill(journal, 3, first=20)
    assert checkpoints(directory) == [3, 7]
    assert open_journal().verify(OURS.proves).broken is None


def rewritten(records: list[Record], from_seq: int, signer: KeyedSigner | None) -> list[Statement]:
    """SQL of a forger who changes one record, writes all that follow anew, and signs as well as he can."""
    statements: list[Statement] = []
    before = records[from_seq - 2].hash
    chain_id = records[0].entry.public["chain_id"]
    assert isinstance(chain_id, bytes)
    for record in records[from_seq - 1 :]:
        altered = replace(record, prev_hash=before)
        if record.seq == from_seq:
            altered = replace(altered, entry=replace(record.entry, reason="refused"))
        if record.entry.kind == CHECKPOINT and signer is not None:
            public = Signatory(TERMINAL, signer).public(chain_id, record.seq - 1, before)
            altered = replace(altered, entry=replace(record.entry, public=public))
        body = altered.to_bytes()
        before = hash_of(body)
        statements.append(
            ("UPDATE record SET body = ?, reason = ? WHERE place = ?", (body, altered.entry.reason, record.seq))
        )
    return statements


@pytest.mark.parametrize("signer", [None, FORGER], ids=["old signatures", "another key"])
def test_a_chain_written_anew_from_one_record_on_is_found_by_its_checkpoints(
    journal: Journal, directory: Path, signer: KeyedSigner | None
) -> None:
    signing(journal)
    for number in range(1, 31):
        journal.append([Append((entry(number),))])
    chain_id = journal.head.chain_id
    journal.close()
    spoil(directory, *rewritten(records_of(directory), 18, signer))
    outbox = Outbox.open(directory)
    try:
        assert outbox.verify() == Verdict(34)
        known = {key.kid: key for key in (OURS, FORGER)} if signer is None else {OURS.kid: OURS}
        verdict = outbox.verify(lambda kid, data, sig: known[kid].proves(kid, data, sig) if kid in known else False)
    finally:
        outbox.close()
    assert verdict.broken == Break(chain_id, 25, Fault.FORGED)


@pytest.mark.parametrize(
    "public",
    [
        {},
        {"terminal": TERMINAL, "kid": OURS.kid},
        {"terminal": TERMINAL, "kid": b"short", "signature": bytes(64)},
        {"terminal": TERMINAL, "kid": OURS.kid, "signature": bytes(63)},
        {"terminal": 7, "kid": OURS.kid, "signature": bytes(64)},
        {"terminal": "gate-002", "kid": OURS.kid, "signature": bytes(64)},
    ],
)
def test_a_record_that_only_calls_itself_a_checkpoint_is_forged(journal: Journal, public: dict[str, object]) -> None:
    fill(journal, 1)
    journal.append([Append((entry(2, kind=CHECKPOINT, public=public),))])
    assert journal.verify().broken is None
    assert journal.verify(OURS.proves) == Verdict(2, Break(journal.head.chain_id, 3, Fault.FORGED))


def test_a_key_that_is_not_known_proves_nothing_and_breaks_nothing(journal: Journal) -> None:
    signing(journal, signer=FORGER)
    fill(journal, 1)
    assert journal.verify(OURS.proves) == Verdict(3, None, 0)
