"""Reconciliation: what the platform holds, held against what terminals announced; and what is open."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from offline_store.errors import RecordInvalid
from offline_store.record import Record
from profiles.api import Kind
from tools.cli.figures import figures_of, openings_of
from tools.platform import dead_letters, evidence
from tools.platform.contested import Contested, contested
from tools.platform.holes import Hole, holes_of
from tools.platform.store import Position, Transaction, alarm_table
from tools.platform.verification import verify_chain

_SERIOUS = ("fork", "rolled-back", "chain-replaced", "predecessor-unknown", "foreign-chain", "checkpoint-forged")
"""Alarms after which a person has to look whether records are missing or copied."""


_Takings = defaultdict[tuple[str, str, str], list[int]]
_CountRecords = defaultdict[tuple[str, str], list[Record]]


@dataclass(frozen=True, slots=True)
class ChainReport:
    """One chain: how far it is committed, where it breaks if it does, what is known to be missing."""

    terminal: str
    chain_id: bytes
    seq: int
    broken_at: int | None
    holes: Sequence[Hole]


@dataclass(frozen=True, slots=True)
class Takings:
    """What one merchant took on one business day at one terminal: records and their sum in fen."""

    terminal: str
    business_date: str
    merchant: str
    records: int
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What a lane opened while its disk was full: how many records tell of it, and when first and last it was."""

    terminal: str
    lane: str
    records: int
    openings: int
    first_ms: int | None
    last_ms: int | None


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The whole report. ``behind`` is how many records of a terminal's latest hello are not here yet.

    What was ``counted`` stays so for ever: it is told, and leaves nothing open.
    """

    chains: Sequence[ChainReport]
    behind: dict[str, int]
    takings: Sequence[Takings]
    unproven: dict[tuple[str, evidence.Verdict], int]
    letters: dict[str, int]
    counted: Sequence[Counted] = ()
    serious: dict[tuple[str, str], int] = field(default_factory=dict)
    contested: Sequence[Contested] = ()

    @property
    def is_open(self) -> bool:
        """Whether a person has to look at something."""
        broken = any(chain.broken_at is not None or chain.holes for chain in self.chains)
        doubtful = any(verdict in evidence.DOUBTFUL for _, verdict in self.unproven)
        waiting = bool(self.letters or self.serious or self.contested)
        return broken or doubtful or any(self.behind.values()) or waiting


@dataclass(frozen=True, slots=True)
class _Seen:
    """Over all chains, the older ones of a terminal before the newer: what was ``paid``, and which records counted."""

    paid: set[tuple[str, bytes]] = field(default_factory=set)
    ids: set[bytes] = field(default_factory=set)

    def is_new(self, record_id: bytes) -> bool:
        known = record_id in self.ids
        self.ids.add(record_id)
        return not known


def reconcile(transaction: Transaction, terminal: str | None = None) -> Reconciliation:
    """Walk every record, of one terminal or of all."""
    chains = transaction.chains(terminal)
    takings: _Takings = defaultdict(list)
    counted: _CountRecords = defaultdict(list)
    reports = []
    seen = _Seen()
    for head in chains:
        holes = holes_of(transaction, head.chain_id)
        broken_at = verify_chain(head, _walk(transaction, head, takings, counted, seen), holes)
        reports.append(ChainReport(head.terminal, head.chain_id, head.seq, broken_at, holes))
    return Reconciliation(
        chains=reports,
        behind=_behind(transaction, terminal),
        takings=[Takings(*key, len(amounts), sum(amounts)) for key, amounts in sorted(takings.items())],
        unproven={
            key: count
            for key, count in evidence.counts(transaction, terminal).items()
            if key[1] is not evidence.Verdict.PROVEN
        },
        letters=_letters(transaction, terminal),
        counted=[_counted(*key, records) for key, records in sorted(counted.items())],
        serious=_serious(transaction, terminal),
        contested=contested(transaction, terminal),
    )


def _walk(
    transaction: Transaction, head: Position, takings: _Takings, counted: _CountRecords, seen: _Seen
) -> Iterator[tuple[bytes, bytes]]:
    """What was carried over counts as itself, once, wherever it stands."""
    for row in transaction.records(head.chain_id):
        record = _read(row.body)
        if record is not None and _tells(record) and seen.is_new(record.entry.id):
            kind, money = record.entry.kind, record.entry.money
            if openings_of(record) is not None:
                counted[head.terminal, record.entry.lane or ""].append(record)
            if money is not None and _counts(kind, (head.terminal, money.intent_id), seen.paid):
                takings[head.terminal, money.business_date, money.merchant].append(money.amount_fen)
        yield row.body, row.hash


def _read(body: bytes) -> Record | None:
    try:
        return evidence.inner(Record.from_bytes(body))
    except RecordInvalid:
        return None


def _tells(record: Record) -> bool:
    return record.entry.money is not None or openings_of(record) is not None


def _counted(terminal: str, lane: str, records: list[Record]) -> Counted:
    figures = [figure for record in records for figure in figures_of(record)]
    first_ms = min((figure.first_ms for figure in figures), default=None)
    last_ms = max((figure.last_ms for figure in figures), default=None)
    openings = sum(openings_of(record) or 0 for record in records)
    return Counted(terminal, lane, len(records), openings, first_ms, last_ms)


def _counts(kind: str, intent: tuple[str, bytes], paid: set[tuple[str, bytes]]) -> bool:
    """Whether a record moved money: no question does, and a reversal only of what was paid before."""
    if kind in (Kind.ASKED, Kind.RELEASE):
        return False
    if kind == Kind.REVERSAL:
        return intent in paid
    paid.add(intent)
    return True


def _behind(transaction: Transaction, terminal: str | None) -> dict[str, int]:
    rows = [row for row in transaction.terminals() if terminal in (None, row.terminal)]
    return {row.terminal: max(0, (row.head or 0) - row.seq) for row in rows}


def _letters(transaction: Transaction, terminal: str | None) -> dict[str, int]:
    counted: defaultdict[str, int] = defaultdict(int)
    for row in dead_letters.letters(transaction, terminal):
        counted[row.terminal] += 1
    return dict(counted)


def _serious(transaction: Transaction, terminal: str | None) -> dict[tuple[str, str], int]:
    columns = alarm_table.c
    query = sa.select(columns.terminal, columns.code, columns.times).where(columns.code.in_(_SERIOUS))
    if terminal is not None:
        query = query.where(columns.terminal == terminal)
    rows = transaction.connection.execute(query.order_by(columns.terminal, columns.code))
    return {(row.terminal, row.code): row.times for row in rows}
