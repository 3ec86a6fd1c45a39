"""Verification names the first altered, missing, swapped or inserted record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cbor2
import pytest

from offline_store.journal import Journal
from offline_store.outbox import Outbox
from offline_store.record import Record
from offline_store.verify import Break, Fault, Verdict
from tests.offline_store.parts import Statement, fill, spoil

SWAP = "UPDATE record SET body = (SELECT body FROM record WHERE place = {}) WHERE place = {}"


def verdict_after(journal: Journal, directory: Path, *statements: Statement) -> Verdict:
    """Close the journal, alter its file, and verify it beside no agent."""
    journal.close()
    spoil(directory, *statements)
    outbox = Outbox.open(directory)
    try:
        return outbox.verify()
    finally:
        outbox.close()


def altered(record: Record) -> Statement:
    """SQL that puts a well-formed record with another reason in the record's place."""
    body = replace(record, entry=replace(record.entry, reason="refused")).to_bytes()
    return "UPDATE record SET body = ?, reason = 'refused' WHERE place = ?", (body, record.seq)


def test_a_whole_chain_is_whole(journal: Journal) -> None:
    fill(journal, 1200)
    assert journal.verify() == Verdict(1201)


@pytest.mark.parametrize(
    ("statements", "seq", "fault"),
    [
        pytest.param(["DELETE FROM record WHERE place = 5"], 5, Fault.MISSING, id="one deleted"),
        pytest.param(["DELETE FROM record WHERE place = 1"], 1, Fault.MISSING, id="genesis deleted"),
        pytest.param(["DELETE FROM record WHERE place BETWEEN 5 AND 8"], 5, Fault.MISSING, id="several deleted"),
        pytest.param(["UPDATE record SET body = x'00' WHERE place = 5"], 5, Fault.ALTERED, id="unreadable"),
        pytest.param(["UPDATE record SET reason = 'x' WHERE place = 5"], 5, Fault.ALTERED, id="a column alone"),
        pytest.param([SWAP.format(6, 5)], 5, Fault.MISPLACED, id="another record in its place"),
        pytest.param(["UPDATE chain SET chain_id = zeroblob(16)"], 1, Fault.ALTERED, id="another chain's genesis"),
        pytest.param(
            [
                "UPDATE record SET place = 99 WHERE place = 5",
                "UPDATE record SET place = 5 WHERE place = 6",
                "UPDATE record SET place = 6 WHERE place = 99",
            ],
            5,
            Fault.MISPLACED,
            id="two swapped",
        ),
    ],
)
def test_the_first_record_at_fault_is_named(
    journal: Journal, directory: Path, statements: list[str], seq: int, fault: Fault
) -> None:
    fill(journal, 10)
    chain_id = bytes(16) if "chain_id" in statements[0] else journal.head.chain_id
    verdict = verdict_after(journal, directory, *statements)
    assert verdict == Verdict(seq - 1, Break(chain_id, seq, fault))


@pytest.mark.parametrize("seq", [2, 5, 9, 10])
def test_a_well_formed_forgery_is_named_itself_and_not_its_neighbour(
    journal: Journal, directory: Path, seq: int
) -> None:
    records = fill(journal, 10)
    chain_id = journal.head.chain_id
    verdict = verdict_after(journal, directory, altered(records[seq - 2]))
    assert verdict.broken == Break(chain_id, seq, Fault.ALTERED)


MAKE_ROOM = (
    "UPDATE record SET place = -place WHERE place >= {0}",
    "UPDATE record SET place = 1 - place WHERE place < 0",
)
INSERT = "INSERT INTO record (place, id, kind, lane, reason, time_ms, body) VALUES (?, ?, ?, ?, ?, ?, ?)"


def inserted(record: Record, place: int) -> list[Statement]:
    """SQL that moves what stands at the place and behind it by one, and puts the record there."""
    room: list[Statement] = [statement.format(place) for statement in MAKE_ROOM]
    entry = record.entry
    values = (place, entry.id, entry.kind, entry.lane, entry.reason, entry.time_ms, record.to_bytes())
    return [*room, (INSERT, values)]


@pytest.mark.parametrize("place", [*range(2, 12), 600])
@pytest.mark.parametrize("behind", [False, True], ids=["before the true one", "behind the true one"])
def test_a_forgery_between_two_records_is_named_itself_and_not_its_neighbour(
    journal: Journal, directory: Path, place: int, *, behind: bool
) -> None:
    """It names the hash of the one before, as the true record of its number does; the next one tells them apart."""
    records = fill(journal, 700)
    chain_id, true = journal.head.chain_id, records[place - 2]
    forged = replace(true, entry=replace(true.entry, id=records[-1].entry.id[:-1] + b"x"))
    there = place + behind
    verdict = verdict_after(journal, directory, *inserted(forged, there))
    assert verdict == Verdict(there - 1, Break(chain_id, there, Fault.INSERTED))


def test_a_copy_of_a_record_anywhere_in_the_chain_is_named_itself(journal: Journal, directory: Path) -> None:
    records = fill(journal, 10)
    chain_id = journal.head.chain_id
    copy = replace(records[1], entry=replace(records[1].entry, id=records[1].entry.id[:-1] + b"x"))
    verdict = verdict_after(journal, directory, *inserted(copy, 7))
    assert verdict == Verdict(6, Break(chain_id, 7, Fault.MISPLACED))


def test_a_last_record_that_the_platform_has_cannot_be_forged(journal: Journal, directory: Path) -> None:
    last = fill(journal, 10)[-1]
    journal.acknowledge(journal.head.chain_id, last.seq, last.hash)
    chain_id = journal.head.chain_id
    assert verdict_after(journal, directory, altered(last)).broken == Break(chain_id, 11, Fault.ALTERED)


def test_an_end_cut_off_behind_the_acknowledgement_is_missing(
    open_journal: Callable[[], Journal], directory: Path
) -> None:
    journal = open_journal()
    last = fill(journal, 10)[-1]
    journal.acknowledge(journal.head.chain_id, last.seq, last.hash)
    chain_id = journal.head.chain_id
    verdict = verdict_after(journal, directory, "DELETE FROM record WHERE place > 8")
    assert verdict == Verdict(8, Break(chain_id, 9, Fault.MISSING))


def test_what_waits_for_the_platform_is_walked_alone_and_in_portions(journal: Journal, directory: Path) -> None:
    records = fill(journal, 1_200)
    journal.acknowledge(journal.head.chain_id, 100, records[98].hash)
    chain_id = journal.head.chain_id
    journal.close()
    pauses: list[None] = []
    outbox = Outbox.open(directory)
    try:
        assert outbox.inspect(lambda: pauses.append(None)) is None
        assert len(pauses) == 2
        spoil(directory, "UPDATE record SET body = x'00' WHERE place = 50")  # the platform has it
        assert outbox.inspect(lambda: None) is None
        spoil(directory, altered(records[698]))
        assert outbox.inspect(lambda: None) == Break(chain_id, 700, Fault.ALTERED)
    finally:
        outbox.close()


def test_a_record_of_another_suite_is_named_so_and_not_called_altered(journal: Journal, directory: Path) -> None:
    records = fill(journal, 10)
    other = cbor2.dumps({**cbor2.loads(records[3].to_bytes()), 0: 2}, canonical=True)
    verdict = verdict_after(journal, directory, ("UPDATE record SET body = ? WHERE place = 5", (other,)))
    assert verdict == Verdict(4, Break(journal.head.chain_id, 5, Fault.UNKNOWN_SUITE))
