"""Appends until it is killed, and says each record's number and the moment once it is said to be durable.

``python -m tests.faults.endless_writer journal DIR``: our journal. ``… raw DIR``: a bare SQLite that never syncs.
"""

from __future__ import annotations

import itertools
import sqlite3
import sys
import time
from pathlib import Path

from agent.clock import SystemClock, SystemRandom
from offline_store.journal import Append, Journal
from offline_store.writer import Writer
from tests.offline_store.parts import BOOT_ID, entry


def say(number: int) -> None:
    """One line, at once: the number, and CLOCK_MONOTONIC in nanoseconds."""
    sys.stdout.write(f"{number} {time.monotonic_ns()}\n")
    sys.stdout.flush()


def journal(directory: Path) -> None:
    """Our journal behind its writer."""
    writer = Writer(Journal.open(directory, BOOT_ID, clock=SystemClock(), random=SystemRandom()))
    for number in itertools.count(1):
        saves = {"lane/north": number.to_bytes(8, "big")}
        appended = writer.submit(Append((entry(number),), saves)).result()
        say(appended.records[0].seq)


def raw(directory: Path) -> None:
    """What would be lost without a sync."""
    connection = sqlite3.connect(directory / "raw.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("CREATE TABLE record (seq INTEGER PRIMARY KEY)")
    for number in itertools.count(1):
        connection.execute("INSERT INTO record VALUES (?)", (number,))
        say(number)


if __name__ == "__main__":
    {"journal": journal, "raw": raw}[sys.argv[1]](Path(sys.argv[2]))
