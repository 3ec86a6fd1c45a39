"""The room that is kept for doors: money stops first, passages go on, and the room is kept again when it is there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent.cose import Es256Signer
from offline_store.checkpoint import Signatory
from offline_store.errors import DiskFull, IoFailed
from offline_store.journal import Append, Journal
from offline_store.lock import LOCK_NAME
from offline_store.marks import MARK_GRACE_MS, Mark
from offline_store.outbox import Outbox
from offline_store.rescue import open_or_rescue
from offline_store.reserve import (
    OPENING_BYTES,
    OPENING_NAME,
    OPENING_PORTION_BYTES,
    RESERVE_NAME,
    Reserve,
    is_full,
    room_bytes,
)
from offline_store.upkeep import Upkeep
from offline_store.writer import InlineWriter, Writer
from tests.offline_store.parts import BOOT_ID, START_MS, SeededRandom, SteppingClock, entry
from tests.offline_store.small_disk import fill

MIB = 1024**2
RESERVE_BYTES = 2 * MIB
PATIENCE_S = 20.0


def opened(directory: Path, size_limit_bytes: int = 1 << 32) -> Journal:
    return Journal.open(
        directory, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1), size_limit_bytes=size_limit_bytes
    )


def passage(number: int) -> Append:
    return Append((entry(number, public={"filling": os.urandom(4_000)}),), vital=True)


def sale(number: int) -> Append:
    return Append((entry(number),))


def until_full(writer: Writer | InlineWriter, first: int, make: Callable[[int], Append] = passage) -> int:
    """Appends until one is refused; how many were taken."""
    for number in range(first, first + 100_000):
        try:
            writer.submit(make(number)).result(PATIENCE_S)
        except DiskFull:
            return number - first
    raise AssertionError("the disk never was full")


def test_on_a_full_disk_passages_are_recorded_in_the_reserve_and_money_stops(small_disk: Path) -> None:
    writer = Writer(opened(small_disk / "journal"), reserve_bytes=RESERVE_BYTES)
    try:
        writer.submit(sale(1)).result(PATIENCE_S)
        fill(small_disk)
        writer.submit(passage(2)).result(PATIENCE_S)
        taken = [writer.submit(passage(number)).result(PATIENCE_S) for number in range(3, 33)]
        assert len(taken) == 30
        with pytest.raises(DiskFull):
            writer.submit(sale(1_000))
        assert not (small_disk / "journal" / RESERVE_NAME).exists()
        assert 0 < until_full(writer, 2_000) < 100_000
    finally:
        writer.close(PATIENCE_S)
    journal = opened(small_disk / "journal")
    assert journal.verify().broken is None
    journal.close()


def test_the_room_that_is_told_of_ends_where_money_stops(tmp_path: Path) -> None:
    limit_bytes, reserve_bytes = MIB, MIB // 4
    journal = opened(tmp_path, limit_bytes)
    writer = InlineWriter(journal, reserve_bytes=reserve_bytes)

    def room() -> int:
        journal.log.checkpoint()
        return room_bytes(tmp_path, limit_bytes, reserve_bytes)

    told_bytes, begun_bytes = room(), (tmp_path / "journal.db").stat().st_size
    assert until_full(writer, 1, lambda number: Append(passage(number).entries)) > 0
    assert room() == 0
    grown_bytes = (tmp_path / "journal.db").stat().st_size - begun_bytes
    assert abs(grown_bytes - told_bytes) < reserve_bytes / 4
    assert until_full(writer, 50_000) > 0
    assert room() == 0
    writer.close(0)


def test_what_it_takes_to_hold_the_reserve_again_is_no_room(tmp_path: Path) -> None:
    opened(tmp_path).close()
    used_bytes = (tmp_path / "journal.db").stat().st_size
    assert room_bytes(tmp_path, used_bytes + 2 * RESERVE_BYTES, RESERVE_BYTES) == 0
    assert room_bytes(tmp_path, used_bytes + 3 * RESERVE_BYTES, RESERVE_BYTES) == RESERVE_BYTES
    assert Reserve(tmp_path, RESERVE_BYTES).make()
    assert room_bytes(tmp_path, used_bytes + 2 * RESERVE_BYTES, RESERVE_BYTES) == RESERVE_BYTES
    assert room_bytes(tmp_path, used_bytes, RESERVE_BYTES) == 0
    (tmp_path / RESERVE_NAME).unlink()
    assert room_bytes(tmp_path, used_bytes + RESERVE_BYTES, 0) == RESERVE_BYTES


def test_when_there_is_room_again_the_reserve_is_kept_again_and_money_goes_on(small_disk: Path) -> None:
    journal = opened(small_disk / "journal")
    writer = InlineWriter(journal, reserve_bytes=RESERVE_BYTES)
    writer.submit(sale(1)).result()
    others = fill(small_disk)
    number = 2
    while (small_disk / "journal" / RESERVE_NAME).exists():
        writer.submit(passage(number)).result()
        number += 1
    writer.keep_reserve()
    with pytest.raises(DiskFull):
        writer.submit(sale(90_000))
    others.unlink()
    writer.keep_reserve()
    assert (small_disk / "journal" / RESERVE_NAME).stat().st_blocks * 512 >= RESERVE_BYTES
    assert writer.submit(sale(90_000)).result().records[0].seq == number + 1
    writer.close(0)


def test_below_the_journals_own_limit_the_same_holds_without_a_full_disk(tmp_path: Path) -> None:
    writer = Writer(opened(tmp_path, 4 * MIB), reserve_bytes=MIB)
    try:
        number = 1
        while (tmp_path / RESERVE_NAME).exists():
            writer.submit(passage(number)).result(PATIENCE_S)
            number += 1
        assert (tmp_path / "journal.db").stat().st_size <= 3 * MIB + 65_536
        with pytest.raises(DiskFull):
            writer.submit(sale(90_000))
        assert until_full(writer, number) > 0
    finally:
        writer.close(PATIENCE_S)


def test_without_a_reserve_a_full_disk_refuses_everything(small_disk: Path) -> None:
    writer = Writer(opened(small_disk / "journal"))
    try:
        fill(small_disk)
        until_full(writer, 1)
        assert not (small_disk / "journal" / RESERVE_NAME).exists()
        with pytest.raises(DiskFull):
            writer.submit(passage(99_999)).result(PATIENCE_S)
    finally:
        writer.close(PATIENCE_S)


def test_a_disk_that_is_full_at_the_start_holds_money_back_from_the_start(small_disk: Path) -> None:
    opened(small_disk / "journal").close()
    others = fill(small_disk)
    reserve = Reserve(small_disk / "journal", RESERVE_BYTES)
    assert (reserve.make(), reserve.holds_back, reserve.release()) == (False, True, False)
    others.unlink()
    assert (reserve.make(), reserve.holds_back) == (True, False)
    assert Reserve(small_disk / "journal", RESERVE_BYTES).make(), "the reserve of an earlier start counts"


def test_a_disk_is_full_when_not_even_a_little_can_be_had(small_disk: Path) -> None:
    assert not is_full(small_disk)
    others = fill(small_disk)
    assert is_full(small_disk)
    others.unlink()
    assert not is_full(small_disk)
    assert not is_full(small_disk / "nowhere"), "what cannot be looked at is broken, and not full"


def test_on_a_full_disk_old_marks_wait_for_room_and_nobody_waits_for_them(small_disk: Path) -> None:
    journal = opened(small_disk / "journal")
    writer = InlineWriter(journal)
    # More pages than the rest of a block could take.
    old = [Mark("code", number.to_bytes(16, "big"), 1, START_MS) for number in range(200)]
    writer.submit(Append((entry(1),), marks=tuple(old))).result()
    others = fill(small_disk)
    until_full(writer, 2)
    much_later_ms = START_MS + 2 * MARK_GRACE_MS
    assert writer.reload(much_later_ms).result().marks == old
    others.unlink()
    assert writer.reload(much_later_ms).result().marks == []
    writer.close(0)


def test_what_is_old_leaves_a_full_journal_though_its_signature_finds_no_room(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.sign_with(Signatory("gate-001", Es256Signer(ec.derive_private_key(7, ec.SECP256R1())), 1_000, 0))
    for number in range(1, 200):
        journal.append([passage(number)])
    journal.acknowledge(journal.head.chain_id, journal.head.seq, journal.head.hash)
    journal.limit(1 << 32)
    until_full(InlineWriter(journal), 200, sale)
    with pytest.raises(DiskFull):
        journal.sign_what_waits()
    Upkeep(journal, lambda: START_MS + 10**9).do()
    outbox = Outbox.open(tmp_path)
    assert outbox.position().first_retained > 100
    outbox.close()
    journal.close()


def test_a_journal_opens_on_a_full_disk_again_and_again(small_disk: Path) -> None:
    directory = small_disk / "journal"
    writer = InlineWriter(opened(directory))
    writer.submit(sale(1)).result()
    (directory / LOCK_NAME).write_text("123456789012345\n")
    writer.close(0)  # the log and its shared memory are gone
    for _ in range(OPENING_BYTES // OPENING_PORTION_BYTES):
        fill(small_disk)
        journal, _ = open_or_rescue(
            directory, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1), size_limit_bytes=1 << 32
        )
        assert journal.load_saved() == {}
        assert int((directory / LOCK_NAME).read_text()) == os.getpid()
        journal.close()
    fill(small_disk)
    assert (directory / OPENING_NAME).stat().st_size == 0
    with pytest.raises(IoFailed):
        open_or_rescue(directory, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1), size_limit_bytes=1 << 32)
    (small_disk / "others").unlink()
    writer = InlineWriter(opened(directory))
    assert (directory / OPENING_NAME).stat().st_blocks * 512 >= OPENING_BYTES
    writer.close(0)


def test_a_terminal_that_is_stopped_on_a_full_disk_starts_again_however_often(small_disk: Path) -> None:
    directory = small_disk / "journal"
    InlineWriter(opened(directory)).close(0)
    for _ in range(3 * OPENING_BYTES // OPENING_PORTION_BYTES):
        fill(small_disk)
        journal, _ = open_or_rescue(
            directory, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1), size_limit_bytes=1 << 32
        )
        InlineWriter(journal).close(0)
    assert (directory / OPENING_NAME).stat().st_size >= OPENING_BYTES - OPENING_PORTION_BYTES


def test_a_journal_that_was_rescued_leaves_the_reserve_to_passages_as_before(tmp_path: Path) -> None:
    counts = []
    for rescued in (False, True):
        directory = tmp_path / str(rescued)
        writer = InlineWriter(opened(directory, size_limit_bytes=8 * MIB), reserve_bytes=RESERVE_BYTES)
        writer.submit(sale(1)).result(PATIENCE_S)
        if rescued:
            writer.rescue().result(PATIENCE_S)
        until_full(writer, 2, lambda number: Append((entry(number, public={"filling": os.urandom(4_000)}),)))
        counts.append(until_full(writer, 50_000))
        writer.close(PATIENCE_S)
    assert min(counts) > 0
    assert abs(counts[0] - counts[1]) < max(counts) / 4
