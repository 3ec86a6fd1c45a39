"""The power goes in the middle of appends: what was said to be durable is there, and the chain is whole."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from offline_store.database import DATABASE_NAME
from offline_store.journal import Journal
from tests.faults import ROUNDS, SEED
from tests.faults.power import CuttableDisk
from tests.offline_store.parts import BOOT_ID, SeededRandom, SteppingClock, fill

ROOT = Path(__file__).parents[2]
MAX_APPENDS = 200


def written_until_the_cut(disk: CuttableDisk, what: str, appends: int) -> int:
    """Let a writer work and cut the power after so many appends; the last number that it said to be durable by then.

    What it says later does not count. A sync that is under way when ext4 is shut down may come back as done though it
    is not: of 400 cuts under a bare ``fdatasync`` loop 7 lost such a last write, and none an earlier one.
    """
    command = [sys.executable, "-P", "-m", "tests.faults.endless_writer", what, str(disk.root / what)]
    (disk.root / what).mkdir(exist_ok=True)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(appends)]
        cut_ns = time.monotonic_ns()
        disk.cut()
        writer.kill()
        said += writer.stdout.read().split("\n")[:-1]
    disk.come_back()
    moments = [tuple(map(int, line.split())) for line in said]
    return max(number for number, said_ns in moments if said_ns < cut_ns)


def test_what_was_said_to_be_durable_survives_a_power_cut(disk: CuttableDisk) -> None:
    dice = random.Random(SEED)
    for _ in range(ROUNDS):
        durable = written_until_the_cut(disk, "journal", dice.randint(1, MAX_APPENDS))
        journal = Journal.open(disk.root / "journal", BOOT_ID, clock=SteppingClock(), random=SeededRandom(1))
        with closing(journal):
            assert journal.head.seq >= durable
            assert journal.verify().broken is None
            # State and record are one commit: record 1 is the genesis, record n + 1 saved the n.
            saved = int.from_bytes(journal.load_saved()["lane/north"], "big")
            assert saved + 1 == journal.head.seq
            assert fill(journal, 1, first=10**6)[0].seq == saved + 2
        for name in (DATABASE_NAME, f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-shm"):
            (disk.root / "journal" / name).unlink(missing_ok=True)  # the next round begins anew


def test_the_cut_is_real_a_database_that_never_syncs_loses_what_it_said(disk: CuttableDisk) -> None:
    said = written_until_the_cut(disk, "raw", MAX_APPENDS)
    connection = sqlite3.connect(disk.root / "raw" / "raw.db")
    try:
        kept = connection.execute("SELECT count(*) FROM record").fetchone()[0]
    except sqlite3.Error:
        kept = 0
    finally:
        connection.close()
    assert kept < said
