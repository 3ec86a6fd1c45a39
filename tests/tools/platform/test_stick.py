"""Records that come on a stick: committed as if the broker had brought them, and refused with a reason otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent.cose import Es256Signer, VerifyKey
from offline_store.checkpoint import CHECKPOINT, Signatory
from offline_store.record import Record, Value
from tests.tools.platform import chains
from tests.tools.platform.chains import CHAIN, NOW_MS, altered, batch, batch_of_another_suite
from tools.platform import stick, stick_proof
from tools.platform.errors import PlatformError
from tools.platform.ingest import Ingest
from tools.platform.store import Store

TERMINAL = "gate-1"
TERMINALS_KEY = Es256Signer(ec.generate_private_key(ec.SECP256R1()))
ENROLLED = {TERMINALS_KEY.kid: VerifyKey.of(TERMINALS_KEY.key.public_key())}
BARE = stick.Customs(ENROLLED, ec.generate_private_key(ec.SECP256R1()), plain=True)
OF_ANOTHER = stick.Customs({}, BARE.private, plain=True)


@pytest.fixture
def ingest(store: Store, signer: Es256Signer) -> Ingest:
    return Ingest(store, signer, lambda: NOW_MS)


def make_chain(count: int) -> list[Record]:
    return chains.make_chain(count, signatory=Signatory(TERMINAL, TERMINALS_KEY))


def stored(store: Store) -> list[bytes]:
    with store.transaction() as transaction:
        return [row.body for row in transaction.records(CHAIN)]


def file_of(directory: Path, *messages: bytes) -> Path:
    file = directory / "journal.batches"
    file.write_bytes(b"".join(map(cbor2.dumps, messages)))
    return file


def in_batches(records: Sequence[Record], size: int) -> list[bytes]:
    firsts = range(1, len(records) + 1, size)
    return [batch(records, first, min(first + size - 1, len(records))) for first in firsts]


def test_a_file_brings_every_record_once_however_often_it_is_brought(
    ingest: Ingest, store: Store, tmp_path: Path
) -> None:
    records = make_chain(700)
    file = file_of(tmp_path, *in_batches(records, 200))
    for _ in range(2):
        assert stick.bring(ingest, TERMINAL, file, BARE).seq == 700
        assert stored(store) == [record.to_bytes() for record in records]


def test_a_file_that_begins_too_late_says_from_where(ingest: Ingest, store: Store, tmp_path: Path) -> None:
    file = file_of(tmp_path, batch(make_chain(9), 5, 9))
    with pytest.raises(PlatformError, match="--from 1"):
        stick.bring(ingest, TERMINAL, file, BARE)
    assert stored(store) == []


def test_another_chain_behind_a_committed_record_is_told_and_not_taken(
    ingest: Ingest, store: Store, tmp_path: Path
) -> None:
    records = make_chain(6)
    stick.bring(ingest, TERMINAL, file_of(tmp_path, batch(records, 1, 6)), BARE)
    with pytest.raises(PlatformError, match="Another record 3 is committed"):
        stick.bring(ingest, TERMINAL, file_of(tmp_path, batch(altered(records, 3), 1, 6)), BARE)
    assert stored(store) == [record.to_bytes() for record in records]


def test_whose_records_they_are_is_checked(ingest: Ingest, tmp_path: Path) -> None:
    records = make_chain(3)
    file = file_of(tmp_path, batch(records, 1, 3))
    stick.bring(ingest, TERMINAL, file, BARE)
    with pytest.raises(PlatformError, match="--terminal gate-1"):
        stick.bring(ingest, "gate-2", file, OF_ANOTHER)


def test_a_chain_that_is_new_is_taken_only_for_the_terminal_that_signs_it(
    ingest: Ingest, store: Store, tmp_path: Path
) -> None:
    file = file_of(tmp_path, *in_batches(make_chain(30), 10))
    with pytest.raises(PlatformError, match="--terminal gate-1"):
        stick.bring(ingest, "gate-2", file, OF_ANOTHER)
    assert stored(store) == []
    assert stick.bring(ingest, TERMINAL, file, BARE).seq == 30, "a wrong name has spoilt nothing"


@pytest.mark.parametrize("named", [None, "", "gate 1\n"])
def test_a_chain_that_tells_nobody_whose_it_is_is_not_taken(
    ingest: Ingest, store: Store, tmp_path: Path, named: str | None
) -> None:
    records = chains.make_chain(30, signatory=None if named is None else Signatory(named, TERMINALS_KEY))
    with pytest.raises(PlatformError, match="Records 1 to 30 were not taken"):
        stick.bring(ingest, TERMINAL, file_of(tmp_path, *in_batches(records, 10)), BARE)
    assert stored(store) == []


def forged(records: Sequence[Record], seq: int, signature: bytes, kid: bytes = TERMINALS_KEY.kid) -> list[Record]:
    """The chain up to before `seq`, then a checkpoint that merely names the terminal, and what its author likes."""
    mine = altered(records, seq)[seq - 1]
    public: dict[str, Value] = {"terminal": TERMINAL, "kid": kid, "signature": signature}
    made = [*records[: seq - 1], replace(mine, entry=replace(mine.entry, kind=CHECKPOINT, public=public))]
    for record in records[seq:]:
        plain = replace(record.entry, kind="passage", public={})
        made.append(replace(record, entry=plain, prev_hash=made[-1].hash))
    return made


@pytest.mark.parametrize("kid", [b"k" * 8, TERMINALS_KEY.kid], ids=["made-up", "the-terminals"])
def test_a_checkpoint_that_merely_names_the_terminal_brings_nothing(
    ingest: Ingest, store: Store, tmp_path: Path, kid: bytes
) -> None:
    file = file_of(tmp_path, *in_batches(forged(make_chain(9), 2, b"s" * 64, kid), 4))
    with pytest.raises(PlatformError, match="Records 1 to 9 were not taken"):
        stick.bring(ingest, TERMINAL, file, BARE)
    assert stored(store) == []


@pytest.mark.parametrize("is_known", [False, True])
def test_what_somebody_wrote_behind_the_last_checkpoint_that_holds_is_not_taken(
    ingest: Ingest, store: Store, tmp_path: Path, is_known: bool
) -> None:
    records = make_chain(30)
    if is_known:
        ingest.bring(TERMINAL, batch(records, 1, 14))
    longer = forged(records, 21, b"s" * 64)
    for size in (7, 10, 30):
        with pytest.raises(stick.BroughtInPart, match="Records 21 to 30 were not taken") as told:
            stick.bring(ingest, TERMINAL, file_of(tmp_path, *in_batches(longer, size)), BARE)
        assert told.value.head.seq == 20, "what is signed counts, and is acknowledged"
        assert stored(store) == [record.to_bytes() for record in records[:20]]


def test_a_checkpoint_proves_nothing_of_records_that_are_not_joined_to_it(
    ingest: Ingest, store: Store, tmp_path: Path
) -> None:
    records = make_chain(9)
    mine = forged(records, 2, b"s" * 64)
    with pytest.raises(PlatformError, match="Records 1 to 4 were not taken"):
        stick.bring(ingest, TERMINAL, file_of(tmp_path, batch(mine, 1, 4), batch(records, 5, 9)), BARE)
    assert stored(store) == []


def test_what_the_platform_has_already_is_acknowledged_without_a_checkpoint(ingest: Ingest, tmp_path: Path) -> None:
    records = chains.make_chain(5)
    ingest.bring(TERMINAL, batch(records, 1, 5))
    assert stick.bring(ingest, TERMINAL, file_of(tmp_path, batch(records, 1, 5)), BARE).seq == 5


def test_so_much_without_a_checkpoint_is_no_journal(
    ingest: Ingest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stick_proof, "MAX_WAITING_BYTES", 1_000)
    file = file_of(tmp_path, *in_batches(chains.make_chain(40), 10), batch(make_chain(50), 41, 50))
    with pytest.raises(PlatformError, match="Records 1 to 10 were not taken"):
        stick.bring(ingest, TERMINAL, file, BARE)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no records"),
        (b"\x00", "not one that"),
        (b"\xa1\x00\x00", "not one that"),
        (b"\x5f\x41\x00\xff", "not one that"),
        (b"\x5b" + b"\xff" * 8, "not one that"),
        (b"\x5a\xff\xff\xff\xff", "not one that"),
        (b"\x58\x20short", "cut short"),
        (b"\x5a\x00", "cut short"),
        (cbor2.dumps(b"junk"), "cannot be taken: it holds no records of a journal"),
        (cbor2.dumps(cbor2.dumps({0: 1, 1: "hello"})), "cannot be taken: it holds no records of a journal"),
        (cbor2.dumps(cbor2.dumps({0: 1, 1: "journal"})), "cannot be taken: .*chain_id"),
    ],
)
def test_what_is_no_export_is_one_sentence(ingest: Ingest, tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "noise"
    file.write_bytes(content)
    with pytest.raises(PlatformError, match=words):
        stick.bring(ingest, TERMINAL, file, BARE)
    with pytest.raises(PlatformError, match="does not exist"):
        stick.bring(ingest, TERMINAL, tmp_path / "none", BARE)


def test_a_cut_file_keeps_what_was_whole(ingest: Ingest, store: Store, tmp_path: Path) -> None:
    records = make_chain(30)
    file = file_of(tmp_path, *in_batches(records, 10))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(PlatformError, match="cut short"):
        stick.bring(ingest, TERMINAL, file, BARE)
    assert len(stored(store)) == 20


def test_a_record_of_another_suite_is_refused_as_such(ingest: Ingest, store: Store, tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="suite"):
        stick.bring(ingest, TERMINAL, file_of(tmp_path, batch_of_another_suite(make_chain(5))), BARE)
    assert stored(store) == []
