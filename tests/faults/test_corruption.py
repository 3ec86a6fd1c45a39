"""Bytes flip in database, log and index of a terminal, running or dead: it serves on, and nothing waits for ever."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from offline_store.aside import MAX_ASIDE
from offline_store.database import DATABASE_NAME, PAGE_BYTES
from tests.faults import ROUNDS, SEED, SHORT_ROUNDS
from tests.faults.site import City, FaultySite, city, faulty_gate, has_arrived, is_drained, tap, wait_until

PARTS = (DATABASE_NAME, f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-shm")
RESCUED = {"journal-rescued", "not-recorded", "state-lost", "chain-replaced"}
CUT = {"fork", "chain-forked", "rolled-back", "answer-refused"}
"""Behind a frame of the log that was spoilt SQLite reads no further: what was committed after it is gone."""
TAPS = 4


def flip(state_dir: Path, dice: random.Random) -> str:
    """Spoil one place of one file, from a single byte to a few pages; what was done."""
    path = state_dir / dice.choice([part for part in PARTS if (state_dir / part).exists()])
    size_bytes = path.stat().st_size
    length = min(dice.choice((1, 16, 512, PAGE_BYTES, 3 * PAGE_BYTES)), size_bytes)
    offset = dice.randrange(size_bytes - length + 1) if size_bytes else 0
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(dice.randbytes(length))
    return f"{path.name} at {offset}, {length} bytes of {size_bytes}"


def platform_holds(running: City) -> set[bytes]:
    """The ids of all records that it has, those within others included; each of its chains is whole."""
    with running.store() as store, store.transaction() as transaction:
        ids: set[bytes] = set()
        for chain in transaction.chains():
            rows = list(transaction.records(chain.chain_id))
            assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
            ids |= {row.id for row in rows} | {row.refers_to for row in rows if row.refers_to}
    return ids


@pytest.fixture
def running(tmp_path: Path) -> Iterator[City]:
    with city(tmp_path) as running:
        yield running


def tapped(site: FaultySite, count: int) -> set[str]:
    """People pass; the tails of the ids of what was decided, as the log has them."""
    first = len(site.terminal.lines)
    for _ in range(count):
        wait_until(lambda: tap(site), "the gate works")
    return {str(line["tap"]) for line in site.terminal.lines[first:] if line.get("event") == "decision"}


@pytest.mark.timeout(120 + 30 * ROUNDS)
def test_whatever_flips_the_lane_works_on_and_the_platform_gets_what_is_decided(tmp_path: Path, running: City) -> None:
    dice = random.Random(SEED)
    with faulty_gate(tmp_path, running) as site:
        for _ in range(ROUNDS if ROUNDS > SHORT_ROUNDS else 4):
            before = tapped(site, TAPS)
            wait_until(lambda: has_arrived(site, running), "the platform has what was decided")
            is_running = dice.random() < 0.5
            site.kill()
            if is_running:  # a fresh one: the same agent begins a new chain but once an hour
                site.start()
                site.expect("ready")
            what = flip(site.state_dir, dice)
            if not is_running:
                site.start()
                site.expect("ready")
            tapped(site, TAPS)
            wait_until(lambda: has_arrived(site, running), f"the platform has everything after {what}")
            assert {tail.hex() for tail in (key[-4:] for key in platform_holds(running))} >= before, what
            assert running.alarms() <= RESCUED | CUT | {"clock-untrusted"}, what
        wait_until(lambda: is_drained(site), "the terminal knows that the platform has everything")
        rescued = [line for line in site.terminal.lines if line.get("event") == "journal rescued"]
        kept = list(site.state_dir.glob(f"damaged-*/{DATABASE_NAME}"))
        assert len(kept) <= MAX_ASIDE
        assert len(kept) >= min(len(rescued), MAX_ASIDE)
