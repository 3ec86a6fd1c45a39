"""Retention: what may leave does, and what remains can still be proved."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from offline_store.database import DATABASE_NAME
from offline_store.journal import Append, Journal
from offline_store.outbox import Outbox
from offline_store.pruning import PORTION
from offline_store.upkeep import Upkeep
from offline_store.verify import Break, Fault, Verdict
from offline_store.writer import Writer
from tests.offline_store.parts import START_MS, entry, fill, spoil

EVERYTHING_IS_OLD = START_MS + 10**9
WAIT_S = 20.0


def acknowledge(journal: Journal, seq: int) -> None:
    record = journal.append([Append((entry(seq - 1),))])[0].records[0]
    assert record.seq == seq
    journal.acknowledge(journal.head.chain_id, seq, record.hash)


def prune_all(journal: Journal, kept_since_ms: int = EVERYTHING_IS_OLD) -> int:
    total = 0
    while pruned := journal.prune(kept_since_ms):
        total += pruned
    return total


def test_what_the_platform_lacks_stays_whatever_its_age(journal: Journal) -> None:
    fill(journal, 50)
    assert prune_all(journal) == 0
    assert journal.verify() == Verdict(51)


def test_what_the_platform_has_leaves_when_its_time_is_over(journal: Journal) -> None:
    fill(journal, 50)
    acknowledge(journal, 52)
    assert prune_all(journal, START_MS + 21) == 21
    assert journal.verify().broken is None


def test_the_last_record_stays_so_that_the_next_one_continues_it(
    journal: Journal, open_journal: Callable[[], Journal]
) -> None:
    fill(journal, 3)
    acknowledge(journal, 5)
    assert prune_all(journal) == 4
    again = open_journal()
    assert again.head.seq == 5
    assert fill(again, 1, first=100)[0].seq == 6
    assert again.verify() == Verdict(2)


def test_a_portion_at_a_time(journal: Journal) -> None:
    fill(journal, 2 * PORTION)
    acknowledge(journal, 2 * PORTION + 2)
    assert [journal.prune(EVERYTHING_IS_OLD) for _ in range(4)] == [PORTION, PORTION, 1, 0]


def test_the_anchor_proves_what_remains(journal: Journal, directory: Path) -> None:
    fill(journal, 20)
    acknowledge(journal, 22)
    assert prune_all(journal, START_MS + 11) > 0
    chain_id = journal.head.chain_id
    journal.close()
    spoil(directory, "UPDATE chain SET anchor_hash = zeroblob(32)")
    outbox = Outbox.open(directory)
    try:
        first = outbox.position().first_retained
        assert outbox.verify() == Verdict(0, Break(chain_id, first, Fault.ALTERED))
    finally:
        outbox.close()


def test_a_record_that_is_taken_away_after_pruning_is_named(journal: Journal, directory: Path) -> None:
    fill(journal, 20)
    acknowledge(journal, 22)
    prune_all(journal, START_MS + 11)
    chain_id = journal.head.chain_id
    journal.close()
    spoil(directory, "DELETE FROM record WHERE place = 15")
    outbox = Outbox.open(directory)
    try:
        broken = outbox.verify().broken
        assert broken == Break(chain_id, 15, Fault.MISSING)
    finally:
        outbox.close()


def test_the_outbox_goes_on_from_what_remains(journal: Journal, directory: Path) -> None:
    fill(journal, 10)
    acknowledge(journal, 12)
    records = fill(journal, 5, first=100)
    prune_all(journal)
    outbox = Outbox.open(directory)
    try:
        position = outbox.position()
        assert (position.first_retained, position.acked_seq, position.head_seq) == (13, 12, 17)
        assert outbox.batch(12, 100, 10**6) == [record.to_bytes() for record in records]
    finally:
        outbox.close()


@pytest.mark.parametrize("more_bytes", [0, 1_400], ids=["passages", "sealed sales"])
def test_the_file_gives_its_pages_back(journal: Journal, directory: Path, more_bytes: int) -> None:
    for number in range(1, 4 * PORTION + 1, PORTION):
        each = [entry(number + each, public={"evidence": bytes(more_bytes)}) for each in range(PORTION)]
        journal.append([Append(tuple(each))])
    acknowledge(journal, 4 * PORTION + 2)
    journal.log.checkpoint()
    before = (directory / DATABASE_NAME).stat().st_size
    prune_all(journal)
    journal.log.checkpoint()
    assert (directory / DATABASE_NAME).stat().st_size < before / 4


@pytest.mark.parametrize("seed", range(6))
def test_pruning_between_appends_and_acknowledgements_keeps_the_chain_whole(
    open_journal: Callable[[], Journal], seed: int
) -> None:
    dice = random.Random(seed)
    journal = open_journal()
    number = 1
    for _ in range(60):
        match dice.randrange(4):
            case 0 | 1:
                records = fill(journal, dice.randint(1, 40), first=number)
                number += len(records)
                if dice.random() < 0.6:
                    sent = dice.choice(records)
                    journal.acknowledge(journal.head.chain_id, sent.seq, sent.hash)
            case 2:
                journal.prune(START_MS + dice.randrange(number + 1))
            case _:
                journal = open_journal()
        assert journal.verify().broken is None


def test_the_writer_prunes_in_quiet_moments(journal: Journal, directory: Path) -> None:
    fill(journal, 10)
    acknowledge(journal, 12)
    writer = Writer(journal, kept_since=lambda: EVERYTHING_IS_OLD)
    outbox = Outbox.open(directory)
    try:
        deadline_s = time.monotonic() + WAIT_S
        while outbox.position().first_retained != 12 and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert outbox.position().first_retained == 12
    finally:
        outbox.close()
        assert writer.close(WAIT_S)


def test_upkeep_waits_a_minute_unless_there_is_more_than_a_portion(journal: Journal) -> None:
    fill(journal, PORTION + 10)
    acknowledge(journal, PORTION + 12)
    upkeep = Upkeep(journal, lambda: EVERYTHING_IS_OLD)
    upkeep.do()
    assert upkeep.due_in_s() < 1
    upkeep.do()
    assert upkeep.due_in_s() > 50
    assert journal.verify() == Verdict(1)
