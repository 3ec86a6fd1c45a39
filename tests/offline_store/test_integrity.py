"""What SQLite finds wrong with a file, beside its writer and for whoever mends it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from offline_store.database import DATABASE_NAME
from offline_store.integrity import look
from offline_store.journal import Journal
from tests.offline_store.parts import BOOT_ID, SeededRandom, SteppingClock, fill


def test_each_fault_is_one_line_and_none_is_merely_the_databases_name(tmp_path: Path) -> None:
    with closing(Journal.open(tmp_path, BOOT_ID, clock=SteppingClock(), random=SeededRandom(1))) as journal:
        for first in range(1, 500, 100):
            fill(journal, 100, first=first)
    file = tmp_path / DATABASE_NAME
    content = bytearray(file.read_bytes())
    assert look(tmp_path, float("inf")).faults == ()
    page_bytes = int.from_bytes(content[16:18], "big")
    with closing(sqlite3.connect(file)) as connection:
        roots = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE type = 'index' AND rootpage > 0"
        ).fetchall()
    for (page,) in roots:
        begin = (page - 1) * page_bytes
        content[begin : begin + page_bytes] = b"\xa5" * page_bytes
    file.write_bytes(content)
    found = look(tmp_path, float("inf"))
    assert len(found.faults) == 5, "so many are enough to know"
    assert not [fault for fault in found.faults if "\n" in fault or "in database" in fault]
    assert "btreeInitPage() returns error code 11" in found.faults[0]
