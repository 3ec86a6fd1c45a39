"""What must hold after every run, whatever was broken in it."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from drivers.virtual.bench import RelayState
from offline_store.figures import UNRECORDED
from offline_store.outbox import Outbox
from offline_store.record import Record
from tests.agent.sync.cddl import told
from tools.cli.figures import figures_of, openings_of
from tools.platform.reconcile import reconcile
from tools.platform.store import Store

GRANTS = ("granted", "granted-again")
LONGEST_DEADLINE_S = 10.0
"""``append_deadline_ms`` is at most that: what is durable later opens nothing."""
MOST_RECORDS, MOST_BYTES = 5_000, 1 << 30


def whole_journal(directory: Path) -> list[Record]:
    """What the journal holds, once proved: chain whole, no gap, no id twice, each kind of record as the CDDL says."""
    outbox = Outbox.open(directory)
    try:
        assert outbox.verify().broken is None
        bodies: list[bytes] = []
        seq = outbox.position().first_retained - 1
        while portion := outbox.batch(seq + len(bodies), MOST_RECORDS, MOST_BYTES):
            bodies += portion
    finally:
        outbox.close()
    records = [Record.from_bytes(body) for body in bodies]
    assert [record.seq for record in records] == list(range(seq + 1, seq + 1 + len(records)))
    assert len({record.entry.id for record in records}) == len(records)
    latest = {record.entry.kind: record for record in records}
    assert [told("record", record.to_bytes()) for record in latest.values()] == [""] * len(latest)
    return records


def platform_has_it_all(store: Store, directory: Path, *, open_for: Collection[str] = ()) -> None:
    """The platform holds the journal's chain byte for byte, each record once, and nothing is open.

    ``open_for`` names the alarms that this run is meant to raise.
    """
    records = whole_journal(directory)
    outbox = Outbox.open(directory)
    try:
        chain_id = outbox.position().chain_id
    finally:
        outbox.close()
    with store.transaction() as transaction:
        rows = list(transaction.records(chain_id))
        report = reconcile(transaction)
    assert [row.body for row in rows if row.seq >= records[0].seq] == [record.to_bytes() for record in records]
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    assert all(chain.broken_at is None and not chain.holes for chain in report.chains)
    assert not any(report.behind.values())
    assert {code for _, code in report.serious} == set(open_for)
    assert not report.letters


def pulses_follow_their_records(records: Sequence[Record], relay: RelayState) -> int:
    """Each time the relay was switched on, a decision of its own was made durable before; how often it was.

    That is a record that grants; or one of the openings that a full disk, reserve included, only let count, and these
    within their time alone: not before the first of them, nor later than the last could still be given. For runs
    without fire, which needs no record to open.
    """
    slept_s = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    granted = sorted(record.entry.monotonic_ms / 1000 - slept_s for record in records if record.entry.reason in GRANTS)
    counts = [_Count.of(record, slept_s) for record in records if record.entry.kind == UNRECORDED]
    pulses = sorted(change.at_ns / 1e9 for change in relay.history if change.on)
    for number, pulse_s in enumerate(pulses, start=1):
        # A count is good for its time only, a record for ever after: so where both would do, the count is spent.
        count = next((count for count in counts if count.left and count.first_s <= pulse_s <= count.last_s), None)
        if count is not None:
            count.left -= 1
            continue
        before = bool(granted) and granted[0] <= pulse_s
        assert before, f"pulse {number} at {pulse_s:.3f} has no decision before it"
        del granted[0]
    return len(pulses)


@dataclass
class _Count:
    """One record that counts: from when until when (seconds, monotonic) so many openings were its."""

    first_s: float
    last_s: float
    left: int

    @classmethod
    def of(cls, record: Record, slept_s: float) -> _Count:
        entry, figures = record.entry, [figure for figure in figures_of(record) if figure.reason in GRANTS]
        openings = openings_of(record)
        assert openings == sum(figure.times for figure in figures), "each opening has its decision, and only these open"
        began_s = (entry.monotonic_ms - entry.time_ms) / 1000 - slept_s
        first_ms = min((figure.first_ms for figure in figures), default=0)
        last_ms = max((figure.last_ms for figure in figures), default=0)
        return cls(began_s + first_ms / 1000, began_s + last_ms / 1000 + LONGEST_DEADLINE_S, openings)


def resident_kb(pid: int) -> int:
    """The memory of a process that is its own, in KiB (proc(5): RssAnon)."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))
