"""What people have travelled, as all terminals' journals tell: who came in where, and which rides were paid.

Rows are only added, in whatever order the journals come, and everything else is read from them: a trip is open while
no ride of its line was paid, or left without money, at or after its entry. A reversal takes its ride away, a gate that
failed its entry. They are kept for :data:`KEPT_MS` and no longer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from agent.sync.contract.questions import Bound, Travelled
from offline_store.fields import PROFILE, REASON
from offline_store.record import Record
from profiles.api import Kind, Reason
from profiles.metro_reasons import MetroReason
from profiles.passage import PassageReason
from profiles.rules.funds import is_own
from tools.platform.evidence import inner
from tools.platform.intents import State, intent_table
from tools.platform.ledger import Owner
from tools.platform.store import Transaction, metadata

DAY_MS = 86_400_000
KEPT_MS = 3 * DAY_MS
TRIP_MS = DAY_MS
"""No trip lasts longer."""
AHEAD_MS = 600_000
"""So far a terminal's clock may be ahead; what is told of later times counts when they have come."""
MAX_WORD = 64
_METRO = "metro"
_FAILED = frozenset({Reason.ACTUATOR_FAILED.code, Reason.NOT_ACTUATED.code, PassageReason.TIMED_OUT.code})
_LEFT = frozenset({MetroReason.LEFT_FREE.code, MetroReason.LEFT_UNPAID.code})
_TOLD = _FAILED | _LEFT | {MetroReason.ENTERED.code}

entry_table = sa.Table(
    "travel_entry",
    metadata,
    sa.Column("record_id", sa.LargeBinary, primary_key=True),
    sa.Column("namespace", sa.String(64), nullable=False),
    sa.Column("subject", sa.LargeBinary, nullable=False),
    sa.Column("line", sa.String(MAX_WORD), nullable=False),
    sa.Column("station", sa.String(MAX_WORD), nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Index("travel_entry_by_person", "namespace", "subject", "at_ms"),
)

ride_table = sa.Table(
    "travel_ride",
    metadata,
    sa.Column("record_id", sa.LargeBinary, primary_key=True),
    sa.Column("terminal", sa.String(32), nullable=False),
    sa.Column("intent_id", sa.LargeBinary, comment="null: nothing was paid"),
    sa.Column("namespace", sa.String(64), nullable=False),
    sa.Column("subject", sa.LargeBinary, nullable=False),
    sa.Column("line", sa.String(MAX_WORD), nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("own_fen", sa.BigInteger, nullable=False, comment="what the person's own accounts paid"),
    sa.Column("business_date", sa.String(8), nullable=False),
    sa.Index("travel_ride_by_person", "namespace", "subject", "at_ms"),
    sa.Index("travel_ride_by_intent", "terminal", "intent_id"),
)


def tells(fields: Mapping[int, Any]) -> bool:
    """Whether a record without money tells of travel."""
    return fields.get(PROFILE) == _METRO and fields.get(REASON) in _TOLD


def follow(transaction: Transaction, terminal: str, records: Sequence[Record], now_ms: int) -> None:
    """Keep what these records tell, and what a rescued journal carried over: each once, whichever way it came first."""
    for record in map(inner, records):
        entry, line = record.entry, _word(record, "line")
        if entry.kind == Kind.OUTCOME and entry.profile == _METRO and entry.reason in _FAILED:
            _forget(transaction, entry.refers_to)
        elif entry.kind == Kind.REVERSAL and entry.money is not None:
            same = sa.and_(ride_table.c.terminal == terminal, ride_table.c.intent_id == entry.money.intent_id)
            transaction.connection.execute(sa.delete(ride_table).where(same))
        elif line is None or entry.subject is None:
            continue
        elif entry.kind == Kind.PAYMENT or (entry.kind == Kind.DECISION and entry.reason in _LEFT):
            _add(transaction, ride_table, _ride(terminal, record, line), now_ms)
        elif entry.reason == MetroReason.ENTERED.code and (station := _word(record, "station")) is not None:
            namespace, subject = entry.subject
            row = {"record_id": entry.id, "line": line, "station": station, "at_ms": entry.time_ms}
            _add(transaction, entry_table, {**row, "namespace": namespace, "subject": subject}, now_ms)


def told(transaction: Transaction, person: Owner, line: str, now_ms: int, bound: Bound) -> Travelled:
    """What is known of a person."""
    rides = _between(transaction, ride_table, person, now_ms - KEPT_MS, now_ms)
    entries = _between(transaction, entry_table, person, now_ms - TRIP_MS, now_ms)
    entries = [row for row in entries if row.line == line]
    entered = entries[-1] if entries else None
    if entered is not None and any(ride.line == line and ride.at_ms >= entered.at_ms for ride in rides):
        entered = None
    paid = _captured(transaction, rides)
    date = max((ride.business_date for ride in paid), default=None)
    return Travelled(
        **bound,
        station=None if entered is None else entered.station,
        entered_ms=None if entered is None else entered.at_ms,
        last_ms=max((ride.at_ms for ride in paid), default=None),
        spent_fen=sum(ride.own_fen for ride in paid if ride.business_date == date),
        spent_date=date,
    )


def _captured(transaction: Transaction, rides: Sequence[sa.Row[Any]]) -> list[sa.Row[Any]]:
    """The rides that the person really paid: what is contested fills no cap, and makes no other ride cheaper."""
    columns = intent_table.c
    keys = {(ride.terminal, ride.intent_id) for ride in rides if ride.intent_id is not None}
    query = sa.select(columns.terminal, columns.intent_id).where(columns.state == State.CAPTURED.value)
    query = query.where(sa.tuple_(columns.terminal, columns.intent_id).in_(sorted(keys)))
    captured = {(row.terminal, row.intent_id) for row in transaction.connection.execute(query)}
    return [ride for ride in rides if (ride.terminal, ride.intent_id) in captured]


def _add(transaction: Transaction, table: sa.Table, row: Mapping[str, Any], now_ms: int) -> None:
    """Keep a row that is not kept yet; what is old of the same person goes."""
    _forget_old(transaction, (row["namespace"], row["subject"]), now_ms)
    known = sa.select(table.c.record_id).where(table.c.record_id == row["record_id"])
    if transaction.connection.execute(known).first() is None:
        transaction.connection.execute(sa.insert(table).values(row))


def _between(
    transaction: Transaction, table: sa.Table, person: Owner, from_ms: int, now_ms: int
) -> Sequence[sa.Row[Any]]:
    """Rows of a person, the latest last; none of a time that has not come."""
    columns = table.c
    when = columns.at_ms.between(from_ms, now_ms + AHEAD_MS)
    query = sa.select(table).where(columns.namespace == person[0], columns.subject == person[1], when)
    return transaction.connection.execute(query.order_by(columns.at_ms)).all()


def _ride(terminal: str, record: Record, line: str) -> dict[str, object]:
    entry, money = record.entry, record.entry.money
    namespace, subject = entry.subject or ("", b"")
    own_fen = 0
    if money is not None:
        own_fen = sum(fen for fund, fen in money.funds.items() if is_own(fund)) if money.funds else money.amount_fen
    return {
        "record_id": entry.id,
        "terminal": terminal,
        "intent_id": None if money is None else money.intent_id,
        "namespace": namespace,
        "subject": subject,
        "line": line,
        "at_ms": entry.time_ms,
        "own_fen": max(0, own_fen),
        "business_date": "" if money is None else money.business_date,
    }


def _word(record: Record, name: str) -> str | None:
    """A public field, if it is such a word as a column and a reply hold."""
    value = record.entry.public.get(name)
    return value if isinstance(value, str) and 0 < len(value) <= MAX_WORD and value.isprintable() else None


def _forget(transaction: Transaction, entry_id: bytes | None) -> None:
    """Whoever could not come in has no trip; who could not go out still has one."""
    for table in (entry_table, ride_table):
        free = ride_table.c.intent_id.is_(None) if table is ride_table else sa.true()
        transaction.connection.execute(sa.delete(table).where(table.c.record_id == entry_id, free))


def _forget_old(transaction: Transaction, person: Owner, now_ms: int) -> None:
    for table in (entry_table, ride_table):
        old = sa.and_(table.c.namespace == person[0], table.c.subject == person[1], table.c.at_ms < now_ms - KEPT_MS)
        transaction.connection.execute(sa.delete(table).where(old))
