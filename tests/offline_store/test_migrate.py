"""Schema files: forward only, each whole or not at all."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

import offline_store
from offline_store.database import DATABASE_NAME
from offline_store.errors import DiskFull, MigrationFailed, NewerSchema
from offline_store.journal import Append, Journal, Restored
from offline_store.marks import Mark
from offline_store.migrate import migrate
from tests.offline_store.parts import BOOT_ID, START_MS, SeededRandom, SteppingClock, entry, fill, spoil

SCHEMA = Path(offline_store.__file__).parent / "schema"
NEWEST = len(list(SCHEMA.glob("*.sql")))
NEXT_BAD = f"{NEWEST + 1:04d}_bad.sql"
BAD = "CREATE TABLE half (x INTEGER);\nALTER TABLE record ADD COLUMN extra TEXT;\nINSERT INTO nowhere VALUES (1);\n"


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    """A private copy of the schema directory."""
    copy = tmp_path / "schema"
    copy.mkdir()
    for file in SCHEMA.glob("*.sql"):
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "plain.db", isolation_level=None)
    yield connection
    connection.close()


def open_with(directory: Path, schema: Path) -> Journal:
    return Journal.open(directory, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1), schema=schema)


def test_an_empty_file_becomes_the_newest_schema(connection: sqlite3.Connection) -> None:
    assert migrate(connection) == NEWEST
    database = Database(connection)
    assert set(database.table_names()) == {"chain", "record", "saved", "mark", "bundle", "loan"}
    assert set(database.view_names()) == {"journal", "chain_span", "sending"}
    assert database.table("record").pks == ["place"]


def test_a_failing_migration_leaves_the_old_file_usable(directory: Path, schema: Path) -> None:
    journal = open_with(directory, schema)
    fill(journal, 3)
    head = journal.head
    journal.close()
    (schema / NEXT_BAD).write_text(BAD, encoding="utf-8")
    with pytest.raises(MigrationFailed, match=NEXT_BAD) as caught:
        open_with(directory, schema)
    assert f"as before, at schema {NEWEST}" in str(caught.value)
    (schema / NEXT_BAD).unlink()
    again = open_with(directory, schema)
    try:
        assert again.head == head
        assert fill(again, 1, first=9)[0].seq == 5
        assert again.verify().broken is None
    finally:
        again.close()
    with Database(directory / DATABASE_NAME) as database:
        assert "half" not in database.table_names()


def test_a_good_migration_keeps_the_chain(directory: Path, schema: Path) -> None:
    journal = open_with(directory, schema)
    fill(journal, 3)
    journal.close()
    (schema / f"{NEWEST + 1:04d}_more.sql").write_text("ALTER TABLE chain ADD COLUMN note TEXT;\n", encoding="utf-8")
    again = open_with(directory, schema)
    try:
        assert fill(again, 1, first=9)[0].seq == 5
        assert again.verify().broken is None
    finally:
        again.close()


def test_a_journal_of_large_pages_and_the_schema_before_goes_on_with_all_it_has(directory: Path, schema: Path) -> None:
    directory.mkdir(mode=0o700)
    with closing(sqlite3.connect(directory / DATABASE_NAME)) as old:
        old.execute("PRAGMA page_size = 4096")
        old.execute("PRAGMA auto_vacuum = INCREMENTAL")
        old.execute("PRAGMA journal_mode = WAL")
    newest = (schema / "0005_fewer_pages.sql").rename(schema.parent / "0005_fewer_pages.sql")
    journal = open_with(directory, schema)
    mark = Mark("gate.in", b"medium", 1, START_MS)
    journal.append([Append((entry(1),), {"lane/gate-1/gate": b"open"}, (mark,))])
    head = journal.head
    journal.close()
    newest.rename(schema / newest.name)
    again = Journal.open(
        directory, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1), schema=schema, size_limit_bytes=256 * 1024
    )
    try:
        assert again.head == head
        assert again.restore(START_MS) == Restored({"lane/gate-1/gate": b"open"}, [mark])
        with pytest.raises(DiskFull):
            _fill_one_by_one(again, 2_000)
        assert again.head.place > 300
        assert again.verify().broken is None
    finally:
        again.close()
    with closing(sqlite3.connect(directory / DATABASE_NAME)) as database:
        assert database.execute("PRAGMA page_size").fetchone() == (4096,)
        assert database.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'mark_by_end'").fetchone() == (0,)
    assert (directory / DATABASE_NAME).stat().st_size <= 256 * 1024


def _fill_one_by_one(journal: Journal, count: int) -> None:
    for number in range(2, count):
        fill(journal, 1, number)


def test_a_newer_schema_is_refused_and_left_untouched(directory: Path, schema: Path) -> None:
    open_with(directory, schema).close()
    spoil(directory, "PRAGMA user_version = 7")
    before = (directory / DATABASE_NAME).read_bytes()
    with pytest.raises(NewerSchema, match=f"has schema 7, this software knows up to {NEWEST}"):
        open_with(directory, schema)
    assert (directory / DATABASE_NAME).read_bytes() == before


@pytest.mark.parametrize("name", [f"{NEWEST + 2:04d}_gap.sql", "0002_twice.sql", "three.sql"])
def test_a_schema_directory_out_of_order_is_refused(connection: sqlite3.Connection, schema: Path, name: str) -> None:
    (schema / name).write_text("", encoding="utf-8")
    with pytest.raises(MigrationFailed, match="belongs here"):
        migrate(connection, schema)


def test_another_sqlite_library_is_refused(tmp_path: Path) -> None:
    """sqlite-utils would silently prefer pysqlite3; a process with two SQLite libraries loses its locks."""
    package = tmp_path / "pysqlite3"
    package.mkdir()
    (package / "__init__.py").write_text("from sqlite3 import *\nConnection = object\n", encoding="utf-8")
    (package / "dbapi2.py").write_text("from sqlite3.dbapi2 import *\n", encoding="utf-8")
    program = (
        "import sys; sys.path[:0] = sys.argv[1:]; import sqlite3; from offline_store.migrate import migrate;"
        "migrate(sqlite3.connect(':memory:'))"
    )
    command = [sys.executable, "-c", program, str(tmp_path), str(Path(offline_store.__file__).parents[1])]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert "one SQLite library a process" in result.stderr
