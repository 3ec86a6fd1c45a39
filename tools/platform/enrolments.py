"""Enrolment codes and what became of them, one row each; the code's secret is in none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from agent.sync.contract.enrol import MAX_CONFIGURATION_CHARS
from tools.platform.store import Transaction, metadata

MAX_LISTED = 10_000
"""So many codes are listed, the latest. Any code is found by its id, and the latest of a terminal by its name."""


class Stage(StrEnum):
    """How far a code has come."""

    OPEN = "open"
    """Nobody has used it."""
    ASKED = "asked"
    """A box has asked with it, and a person has to compare the fingerprint."""
    CONFIRMED = "confirmed"
    GRANTED = "granted"
    """The box has its certificate."""
    REVOKED = "revoked"


enrolment_table = sa.Table(
    "enrolment",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("terminal", sa.String(32), nullable=False, index=True),
    sa.Column("site", sa.String(32)),
    sa.Column("profile", sa.String(32)),
    sa.Column("configuration", sa.String(MAX_CONFIGURATION_CHARS), comment="YAML for the box, if it is to get any"),
    sa.Column("stage", sa.String(16), nullable=False),
    sa.Column("confirms", sa.Boolean, nullable=False, comment="whether a person compares the fingerprint"),
    sa.Column("replaces", sa.Boolean, nullable=False, comment="whether the terminal's former keys count no more then"),
    sa.Column("closes", sa.Boolean, nullable=False, comment="and its former chain ends: it is another box"),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("expires_ms", sa.BigInteger, nullable=False),
    sa.Column("asked", sa.LargeBinary, comment="the exact bytes of what the one box asked that used the code"),
    sa.Column("asked_ms", sa.BigInteger),
    sa.Column("granted_ms", sa.BigInteger),
    sa.Column("certificate", sa.LargeBinary, comment="DER; given again to whoever asks the same"),
)


def add(transaction: Transaction, row: dict[str, object]) -> None:
    """A new code, in place of those of its terminal that brought nothing yet: one name is given to one box."""
    revoke(transaction, str(row["terminal"]), (Stage.OPEN, Stage.ASKED, Stage.CONFIRMED))
    transaction.connection.execute(sa.insert(enrolment_table).values(**row))


def find(transaction: Transaction, enrol_id: str) -> sa.Row[Any] | None:
    """One code, its row locked until the transaction ends."""
    query = sa.select(enrolment_table).where(enrolment_table.c.id == enrol_id).with_for_update()
    return transaction.connection.execute(query).one_or_none()


def change(transaction: Transaction, enrol_id: str, **values: object) -> None:
    """Note what became of it."""
    transaction.connection.execute(sa.update(enrolment_table).where(enrolment_table.c.id == enrol_id).values(**values))


def revoke(transaction: Transaction, terminal: str, stages: Iterable[Stage] = Stage) -> None:
    """Let a terminal's codes count no more, of all stages or of some; certificates are the caller's."""
    meant = enrolment_table.c.stage.in_([stage.value for stage in stages])
    revoked = sa.update(enrolment_table).where(enrolment_table.c.terminal == terminal, meant)
    transaction.connection.execute(revoked.values(stage=Stage.REVOKED.value))


def latest_of(transaction: Transaction, terminal: str) -> sa.Row[Any] | None:
    """The latest code of a terminal, its row locked until the transaction ends."""
    query = sa.select(enrolment_table).where(enrolment_table.c.terminal == terminal).with_for_update()
    return transaction.connection.execute(query.order_by(enrolment_table.c.created_ms.desc()).limit(1)).one_or_none()


def former_of(transaction: Transaction, terminal: str) -> sa.Row[Any] | None:
    """The code by which the box that the terminal has or had last became it."""
    columns = enrolment_table.c
    query = sa.select(enrolment_table).where(columns.terminal == terminal, columns.certificate.is_not(None))
    return transaction.connection.execute(query.order_by(columns.granted_ms.desc()).limit(1)).one_or_none()


def next_of(transaction: Transaction, row: sa.Row[Any]) -> sa.Row[Any] | None:
    """The terminal's first enrolment after this one."""
    columns = enrolment_table.c
    later = sa.and_(columns.terminal == row.terminal, columns.granted_ms > row.granted_ms)
    query = sa.select(enrolment_table).where(later).order_by(columns.granted_ms).limit(1)
    return transaction.connection.execute(query).one_or_none()


def listed(transaction: Transaction) -> Sequence[sa.Row[Any]]:
    """The latest :data:`MAX_LISTED` codes, the latest first."""
    query = sa.select(enrolment_table).order_by(enrolment_table.c.created_ms.desc()).limit(MAX_LISTED)
    return transaction.connection.execute(query).all()
