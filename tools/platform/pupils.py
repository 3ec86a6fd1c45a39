"""A school's pupils at the platform: class, boarding, leave permits, and who their guardians are.

It is what the school's roster says, brought by `onecard platform school roster`, and what terminals get as a bundle;
the guardians stay here, since no terminal need know them. Numbers of a guardian's feed never begin anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from profiles.pupil import Consent, Leave, Pupil
from tools.platform.ledger import Owner
from tools.platform.row_locks import Need
from tools.platform.store import Transaction, metadata

MAX_GUARDIANS = 6

pupil_table = sa.Table(
    "pupil",
    metadata,
    sa.Column("namespace", sa.String(64), primary_key=True),
    sa.Column("subject", sa.LargeBinary, primary_key=True),
    sa.Column("roster", sa.String(48), nullable=False, index=True),
    sa.Column("class", sa.String(32), nullable=False),
    sa.Column("boards", sa.Boolean, nullable=False),
    sa.Column("consent", sa.String(16), nullable=False),
    sa.Column("leaves", sa.Text, nullable=False, comment="JSON: [from, until] each, Unix milliseconds"),
)
guardian_table = sa.Table(
    "guardian",
    metadata,
    sa.Column("namespace", sa.String(64), primary_key=True),
    sa.Column("subject", sa.LargeBinary, primary_key=True),
    sa.Column("guardian_namespace", sa.String(64), primary_key=True),
    sa.Column("guardian_subject", sa.LargeBinary, primary_key=True),
)
guardian_head_table = sa.Table(
    "guardian_head",
    metadata,
    sa.Column("namespace", sa.String(64), primary_key=True),
    sa.Column("subject", sa.LargeBinary, primary_key=True),
    sa.Column("told", sa.BigInteger, nullable=False, comment="the last number of the feed"),
)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """One pupil of a school."""

    owner: Owner
    class_name: str
    pupil: Pupil
    guardians: tuple[Owner, ...] = ()


def row_of(pupil: Owner) -> Need:
    """A pupil's row, to be locked."""
    return pupil_table, pupil


def head_of(guardian: Owner) -> Need:
    """Where a guardian's feed ends, to be locked."""
    return guardian_head_table, guardian


def replace_all(transaction: Transaction, roster: str, enrolled: Iterable[Enrolled]) -> int:
    """These are the pupils of a roster from now on; how many."""
    connection, columns = transaction.connection, pupil_table.c
    for row in connection.execute(sa.select(columns.namespace, columns.subject).where(columns.roster == roster)).all():
        _forget(transaction, (row.namespace, row.subject))
    count = 0
    for each in enrolled:
        _forget(transaction, each.owner)  # whoever changes school
        leaves = json.dumps([[leave.from_ms, leave.until_ms] for leave in each.pupil.leaves])
        said = {"roster": roster, "class": each.class_name, "boards": each.pupil.boards, "leaves": leaves}
        whose = {"namespace": each.owner[0], "subject": each.owner[1], "consent": each.pupil.consent.value}
        connection.execute(sa.insert(pupil_table).values({**whose, **said}))
        for guardian in each.guardians:
            _assign(transaction, each.owner, guardian)
        count += 1
    return count


def enrolled(transaction: Transaction, class_name: str | None = None) -> Sequence[Enrolled]:
    """Every pupil, or those of one class, by class; without their guardians."""
    columns = pupil_table.c
    query = sa.select(pupil_table).order_by(columns["class"], columns.namespace, columns.subject)
    if class_name is not None:
        query = query.where(columns["class"] == class_name)
    return [_read(row) for row in transaction.connection.execute(query)]


def guardians_of(transaction: Transaction, pupil: Owner) -> list[Owner]:
    """Who is told of a pupil's notices."""
    columns = guardian_table.c
    query = sa.select(columns.guardian_namespace, columns.guardian_subject)
    same = query.where(columns.namespace == pupil[0], columns.subject == pupil[1])
    rows = transaction.connection.execute(same.order_by(columns.guardian_namespace, columns.guardian_subject))
    return [(row.guardian_namespace, row.guardian_subject) for row in rows]


def _assign(transaction: Transaction, pupil: Owner, guardian: Owner) -> None:
    named = {"guardian_namespace": guardian[0], "guardian_subject": guardian[1]}
    row = {"namespace": pupil[0], "subject": pupil[1], **named}
    transaction.connection.execute(sa.insert(guardian_table).values(row))
    head = guardian_head_table.c
    known = sa.select(head.told).where(head.namespace == guardian[0], head.subject == guardian[1])
    if transaction.connection.execute(known).first() is None:
        begins = {"namespace": guardian[0], "subject": guardian[1], "told": 0}
        transaction.connection.execute(sa.insert(guardian_head_table).values(begins))


def _forget(transaction: Transaction, pupil: Owner) -> None:
    for table in (guardian_table, pupil_table):
        same = sa.and_(table.c.namespace == pupil[0], table.c.subject == pupil[1])
        transaction.connection.execute(sa.delete(table).where(same))


def _read(row: sa.Row[Any]) -> Enrolled:
    found = row._mapping
    leaves = tuple(Leave(*window) for window in json.loads(found["leaves"]))
    pupil = Pupil(Consent(found["consent"]), bool(found["boards"]), leaves=leaves)
    return Enrolled((found["namespace"], found["subject"]), found["class"], pupil)
