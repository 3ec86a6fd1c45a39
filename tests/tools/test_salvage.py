"""A dead box's disk: what it held reaches the platform, whole or damaged, and nothing is written there."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import cbor2
import pytest
from click.testing import CliRunner, Result

from agent.composition import keys_dir
from agent.stick_files import StickError
from agent.sync.contract import JournalBatch
from agent.sync.contract.stick import MAX_PART_BYTES
from offline_store.checkpoint import CHECKPOINT, Signatory
from offline_store.database import DATABASE_NAME, PAGE_BYTES
from offline_store.figures import Tally
from offline_store.in_place import InPlace
from offline_store.journal import Journal
from offline_store.outbox import Outbox
from offline_store.record import Record
from offline_store.unrecorded import HALF_BYTES, Held
from offline_store.unrecorded import NAME as UNRECORDED_FILE
from tests.offline_store.parts import BOOT_ID, SeededRandom, SteppingClock, fill, spoil
from tests.tools.cli.test_journal import onecard
from tools.cli.salvage import command as salvage_command
from tools.export import Form, Span, export
from tools.platform import stick as sticks
from tools.platform.ca import Authority
from tools.platform.commands import platform as platform_command
from tools.platform.dead_letters import UNPROVEN, letters
from tools.platform.errors import PlatformError
from tools.platform.holes import holes_of
from tools.platform.reconcile import reconcile
from tools.platform.service import Layout, ingest_of
from tools.platform.store import Store
from tools.salvage import MAX_DEPTH, Salvaged, State, find, salvage, take_copy
from tools.sequence import parts

TERMINAL = "gate-001"
BEFORE = 100
"""What the platform has before the box dies."""


def span_of(payload: bytes) -> Span:
    batch = JournalBatch.decode(payload)
    return Span(batch.chain_id, batch.first_seq, batch.last_seq)


@dataclass
class Dead:
    """A disk as it is mounted, and the platform that its terminal was enrolled at."""

    disk: Path
    platform: Path
    chain_id: bytes
    records: list[Record]

    @property
    def state(self) -> Path:
        return self.disk / "var" / "lib" / "onecard"

    def store(self) -> Store:
        return Store.open(Layout(self.platform).database_url)

    def held(self) -> dict[int, bytes]:
        """What the platform has, by seq."""
        with closing(self.store()) as store, store.transaction() as transaction:
            return {row.seq: row.body for row in transaction.records(self.chain_id)}

    def holes(self) -> list[tuple[int, int]]:
        with closing(self.store()) as store, store.transaction() as transaction:
            return [(hole.first, hole.last) for hole in holes_of(transaction, self.chain_id)]

    def bring(self, file: Path, *, salvaged: bool = True) -> list[sticks.Aside]:
        """The spans that were put aside."""
        authority = Authority.at(Layout(self.platform).keys)
        keys, private = authority.checkpoint_keys(TERMINAL), authority.load_sealing_key()
        asides: list[sticks.Aside] = []
        with closing(self.store()) as store:
            customs = sticks.Customs(keys, private, plain=True, salvaged=salvaged)
            sticks.bring(ingest_of(store, authority), TERMINAL, file, customs, asides.append)
        return asides

    def command(self, *words: object) -> Result:
        """A command of the platform."""
        return CliRunner().invoke(platform_command, [*map(str, words), "--dir", str(self.platform)])

    def replay(self) -> list[bool]:
        """Somebody vouches for what was put aside; what was taken now."""
        authority = Authority.at(Layout(self.platform).keys)
        with closing(self.store()) as store:
            with store.transaction() as transaction:
                ids = [row.id for row in letters(transaction) if row.reason == UNPROVEN]
            ingest = ingest_of(store, authority)
            return [ingest.replay(letter_id) for letter_id in ids]

    def checkpoints(self) -> list[int]:
        return [record.seq for record in self.records if record.entry.kind == CHECKPOINT]

    def spoil(self, *places: int) -> None:
        """These rows are noise. Their database is a copy's, so that no log of it stays behind."""
        copy = self.disk.parent / "spoilt"
        shutil.copytree(self.state, copy)
        spoil(copy, *(("UPDATE record SET body = x'00' WHERE place = ?", (place,)) for place in places))
        shutil.copytree(copy, self.state, dirs_exist_ok=True)
        (self.state / f"{DATABASE_NAME}-wal").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def died(tmp_path_factory: pytest.TempPathFactory) -> Dead:
    home = tmp_path_factory.mktemp("site")
    dead = Dead(home / "disk", home / "platform", b"", [])
    keys = Authority.init(Layout(dead.platform).keys).provision(TERMINAL, keys_dir(dead.state))
    journal = Journal.open(dead.state, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1))
    journal.sign_with(Signatory(TERMINAL, keys.checkpoint_signer(), every_records=50))
    fill(journal, BEFORE)
    dead.chain_id = journal.head.chain_id
    with closing(Outbox.open(dead.state)) as outbox:
        export(outbox, None, home / "before", Form(JournalBatch.encode, span_of))
    dead.bring(home / "before")
    acked = max(dead.held())
    with closing(Outbox.open(dead.state)) as outbox:
        journal.acknowledge(dead.chain_id, acked, outbox.hash_at(acked) or b"")
    for first in range(1_001, 1_401, 100):
        fill(journal, 100, first=first)
    journal.log.checkpoint()
    fill(journal, 10, first=2_001)  # in the log alone
    with closing(Outbox.open(dead.state)) as outbox:
        after = 0
        while bodies := outbox.batch(after, 500, 1_000_000):
            dead.records += map(Record.from_bytes, bodies)
            after += len(bodies)
    names = (DATABASE_NAME, f"{DATABASE_NAME}-wal")
    power_cut = {name: (dead.state / name).read_bytes() for name in names}
    journal.close()
    for name, content in power_cut.items():
        (dead.state / name).write_bytes(content)
    return dead


@pytest.fixture
def dead(died: Dead, tmp_path: Path) -> Dead:
    """A copy of it, to be spoilt; its keys are another machine's."""
    shutil.copytree(died.disk, tmp_path / "disk")
    shutil.copytree(died.platform, tmp_path / "platform")
    copied = Dead(tmp_path / "disk", tmp_path / "platform", died.chain_id, died.records)
    (keys_dir(copied.state) / "checkpoint.pem").write_bytes(b"sealed for another machine")
    return copied


def listing(disk: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its content and the time of its last change, and every directory."""
    return {
        str(path): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
        for path in (disk, *disk.rglob("*"))
    }


def lacks(dead: Dead) -> list[int]:
    """What the platform has not, or otherwise."""
    held = dead.held()
    return [record.seq for record in dead.records if held.get(record.seq) != record.to_bytes()]


def test_what_a_sound_disk_holds_is_taken_as_far_as_it_is_proven_and_the_rest_once_somebody_vouches_for_it(
    dead: Dead, tmp_path: Path
) -> None:
    before, file = listing(dead.disk), tmp_path / "e"
    done = onecard("salvage", dead.disk, "--to", file)
    assert done.returncode == 0
    assert f"onecard platform import --salvaged --terminal {TERMINAL} e" in done.stdout
    assert (listing(dead.disk) == before, file.stat().st_mode & 0o777) == (True, 0o600)
    last, head = dead.checkpoints()[-1], len(dead.records)
    assert dead.bring(file) == [sticks.Aside(last + 1, head, kept=True)]
    assert lacks(dead) == list(range(last + 1, head + 1))
    assert dead.replay() == [True]
    assert (lacks(dead), dead.holes()) == ([], [])


def test_what_cannot_be_read_stays_a_hole_and_what_is_behind_it_is_taken_by_its_checkpoint(
    dead: Dead, tmp_path: Path
) -> None:
    spoilt = dead.checkpoints()[3] + 5
    dead.spoil(spoilt, spoilt + 1, spoilt + 2)
    facts = told_of(dead, tmp_path / "e")
    assert facts["missing"] == [{"chain": dead.chain_id.hex(), "first": spoilt, "last": spoilt + 2}]
    asides = dead.bring(tmp_path / "e")
    behind_a_checkpoint = sticks.Aside(dead.checkpoints()[3] + 1, spoilt - 1, kept=True)
    assert asides[0] == behind_a_checkpoint
    assert dead.holes() == [(behind_a_checkpoint.first, spoilt + 2)]
    assert dead.replay() == [True, True]
    assert lacks(dead) == [spoilt, spoilt + 1, spoilt + 2]
    assert dead.holes() == [(spoilt, spoilt + 2)]
    with closing(dead.store()) as store, store.transaction() as transaction:
        (chain,) = reconcile(transaction).chains
    assert (chain.broken_at, len(chain.holes)) == (None, 1)


def told_of(dead: Dead, file: Path) -> dict[str, object]:
    done = onecard("salvage", dead.disk, "--to", file, "--json")
    assert done.returncode == 1, done.stderr
    facts: dict[str, object] = json.loads(done.stdout)
    return facts


def test_a_record_that_was_altered_spoils_no_other_and_is_never_taken(dead: Dead, tmp_path: Path) -> None:
    seq = dead.checkpoints()[3] + 5
    record = dead.records[seq - 1]
    altered = replace(record, entry=replace(record.entry, lane="gate-2"))
    copy = dead.disk.parent / "altered"
    shutil.copytree(dead.state, copy)
    spoil(copy, ("UPDATE record SET body = ? WHERE place = ?", (altered.to_bytes(), seq)))
    shutil.copytree(copy, dead.state, dirs_exist_ok=True)
    (dead.state / f"{DATABASE_NAME}-wal").unlink(missing_ok=True)
    facts = told_of(dead, tmp_path / "e")
    assert (facts["doubtful"], facts["missing"]) == (1, [])
    dead.bring(tmp_path / "e")
    assert sorted(dead.replay()) == [False, True, True]
    assert (lacks(dead), dead.holes()) == ([seq], [(seq, seq)])


def test_a_file_of_salvage_is_refused_where_the_operator_does_not_say_that_it_is_one(
    dead: Dead, tmp_path: Path
) -> None:
    spoilt = dead.checkpoints()[3] + 5
    dead.spoil(spoilt)
    told_of(dead, tmp_path / "e")
    with pytest.raises(PlatformError, match="were not taken"):
        dead.bring(tmp_path / "e", salvaged=False)


def test_the_import_says_what_it_put_aside_and_is_told_no_second_time(dead: Dead, tmp_path: Path) -> None:
    assert onecard("salvage", dead.disk, "--to", tmp_path / "e").returncode == 0
    arguments = ("import", "--salvaged", "--terminal", TERMINAL, tmp_path / "e")
    for _ in range(2):
        done = dead.command(*arguments)
        assert (done.exit_code, "no checkpoint proves them" in done.stdout) == (1, True)
    facts = dead.command(*arguments, "--json")
    assert json.loads(facts.stdout)["aside"][0]["kept"] is True
    with closing(dead.store()) as store, store.transaction() as transaction:
        assert [row.times for row in letters(transaction)] == [3]
        (letter,) = letters(transaction)
    shown = dead.command("dead-letters", "show", letter.id).stdout
    assert f"{len(dead.records)} · " in shown, "whoever vouches for records reads them first"
    replayed = dead.command("dead-letters", "replay", "--all")
    assert (replayed.exit_code, "0 taken" in replayed.stdout) == (0, True), "nobody has vouched for them by name"
    assert lacks(dead)
    count = len(lacks(dead))
    assert f"1 taken ({count} new record" in dead.command("dead-letters", "replay", letter.id[:8]).output


def test_where_nothing_is_proven_all_is_put_aside_and_that_is_no_error(dead: Dead, tmp_path: Path) -> None:
    last = dead.checkpoints()[-1]
    whole, file = tmp_path / "e", tmp_path / "rest"
    told = CliRunner().invoke(salvage_command, [str(dead.disk), "--to", str(whole)])
    assert told.exit_code == 0
    with whole.open("rb") as stream:
        batches = [JournalBatch.decode(part) for part in parts(stream, MAX_PART_BYTES)]
    rest = [each for batch in batches for seq, each in enumerate(batch.records, batch.first_seq) if seq > last]
    batch = JournalBatch(chain_id=dead.chain_id, first_seq=last + 1, records=tuple(rest))
    file.write_bytes(cbor2.dumps(batch.encode()))
    done = dead.command("import", "--salvaged", "--terminal", TERMINAL, file)
    assert (done.exit_code, done.stderr) == (3, "")
    assert "none is taken, and all wait for a person" in done.stdout
    assert "dead-letters replay ID" in done.stdout
    facts = json.loads(dead.command("import", "--salvaged", "--terminal", TERMINAL, file, "--json").stdout)
    assert (facts["committed"], facts["whole"], [each["kept"] for each in facts["aside"]]) == (0, False, [True])


def test_whatever_is_spoilt_on_the_disk_what_sqlite_can_read_is_saved(dead: Dead, tmp_path: Path) -> None:
    sound = {path: path.read_bytes() for path in dead.state.glob(f"{DATABASE_NAME}*")}
    states: set[State] = set()
    for seed in range(8):
        for path, content in sound.items():
            path.write_bytes(content)
        damage(dead, random.Random(seed))
        place = tmp_path / str(seed)
        place.mkdir()
        states.add(save(dead, place).state)
        kept = {record.entry.id for record in _written(place / "e")}
        assert _readable(dead, place / "look") <= kept, seed
    assert State.SAVED in states


@pytest.mark.parametrize("page_bytes", [PAGE_BYTES, 4_096])
def test_records_are_found_on_their_pages_where_the_table_that_leads_to_them_is_gone(
    dead: Dead, tmp_path: Path, page_bytes: int
) -> None:
    path = dead.state / DATABASE_NAME
    (dead.state / f"{DATABASE_NAME}-wal").unlink()
    with closing(sqlite3.connect(path, isolation_level=None)) as journal:
        journal.execute("PRAGMA journal_mode = DELETE")
        journal.execute(f"PRAGMA page_size = {page_bytes}")
        journal.execute("VACUUM")
        (root,) = journal.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'record'").fetchone()
    for name in (f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-shm"):
        (dead.state / name).unlink(missing_ok=True)
    with path.open("r+b") as file:
        file.seek((root - 1) * page_bytes)
        file.write(b"\xa5" * page_bytes)
    assert not _readable(dead, tmp_path / "look")
    saved = save(dead, tmp_path)
    assert saved.state is State.SAVED
    assert {record.seq for record in _written(tmp_path / "e")} >= set(range(BEFORE + 20, 500))


def test_one_record_that_seems_to_be_of_another_suite_takes_no_other_along(dead: Dead, tmp_path: Path) -> None:
    seq = dead.checkpoints()[3] + 5
    later = cbor2.loads(dead.records[seq - 1].to_bytes()) | {0: 2}
    copy = dead.disk.parent / "later"
    shutil.copytree(dead.state, copy)
    spoil(copy, ("UPDATE record SET body = ? WHERE place = ?", (cbor2.dumps(later, canonical=True), seq)))
    shutil.copytree(copy, dead.state, dirs_exist_ok=True)
    (dead.state / f"{DATABASE_NAME}-wal").unlink(missing_ok=True)
    facts = told_of(dead, tmp_path / "e")
    assert facts["missing"] == [{"chain": dead.chain_id.hex(), "first": seq, "last": seq}]


def test_openings_of_which_there_is_only_a_count_are_told(dead: Dead, tmp_path: Path) -> None:
    file = InPlace(dead.state / UNRECORDED_FILE, HALF_BYTES)
    assert file.make()
    tally = Tally(b"r" * 16, "gate", 1_000, 2_000).opened(3)
    file.write(Held(b"e" * 16, {"gate-1": tally}).to_bytes(file.room_bytes, lambda: b"n" * 16))
    done = onecard("salvage", dead.disk, "--to", tmp_path / "e")
    assert "openings that were only counted: 3" in done.stdout
    (tmp_path / "e").unlink()
    assert save(dead, tmp_path).openings == 3


_FOR_EVER = "WITH RECURSIVE each(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM each) SELECT n AS place, x'00' AS body"


@pytest.mark.parametrize(
    "schema",
    [
        f"CREATE VIEW record AS {_FOR_EVER} FROM each WHERE n < 0",
        "CREATE TABLE record (place INTEGER PRIMARY KEY, body BLOB AS (zeroblob(900000000)))",
    ],
)
def test_a_hostile_database_neither_goes_on_for_ever_nor_fills_the_memory(tmp_path: Path, schema: str) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    with closing(sqlite3.connect(copy / DATABASE_NAME)) as journal:
        journal.execute("CREATE TABLE chain (base, chain_id, acked_seq, acked_hash)")
        journal.execute(schema)
        if "TABLE" in schema:
            journal.execute("INSERT INTO record (place) VALUES (1)")
        journal.commit()
    assert salvage(copy, tmp_path / "e").records == 0
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize("acked_seq", [BEFORE + 200, 1 << 40])
def test_a_mark_of_what_the_platform_has_that_is_not_proved_hides_no_record(
    dead: Dead, tmp_path: Path, acked_seq: int
) -> None:
    copy = dead.disk.parent / "marked"
    shutil.copytree(dead.state, copy)
    spoil(copy, ("UPDATE chain SET acked_seq = ?", (acked_seq,)))
    shutil.copytree(copy, dead.state, dirs_exist_ok=True)
    (dead.state / f"{DATABASE_NAME}-wal").unlink(missing_ok=True)
    done = onecard("salvage", dead.disk, "--to", tmp_path / "e", "--json")
    assert {record.seq for record in _written(tmp_path / "e")} == {record.seq for record in dead.records}
    assert json.loads(done.stdout)["missing"] == []


def damage(dead: Dead, dice: random.Random) -> None:
    """Spoil up to three places of database and log, but for the header without which SQLite reads nothing."""
    for _ in range(dice.randint(1, 3)):
        path = dead.state / dice.choice((DATABASE_NAME, DATABASE_NAME, f"{DATABASE_NAME}-wal"))
        length = dice.choice((1, 16, 512, PAGE_BYTES, 3 * PAGE_BYTES))
        offset = dice.randrange(PAGE_BYTES, path.stat().st_size - length)
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(dice.randbytes(length))


def save(dead: Dead, place: Path) -> Salvaged:
    """Into the file ``e`` there."""
    (place / "copy").mkdir()
    take_copy(dead.state, place / "copy")
    return salvage(place / "copy", place / "e")


def _written(file: Path) -> list[Record]:
    if not file.exists():
        return []
    with file.open("rb") as stream:
        bodies = [body for part in parts(stream, MAX_PART_BYTES) for body in JournalBatch.decode(part).records]
    return [Record.from_bytes(body) for body in bodies]


def _readable(dead: Dead, directory: Path) -> set[bytes]:
    """The ids of those records that the platform lacks and SQLite finds unaltered, each looked up by itself."""
    directory.mkdir()
    for path in dead.state.glob(f"{DATABASE_NAME}*"):
        shutil.copyfile(path, directory / path.name)
    found: set[bytes] = set()
    with closing(sqlite3.connect(directory / DATABASE_NAME)) as connection:
        for record in dead.records[BEFORE + 10 :]:
            with suppress(sqlite3.Error):
                row = connection.execute("SELECT body FROM record WHERE place = ?", (record.seq,)).fetchone()
                if row is not None and row[0] == record.to_bytes():
                    found.add(record.entry.id)
    return found


def test_where_nothing_is_left_it_says_so_and_writes_nothing(dead: Dead, tmp_path: Path) -> None:
    (dead.state / DATABASE_NAME).write_bytes(b"\xa5" * 40_960)
    (dead.state / f"{DATABASE_NAME}-wal").unlink()
    done = onecard("salvage", dead.disk, "--to", tmp_path / "e")
    assert (done.returncode, "no file is written" in done.stdout) == (4, True)
    empty = tmp_path / "empty"
    empty.mkdir()
    told = CliRunner().invoke(salvage_command, [str(empty), "--to", str(tmp_path / "e")])
    assert (told.exit_code, "holds no journal" in told.stderr) == (3, True)
    with pytest.raises(StickError, match="holds no journal"):
        find(empty)
    assert not (tmp_path / "e").exists()


def test_nothing_is_written_to_the_disk_or_over_a_file_even_if_asked(dead: Dead, tmp_path: Path) -> None:
    before = listing(dead.disk)
    done = onecard("salvage", dead.disk, "--to", dead.disk / "e")
    assert (done.returncode, "only to be read" in done.stderr) == (2, True)
    assert listing(dead.disk) == before
    (tmp_path / "other").write_text("mine")
    done = onecard("salvage", dead.disk, "--to", tmp_path / "other", lang="zh")
    assert (done.returncode, "已存在" in done.stderr, (tmp_path / "other").read_text()) == (2, True, "mine")


def test_a_disk_is_hostile_links_pipes_and_depths_lead_nowhere(dead: Dead, tmp_path: Path) -> None:
    other = tmp_path / "other"
    deep = other.joinpath(*"abcdefghijk"[: MAX_DEPTH + 1])
    deep.mkdir(parents=True)
    (deep / DATABASE_NAME).touch()
    (other / "link").symlink_to(dead.state)
    with pytest.raises(StickError, match="holds no journal"):
        find(other)
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    os.mkfifo(hostile / DATABASE_NAME)
    with pytest.raises(StickError, match="no plain file"):
        take_copy(hostile, tmp_path)
    (hostile / DATABASE_NAME).unlink()
    (hostile / DATABASE_NAME).symlink_to(dead.state / DATABASE_NAME)
    with pytest.raises(StickError, match="symbolic link"):
        take_copy(hostile, tmp_path)
    shutil.copytree(dead.state, dead.state / "damaged-1")
    assert find(dead.disk) == dead.state, "what a rescue put aside has been carried on"
    shutil.copytree(dead.state, dead.disk / "second")
    with pytest.raises(StickError, match="holds 2 journals"):
        find(dead.disk)
    (dead.disk / "second").rename(dead.disk / os.fsdecode(b"\x1b[2J\xff"))
    with pytest.raises(StickError, match=r"one: \?\[2J\?, ") as error:
        find(dead.disk)
    assert error.value.zh.isprintable()
