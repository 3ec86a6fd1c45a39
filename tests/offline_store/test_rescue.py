"""A damaged journal: what is intact goes on, the damaged file is kept, and a power cut in between loses neither."""

from __future__ import annotations

import random
import sqlite3
from concurrent.futures import Future
from pathlib import Path

import pytest

from offline_store.aside import MAX_ASIDE, READY, settle
from offline_store.bundles import InstalledBundle, installed
from offline_store.database import DATABASE_NAME
from offline_store.errors import Damaged, RecordInvalid, StoreError
from offline_store.genesis import Genesis
from offline_store.journal import Append, Appended, Journal
from offline_store.marks import Mark
from offline_store.outbox import Outbox
from offline_store.record import MAX_OWN_BYTES, Record
from offline_store.rescue import CARRIED, DAMAGE, Rescued, heal, open_or_rescue, rescue
from offline_store.writer import Writer
from tests.offline_store.parts import BOOT_ID, START_MS, SeededRandom, SteppingClock, entry, fill, spoil

LIMIT_BYTES = 64 * 1024**2
WAIT_S = 20.0


@pytest.fixture
def lived(directory: Path, clock: SteppingClock) -> list[Record]:
    """A closed journal of 400 records, of which the platform has the first 100; with state, marks and a bundle."""
    journal = Journal.open(directory, BOOT_ID, clock=clock, random=SeededRandom(1))
    records = fill(journal, 399)
    kept = Append((), {"lane/north": b"state"}, (Mark("gate.in", b"m", 7, START_MS + 10**9),))
    bundle = Append((entry(999),), bundles=(InstalledBundle("trust", 3, b"manifest"),))
    journal.append([kept, bundle])
    journal.acknowledge(journal.head.chain_id, 100, records[98].hash)
    journal.log.checkpoint()
    journal.close()
    return records


def reopened(directory: Path, clock: SteppingClock) -> tuple[Journal, Rescued | None]:
    return open_or_rescue(directory, BOOT_ID, clock=clock, random=SeededRandom(2), size_limit_bytes=LIMIT_BYTES)


def all_records(directory: Path) -> list[Record]:
    outbox = Outbox.open(directory)
    try:
        return [Record.from_bytes(body) for body in outbox.batch(0, 5_000, 10**7)]
    finally:
        outbox.close()


def carried(records: list[Record]) -> list[Record]:
    bodies = [record.entry.public["record"] for record in records if record.entry.kind == CARRIED]
    return [Record.from_bytes(body) for body in bodies if isinstance(body, bytes)]


def damage(directory: Path, offset: int, size: int) -> None:
    with (directory / DATABASE_NAME).open("r+b") as file:
        file.seek(offset)
        file.write(b"\xa5" * size)


def test_a_whole_journal_is_opened_as_it_is(lived: list[Record], directory: Path, clock: SteppingClock) -> None:
    journal, rescued = reopened(directory, clock)
    assert rescued is None
    assert journal.head.seq == len(lived) + 2
    journal.close()


def test_what_the_platform_lacks_goes_on_byte_for_byte_behind_what_it_has(
    lived: list[Record], directory: Path, clock: SteppingClock
) -> None:
    spoil(directory, "UPDATE record SET body = x'00' WHERE place = 401")  # the head: it cannot be continued
    journal, rescued = reopened(directory, clock)
    journal.close()
    records = all_records(directory)
    genesis = Genesis.of(records[0])
    assert genesis.predecessor is not None
    assert (genesis.predecessor.seq, genesis.predecessor.hash) == (100, lived[98].hash)
    assert records[1].entry.kind == DAMAGE
    assert carried(records) == lived[99:]
    assert [record.entry.refers_to for record in records[2:]] == [record.entry.id for record in lived[99:]]
    assert rescued == Rescued(directory / "damaged-1", 300, 1)


def test_states_marks_and_bundles_go_on(lived: list[Record], directory: Path, clock: SteppingClock) -> None:
    spoil(directory, ("UPDATE record SET body = x'00' WHERE place = ?", (len(lived) + 2,)))
    journal, _ = reopened(directory, clock)
    restored = journal.restore(START_MS)
    journal.close()
    assert restored.saved == {"lane/north": b"state"}
    assert [mark.key for mark in restored.marks] == [b"m"]
    assert [bundle.name for bundle in installed(directory)] == ["trust"]


def test_a_file_that_is_no_database_any_more_is_kept_and_the_terminal_begins_anew(
    lived: list[Record], directory: Path, clock: SteppingClock
) -> None:
    del lived
    damage(directory, 0, 4096)
    before = (directory / DATABASE_NAME).read_bytes()
    journal, rescued = reopened(directory, clock)
    journal.close()
    assert rescued is not None
    assert (rescued.aside / DATABASE_NAME).read_bytes() == before
    assert [record.entry.kind for record in all_records(directory)] == ["genesis", DAMAGE]


@pytest.mark.parametrize("seed", range(12))
def test_whatever_page_is_lost_the_terminal_serves_on_and_nothing_readable_is_left_behind(
    lived: list[Record], directory: Path, clock: SteppingClock, seed: int
) -> None:
    dice = random.Random(seed)
    pages = (directory / DATABASE_NAME).stat().st_size // 4096
    for _ in range(dice.randint(1, 4)):
        damage(directory, 4096 * dice.randrange(1, pages), 4096)
    wanted = {record.entry.id for record in lived[99:] if _is_readable(directory, record)}
    try:
        journal, rescued = reopened(directory, clock)
    except Damaged:
        pytest.fail("a damaged journal kept the terminal from starting")
    if rescued is None:  # the damage shows later: the writer meets it, and rescues then
        journal.lay_down()
        rescued = rescue(directory, BOOT_ID, clock, SeededRandom(3))
        journal.take_up()
    assert {record.entry.id for record in carried(all_records(directory))} >= wanted
    fill(journal, 1, first=5_000)
    assert journal.verify().broken is None
    journal.close()


def _is_readable(directory: Path, record: Record) -> bool:
    connection = sqlite3.connect(f"file:{directory / DATABASE_NAME}?mode=ro", uri=True)
    try:
        row = connection.execute("SELECT body FROM record WHERE place = ?", (record.seq,)).fetchone()
    except sqlite3.Error:
        return False
    finally:
        connection.close()
    return row is not None and row[0] == record.to_bytes()


def test_a_running_writer_rescues_what_breaks_under_it_and_the_uplink_follows(
    lived: list[Record], directory: Path, clock: SteppingClock
) -> None:
    told: list[Rescued] = []
    journal, _ = reopened(directory, clock)
    writer = Writer(journal, rescued=told.append)
    outbox = Outbox.open(directory)
    assert outbox.position().acked_seq == 100
    spoil(directory, "DELETE FROM chain")
    failed: Future[Appended] = writer.submit(Append((entry(7_000),)))
    with pytest.raises(StoreError):
        writer.acknowledge(bytes(16), 1, bytes(32)).result(WAIT_S)
    failed.exception(WAIT_S)
    assert writer.reload(START_MS).result(WAIT_S).saved == {"lane/north": b"state"}
    appended = writer.submit(Append((entry(8_000),))).result(WAIT_S).records[0]
    assert told[0].carried >= len(lived)
    assert outbox.position().head_seq == appended.seq
    outbox.close()
    assert writer.close(WAIT_S)


def test_what_is_spoilt_within_a_carried_record_is_lost_and_holds_nothing_up(
    lived: list[Record], directory: Path, clock: SteppingClock
) -> None:
    journal, _ = reopened(directory, clock)
    heal(journal)
    outer = next(record for record in all_records(directory) if record.entry.kind == CARRIED)
    inner = carried([outer])[0].to_bytes()
    spoilt = outer.to_bytes().replace(inner[:8], b"\xff" * 8)
    spoil(directory, ("UPDATE record SET body = ? WHERE place = ?", (spoilt, outer.seq)))
    again = heal(journal)
    kept = {record.entry.id for record in carried(all_records(directory))}
    assert again.lost == 1
    assert kept >= {record.entry.id for record in lived[101:]}
    journal.close()


def test_damage_that_only_an_append_meets_is_rescued_too(
    lived: list[Record], directory: Path, clock: SteppingClock
) -> None:
    told: list[Rescued] = []
    journal, _ = reopened(directory, clock)
    writer = Writer(journal, rescued=told.append)
    spoil(directory, "CREATE TRIGGER spoilt BEFORE INSERT ON record BEGIN SELECT raise(ABORT, 'x'); END")
    with pytest.raises(Damaged):
        writer.submit(Append((entry(7_000),))).result(WAIT_S)
    writer.reload(START_MS).result(WAIT_S)
    writer.submit(Append((entry(8_000),))).result(WAIT_S)
    assert told[0].carried >= len(lived[99:]) - 1
    assert writer.close(WAIT_S)


def test_a_power_cut_at_any_step_of_the_exchange_loses_neither_file(
    lived: list[Record], directory: Path, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(directory, ("UPDATE record SET body = x'00' WHERE place = ?", (len(lived) + 2,)))
    real = Path.rename
    for cut_at in range(4):
        renames = 0

        def cut(self: Path, target: Path, at: int = cut_at) -> Path:
            nonlocal renames
            renames += 1
            if renames > at:
                raise OSError(5, "power cut")
            return real(self, target)

        monkeypatch.setattr(Path, "rename", cut)
        with pytest.raises(StoreError):
            rescue(directory, BOOT_ID, clock, SeededRandom(4))
        monkeypatch.setattr(Path, "rename", real)
        settle(directory)
        if (directory / "damaged-1" / DATABASE_NAME).exists():
            break
    journal, _ = reopened(directory, clock)
    journal.close()
    assert (directory / "damaged-1" / DATABASE_NAME).exists()
    assert len(carried(all_records(directory))) == 300
    assert not (directory / READY).exists()


def test_damaged_files_are_bounded_in_number(directory: Path, clock: SteppingClock) -> None:
    Journal.open(directory, BOOT_ID, clock=clock, random=SeededRandom(1)).close()
    for seed in range(MAX_ASIDE + 2):
        rescue(directory, BOOT_ID, clock, SeededRandom(10 + seed))
    assert sorted(path.name for path in directory.glob("damaged-*")) == ["damaged-3", "damaged-4", "damaged-5"]


def test_what_was_carried_is_carried_on_as_itself(lived: list[Record], directory: Path, clock: SteppingClock) -> None:
    for seed in range(3):
        rescue(directory, BOOT_ID, clock, SeededRandom(10 + seed))
    records = all_records(directory)
    within = carried(records)
    assert [record for record in within if record.entry.kind == "passage"][:-1] == lived[99:]  # one came with state
    assert not any(record.entry.kind == CARRIED for record in within)
    # The platform has none of the chains in between: the last one continues what it has.
    assert Genesis.of(records[0]).predecessor == Genesis.of(within[0]).predecessor is not None


def test_the_largest_record_that_a_journal_takes_can_be_carried(directory: Path, clock: SteppingClock) -> None:
    journal = Journal.open(directory, BOOT_ID, clock=clock, random=SeededRandom(1))
    taken = 0
    for size_bytes in range(MAX_OWN_BYTES, 0, -1):
        try:
            journal.append([Append((entry(1, sealed=bytes(size_bytes)),))])
        except RecordInvalid:
            continue
        taken = size_bytes
        break
    journal.close()
    assert taken > MAX_OWN_BYTES - 512
    assert rescue(directory, BOOT_ID, clock, SeededRandom(2)).lost == 0
    assert [len(record.entry.sealed or b"") for record in carried(all_records(directory))][-1] == taken
