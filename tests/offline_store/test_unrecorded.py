"""Beyond the reserve: what may be counted is counted durably, told once, and everything else meets the full disk."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cbor2
import pytest

from offline_store.errors import DiskFull, IoFailed, RecordInvalid
from offline_store.figures import MAX_FIGURES, OTHERS, UNRECORDED, Instead
from offline_store.journal import Append, Journal
from offline_store.marks import Mark
from offline_store.outbox import Outbox
from offline_store.record import Money, Record
from offline_store.reserve import RESERVE_NAME
from offline_store.unrecorded import (
    HALF_BYTES,
    MAX_FILED_MARKS,
    MAX_KEPT,
    MAX_MARKS,
    NAME,
    Held,
    Unrecorded,
    tallies_of,
)
from offline_store.writer import InlineWriter, Writer
from tests.offline_store.parts import BOOT_ID, START_MS, SeededRandom, SteppingClock, entry
from tests.offline_store.small_disk import fill

MIB = 1024**2
PATIENCE_S = 20.0
NOW_MS = START_MS + 1_000_000


def opened(directory: Path, seed: int = 1) -> Journal:
    clock = SteppingClock()
    clock.time_ms = NOW_MS
    return Journal.open(directory, BOOT_ID, clock=clock, random=SeededRandom(seed))


def opening(number: int, **changes: object) -> Append:
    """A passage that needs a page of its own, so that a full disk is met at once."""
    values = {"public": {"filling": os.urandom(4_000)}} | changes
    return Append((entry(number, "decision", **values),), vital=True, instead=Instead(openings=1))


def sale(number: int) -> Append:
    return Append((entry(number),))


def records(directory: Path) -> list[Record]:
    outbox = Outbox.open(directory)
    try:
        assert outbox.verify().broken is None
        return [Record.from_bytes(body) for body in outbox.batch(0, 5_000, 1 << 30)]
    finally:
        outbox.close()


def counts(directory: Path) -> list[int | None]:
    """What the journal's counts say."""
    found = (record.entry for record in records(directory) if record.entry.kind == UNRECORDED)
    return [openings for entry in found if isinstance(openings := entry.public["openings"], int)]


def until_counted(writer: Writer | InlineWriter, first: int = 1) -> int:
    """Openings until one is counted; the number after it."""
    for number in range(first, first + 100_000):
        if writer.submit(opening(number)).result(PATIENCE_S).counted:
            return number + 1
    raise AssertionError("the disk never was full")


def test_beyond_the_reserve_openings_are_counted_and_the_next_record_tells_it(small_disk: Path) -> None:
    told: list[tuple[int, int]] = []
    directory = small_disk / "journal"
    writer = Writer(opened(directory), reserve_bytes=2 * MIB, settled=lambda *settled: told.append(settled))
    try:
        others = fill(small_disk)
        number = until_counted(writer)
        assert not (directory / RESERVE_NAME).exists()
        for later in range(number, number + 9):
            assert writer.submit(opening(later)).result(PATIENCE_S).counted
        assert writer.unrecorded == 10
        assert tallies_of(directory)["gate-1"].openings == 10
        with pytest.raises(DiskFull):
            writer.submit(sale(90_000))
        others.unlink()
        appended = writer.submit(opening(90_001)).result(PATIENCE_S)
        assert [record.seq for record in appended.records] == [records(directory)[-1].seq]
        assert (writer.unrecorded, told) == (0, [(10, appended.records[0].seq)])
    finally:
        writer.close(PATIENCE_S)
    before, last = records(directory)[-2:]
    assert (before.entry.kind, before.entry.public["openings"]) == (UNRECORDED, 10)
    first_ms = START_MS + number - 1
    assert before.entry.public["figures"] == (("decision", "granted", 10, first_ms, first_ms + 9),)
    assert last.entry.kind == "decision"
    assert tallies_of(directory) == {}


CHILD = """
import sys
from pathlib import Path
from offline_store.writer import Writer
from tests.offline_store.test_unrecorded import opened, opening, until_counted

writer = Writer(opened(Path(sys.argv[1])))
print("ready", flush=True)
sys.stdin.readline()
number = until_counted(writer)
print(1, flush=True)
for done in range(2, 100_000):
    number += 1
    assert writer.submit(opening(number)).result(20).counted
    print(done, flush=True)
"""


def test_a_count_outlives_a_kill_and_is_told_once(small_disk: Path) -> None:
    directory = small_disk / "journal"
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", CHILD, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    others = fill(small_disk)
    child.stdin.write("go on\n")
    child.stdin.flush()
    said = [int(child.stdout.readline()) for _ in range(20)]
    child.kill()
    said += [int(line) for line in child.stdout.read().splitlines()]
    child.wait(PATIENCE_S)
    child.stdin.close()
    child.stdout.close()
    assert said[-1] <= tallies_of(directory)["gate-1"].openings <= said[-1] + 1
    others.unlink()
    counted = tallies_of(directory)["gate-1"].openings
    for number in (90_000, 90_001):
        writer = Writer(opened(directory, seed=number))
        assert not writer.submit(opening(number)).result(PATIENCE_S).counted
        writer.close(PATIENCE_S)
    assert counts(directory) == [counted]


def full(directory: Path) -> tuple[InlineWriter, Journal]:
    """A journal that stands at its limit, and how to raise that: ``journal.limit(0)``."""
    journal = opened(directory)
    writer = InlineWriter(journal)
    journal.limit(4 * 1024**3)
    return writer, journal


def test_a_count_whose_file_could_not_be_emptied_is_not_told_twice(tmp_path: Path) -> None:
    writer, journal = full(tmp_path)
    until_counted(writer)
    kept = (tmp_path / NAME).read_bytes()
    journal.limit(0)
    assert not writer.submit(opening(90_000)).result().counted
    writer.close(0)
    (tmp_path / NAME).write_bytes(kept)
    assert tallies_of(tmp_path) == {}
    again = InlineWriter(opened(tmp_path, seed=2))
    again.submit(opening(90_001)).result()
    again.close(0)
    assert counts(tmp_path) == [1]


def test_state_and_marks_are_as_if_the_disk_had_them_also_for_another_start(tmp_path: Path) -> None:
    writer, journal = full(tmp_path)
    until_counted(writer)
    mark = Mark("code", b"token", 7, NOW_MS + 60_000)
    held = replace(opening(80_000), saves={"lane": b"open"}, marks=(mark,))
    assert writer.submit(held).result().counted
    with pytest.raises(DiskFull):
        writer.submit(Append((entry(80_001, public={"filling": bytes(4_000)}),), vital=True)).result()
    assert writer.submit(opening(80_002)).result().counted, "another lane's fault stops no door"
    restored = writer.reload(NOW_MS).result()
    assert (restored.saved["lane"], restored.marks) == (b"open", [mark])
    writer.close(0)
    journal = opened(tmp_path, seed=2)
    again = InlineWriter(journal)
    restored = again.reload(NOW_MS).result()
    assert (restored.saved["lane"], restored.marks) == (b"open", [mark])
    again.submit(opening(80_003)).result()
    assert journal.load_saved()["lane"] == b"open"
    assert mark in journal.load_marks(NOW_MS)
    again.close(0)
    assert counts(tmp_path) == [3]


def test_without_its_file_a_count_is_kept_in_memory(tmp_path: Path) -> None:
    writer, journal = full(tmp_path)
    (tmp_path / NAME).unlink()
    until_counted(writer)
    assert writer.submit(opening(80_000)).result().counted
    assert tallies_of(tmp_path) == {}
    journal.limit(0)
    writer.keep_reserve()
    writer.close(0)
    assert counts(tmp_path) == [2]


def test_a_file_that_fails_otherwise_opens_nothing(tmp_path: Path) -> None:
    writer, _ = full(tmp_path)
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).mkdir()
    with pytest.raises(IoFailed, match=NAME):
        until_counted(writer)
    writer.close(0)


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff",
        cbor2.dumps([]),
        cbor2.dumps([b"e" * 16, {"gate-1": [b"short", "gate", 1, 1, 1, []]}, {}, {}, []]),
        cbor2.dumps([b"e" * 16, {"gate-1": 7}, {}, {}, []]),
        cbor2.dumps([b"e" * 16, {}, {b"id": "nowhere"}, {}, []]),
        cbor2.dumps([b"e" * 16, {}, {}, {"lane": bytes(70_000)}, []]),
        cbor2.dumps([b"e" * 16, {}, {}, {}, [["code", b"", 1, 1]]]),
    ],
)
def test_a_file_that_no_journal_wrote_stops_nobody(tmp_path: Path, payload: bytes) -> None:
    writer, _ = full(tmp_path)
    writer.close(0)
    journal = opened(tmp_path)
    unrecorded = Unrecorded(journal)
    assert unrecorded.make()
    unrecorded._file.write(payload)
    writer = InlineWriter(journal)
    assert not writer.submit(opening(1)).result().counted
    writer.close(0)
    assert counts(tmp_path) == []


def test_money_and_secrets_are_never_counted() -> None:
    money = Money(amount_fen=1, intent_id=bytes(16), merchant="m", business_date="20260101")
    for fields in ({"money": money}, {"secret": b"a code"}):
        with pytest.raises(RecordInvalid, match="instead"):
            Append((entry(1, **fields),), instead=Instead())


def test_what_is_held_has_bounds(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    ids = iter(range(10_000_000))

    def new_id() -> bytes:
        return entry(next(ids)).id

    held = Held(bytes(16))
    for number in range(200):
        held = held.plus(Append((entry(number, reason=f"reason-{number}"),), instead=Instead(1)), new_id)
    (tally,) = held.tallies.values()
    assert len(tally.figures) == MAX_FIGURES
    assert tally.figures[OTHERS].times == 200 - MAX_FIGURES + 1
    assert tally.openings == 200
    for number in range(200, 400):
        kept = Append((entry(number, "life-safety", reason="fire"),), instead=Instead(kept=True))
        held = held.plus(kept, new_id)
    assert len(held.kept) == MAX_KEPT
    fires = 200 - MAX_KEPT
    assert held.tallies["gate-1"].figures[OTHERS].times == 200 - MAX_FIGURES + 1 + fires
    marks = tuple(Mark("code", number.to_bytes(16, "big"), 1, NOW_MS) for number in range(MAX_MARKS))
    held = held.plus(Append((entry(500),), {"lane": bytes(60_000)}, marks, instead=Instead(1)), new_id)
    with pytest.raises(DiskFull, match=str(MAX_MARKS)):
        held.plus(Append((entry(501),), marks=(Mark("code", b"one", 1, NOW_MS),), instead=Instead(1)), new_id)
    told = held.to_bytes(HALF_BYTES - 64, new_id)
    assert len(told) <= HALF_BYTES - 64
    again = Held.from_bytes(told)
    assert again.tallies["gate-1"].openings == 201
    assert len(again.saves["lane"] or b"") == 60_000
    assert list(again.marks) == list(held.marks)[-MAX_FILED_MARKS:]
    journal.close()
