"""What the platform keeps under one person's pseudonym, as the person may ask to see it (PIPL art. 45).

Tables are found by their columns, so that one that is added is searched as well, and what belongs to a payment by the
payment. A journal's records bear the person in their bodies: they are all read, which takes its time and is asked for
seldom. Not found is what the platform itself cannot read or take apart by person: dead letters, sealed evidence within
its record, and replies, which go when their question ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from offline_store.errors import RecordInvalid
from offline_store.fields import ID, KIND, LANE, MONEY, PROFILE, PUBLIC, REASON, TIME_MS, record_fields
from offline_store.record import CARRIED, Money
from tools.platform.evidence import evidence_table
from tools.platform.funds import fund_table
from tools.platform.intents import intent_table
from tools.platform.ledger import Owner
from tools.platform.owners import shown
from tools.platform.pupils import guardian_table
from tools.platform.register import register_table
from tools.platform.returns import return_table
from tools.platform.store import Transaction, metadata, record_table

Row = Mapping[str, object]
_MEDIUM, _SUBJECT = 11, 12
"""Keys of :mod:`offline_store.record`."""
_PIECE = 1_000
_SECRET = frozenset({"salt", "pin"})
"""What checks a PIN is told to nobody, the person among them."""
_OF_A_PAYMENT: Mapping[sa.Table, tuple[str, str]] = MappingProxyType(
    {fund_table: ("terminal", "intent_id"), return_table: ("of_terminal", "of_intent")}
)
"""Tables that name a person by a payment, and where it stands in them."""


def kept_about(transaction: Transaction, person: Owner) -> dict[str, list[Row]]:
    """By table, every row about the person; as ``record``, what the journals say. Tables without any are left out."""
    connection = transaction.connection
    found: dict[str, list[Row]] = {}
    for table in metadata.sorted_tables:
        which = _is_about(table, person)
        if which is not None:
            told = [column for column in table.c if column.name not in _SECRET]
            found[table.name] = [dict(row) for row in connection.execute(sa.select(*told).where(which)).mappings()]
    found[record_table.name] = list(_records(connection, person, frozenset(_media(connection, person))))
    return {name: rows for name, rows in found.items() if rows}


def _is_about(table: sa.Table, person: Owner) -> sa.ColumnElement[bool] | None:
    columns = table.c
    if table is evidence_table:
        return columns.subject == shown(person)
    if table in _OF_A_PAYMENT:
        theirs = sa.select(intent_table.c.terminal, intent_table.c.intent_id)
        paid = theirs.where(intent_table.c.namespace == person[0], intent_table.c.subject == person[1])
        return sa.tuple_(*(columns[name] for name in _OF_A_PAYMENT[table])).in_(paid)
    if "namespace" not in columns or "subject" not in columns:
        return None
    # A person's accounts by kind have the kind behind a slash, which no namespace holds.
    ours = sa.or_(columns.namespace == person[0], columns.namespace.startswith(f"{person[0]}/", autoescape=True))
    mine = sa.and_(ours, columns.subject == person[1])
    if table is guardian_table:
        wards = sa.and_(columns.guardian_namespace == person[0], columns.guardian_subject == person[1])
        return sa.or_(mine, wards)
    return mine


def _media(connection: sa.Connection, person: Owner) -> Iterator[bytes]:
    """The person's cards and codes: each may stand in records that name no subject."""
    columns = register_table.c
    mine = sa.select(columns.medium).where(columns.namespace == person[0], columns.subject == person[1])
    yield from connection.execute(mine).scalars()


def _records(connection: sa.Connection, person: Owner, media: frozenset[bytes]) -> Iterator[Row]:
    query = sa.select(record_table).order_by(record_table.c.time_ms, record_table.c.seq)
    for row in connection.execute(query.execution_options(yield_per=_PIECE)):
        try:
            fields = _told(row.body)
        except RecordInvalid:
            continue  # a later version's, which waits among the dead letters
        subject = fields.get(_SUBJECT)
        if (subject is not None and tuple(subject) == person) or fields.get(_MEDIUM) in media:
            money = fields.get(MONEY)
            yield {
                "id": fields[ID],
                "kind": fields[KIND],
                "time_ms": fields[TIME_MS],
                "lane": fields.get(LANE),
                "profile": fields.get(PROFILE),
                "reason": fields.get(REASON),
                "amount_fen": None if money is None else Money.from_map(money).amount_fen,
                "public": dict(fields.get(PUBLIC, {})),
            }


def _told(body: bytes) -> Mapping[int, Any]:
    """A record's fields; of one that a rescued journal carried, those of the record within."""
    fields = record_fields(body)
    inner = fields.get(PUBLIC, {}).get("record") if fields[KIND] == CARRIED else None
    return record_fields(inner) if isinstance(inner, bytes) else fields
