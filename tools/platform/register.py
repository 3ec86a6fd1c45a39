"""The platform's own card register: whose each medium is, and what became of it. It is what terminals get, too.

A terminal names the person of each record. For a namespace that is kept here, that is not its word alone any more:

1. a medium that is known names one of the people that it is known for, or nobody but itself (a terminal whose register
   is older takes it for a stranger's);
2. a medium that is unknown, and one that is not told, names nobody of that namespace but itself;
3. what names itself must not be somebody's pseudonym: a medium can be invented to be equal to one;
4. a medium that was lost or replaced moves nothing from then on;
5. an account of the ledger that is not a person's plain one is nobody's name (:mod:`tools.platform.accounts`).

What breaks a rule moves no money of the person who is named (:mod:`tools.platform.holds`). Of a namespace that is not
kept here, the person is the terminal's word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from agent.bundles.people import MediumState
from agent.credentials.register import PROVISIONAL
from tools.platform.accounts import is_person
from tools.platform.ledger import NOBODY, Owner
from tools.platform.store import Transaction, metadata

_ROWS_A_PIECE = 1_000

register_table = sa.Table(
    "register",
    metadata,
    sa.Column("medium", sa.LargeBinary, primary_key=True),
    sa.Column("namespace", sa.String(64), primary_key=True),
    sa.Column("subject", sa.LargeBinary, nullable=False),
    sa.Column("entitlements", sa.BigInteger, nullable=False, comment="bits, as the trust list names them"),
    sa.Column("state", sa.SmallInteger, nullable=False, comment="0 in use, 1 lost, 2 replaced"),
    sa.Column("since_ms", sa.BigInteger, nullable=False, comment="when the platform learned that"),
    sa.Index("register_by_subject", "namespace", "subject"),
)


@dataclass(frozen=True, slots=True)
class Known:
    """One row: whose a medium is."""

    medium: bytes
    owner: Owner
    entitlements: int = 0
    state: MediumState = MediumState.IN_USE
    since_ms: int = 0


WRONG_PERSON, LOST = "wrong-person", "medium-lost"


class Register:
    """The register within one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._connection = transaction.connection

    # Questions ------------------------------------------------------------------------------------------------------

    def of(self, medium: bytes | None) -> list[Known]:
        """All that is known of a medium, by namespace."""
        if medium is None:
            return []
        columns = register_table.c
        query = sa.select(register_table).where(columns.medium == medium).order_by(columns.namespace)
        return [_known(row) for row in self._connection.execute(query)]

    def objection(self, medium: bytes | None, subject: Owner | None, at_ms: int) -> str | None:
        """What speaks against a terminal's word that this medium was this person's: a code of the contract."""
        if subject is not None and not is_person(subject):
            return WRONG_PERSON
        known = self.of(medium)
        named = [row for row in known if row.owner == subject] or known
        if any(row.state is not MediumState.IN_USE and row.since_ms <= at_ms for row in named):
            return LOST
        if subject is None or any(row.owner == subject for row in known) or subject == (PROVISIONAL, medium):
            return None
        names_itself = subject[1] == medium and not self._is_somebody(subject)
        if names_itself or not (known or self._keeps(subject[0])):
            return None
        return WRONG_PERSON

    def vouches(self, medium: bytes, person: Owner) -> bool:
        """Whether a medium is this person's by more than a terminal's word: it names itself, or is known as theirs."""
        return person[1] == medium or self.is_holder(medium, person)

    def is_holder(self, medium: bytes | None, person: Owner) -> bool:
        """Whether a medium is known as this person's."""
        return any(row.owner == person for row in self.of(medium))

    def payer(self, medium: bytes | None) -> Owner:
        """Whose a medium is; nobody's, if it is unknown."""
        known = self.of(medium)
        return known[0].owner if known else NOBODY

    def person(self, medium: bytes | None, subject: Owner | None, now_ms: int) -> Owner | str:
        """Whom a question is about: who is named, or whose the medium is where a terminal knows nobody."""
        objection = self.objection(medium, subject, now_ms)
        if objection is not None:
            return objection
        if subject is None or subject[0] == PROVISIONAL:
            payer = self.payer(medium)
            return payer if payer != NOBODY else subject or NOBODY
        return subject

    def rows(self, namespace: str | None = None) -> Iterator[Known]:
        """Every row, or those of one namespace, by medium; read in pieces."""
        columns = register_table.c
        query = sa.select(register_table).order_by(columns.medium, columns.namespace)
        if namespace is not None:
            query = query.where(columns.namespace == namespace)
        return map(_known, self._connection.execute(query.execution_options(yield_per=_ROWS_A_PIECE)))

    # Changes --------------------------------------------------------------------------------------------------------

    def put(self, row: Known, now_ms: int) -> None:
        """Say of one medium whose it is, and what became of it."""
        columns = register_table.c
        same = sa.and_(columns.medium == row.medium, columns.namespace == row.owner[0])
        before = self._connection.execute(sa.select(register_table).where(same)).one_or_none()
        self._connection.execute(sa.delete(register_table).where(same))
        told = _since(row, None if before is None else _known(before), now_ms)
        self._connection.execute(sa.insert(register_table).values(values_of(told)))

    def end(self, medium: bytes, state: MediumState, now_ms: int) -> Sequence[Known]:
        """Say that a medium is lost or replaced; its rows as they were."""
        known = self.of(medium)
        for row in known:
            self.put(replace(row, state=state), now_ms)
        return known

    def _is_somebody(self, owner: Owner) -> bool:
        columns = register_table.c
        query = sa.select(columns.medium).where(columns.namespace == owner[0], columns.subject == owner[1])
        return self._connection.execute(query.limit(1)).first() is not None

    def _keeps(self, namespace: str) -> bool:
        columns = register_table.c
        query = sa.select(columns.medium).where(columns.namespace == namespace).limit(1)
        return self._connection.execute(query).first() is not None


def _since(row: Known, before: Known | None, now_ms: int) -> Known:
    same = before is not None and (before.owner, before.state) == (row.owner, row.state)
    return replace(row, since_ms=before.since_ms if before is not None and same else now_ms)


def _known(row: sa.Row[Any]) -> Known:
    owner = (row.namespace, row.subject)
    return Known(row.medium, owner, int(row.entitlements), MediumState(row.state), int(row.since_ms))


def values_of(row: Known) -> dict[str, object]:
    """Its columns."""
    return {
        "medium": row.medium,
        "namespace": row.owner[0],
        "subject": row.owner[1],
        "entitlements": row.entitlements,
        "state": int(row.state),
        "since_ms": row.since_ms,
    }
