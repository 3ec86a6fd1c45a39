"""A register on its way in: ten million rows come in portions, and count all at once.

Rows go into a draft, a portion a transaction, so that terminals are served meanwhile and no memory grows with the
register. How far it has come is saved with each portion: the same file goes on where it stopped, another one begins
anew. In the end one transaction changes what differs, and nothing else: a namespace is never half there. It holds the
database's one writer on SQLite, one to four seconds a million rows, and so neither reads a file nor empties the draft.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tools.platform.register import Known, register_table, values_of
from tools.platform.store import Store, Transaction, metadata

PORTION = 10_000
_NO_SOURCE = b""

draft_table = sa.Table(
    "register_draft",
    metadata,
    sa.Column("namespace", sa.String(64), primary_key=True),
    sa.Column("medium", sa.LargeBinary, primary_key=True),
    sa.Column("subject", sa.LargeBinary, nullable=False),
    sa.Column("entitlements", sa.BigInteger, nullable=False),
    sa.Column("state", sa.SmallInteger, nullable=False),
)
progress_table = sa.Table(
    "register_import",
    metadata,
    sa.Column("namespace", sa.String(64), primary_key=True),
    sa.Column("source", sa.LargeBinary, nullable=False, comment="SHA-256 of the file"),
    sa.Column("rows", sa.BigInteger, nullable=False, comment="of it that are in the draft"),
)


def bring_in(
    store: Store, namespace: str, source: bytes, rows: Iterable[Known], now_ms: int, told: Callable[[int], None]
) -> int:
    """Make these the register of the namespace; how many media it has then. Of a medium's rows the last one counts.

    ``source`` names what the rows are from, in their order; ``told`` hears how many are in the draft.
    """
    with store.transaction() as transaction:
        found = Draft(transaction, namespace).known(source)
    if found is None:
        _empty(store, namespace)
        with store.transaction() as transaction:
            Draft(transaction, namespace).begin(source)
    done = found or 0
    left = islice(iter(rows), done, None)
    while portion := list(islice(left, PORTION)):
        done += len(portion)
        with store.transaction() as transaction:
            Draft(transaction, namespace).add(portion, done)
        told(done)
    with store.transaction() as transaction:
        count = Draft(transaction, namespace).adopt(now_ms)
    _empty(store, namespace)
    return count


def _empty(store: Store, namespace: str) -> None:
    """Forget a draft, a portion a transaction."""
    with store.transaction() as transaction:
        Draft(transaction, namespace).abandon()
    more = True
    while more:
        with store.transaction() as transaction:
            more = Draft(transaction, namespace).drop_some()


def replace_all(transaction: Transaction, namespace: str, rows: Iterable[Known], now_ms: int) -> int:
    """The same of a few rows, within one transaction."""
    draft, few = Draft(transaction, namespace), list(rows)
    draft.begin(_NO_SOURCE)
    draft.add(few, len(few))
    return draft.adopt(now_ms)


class Draft:
    """The draft of one namespace within one transaction."""

    def __init__(self, transaction: Transaction, namespace: str) -> None:
        self._connection = transaction.connection
        self._namespace = namespace
        self._mine = draft_table.c.namespace == namespace
        self._mine_in_progress = progress_table.c.namespace == namespace

    def known(self, source: bytes) -> int | None:
        """How many rows of this source are there already; ``None`` where it was not begun, or is done with."""
        columns = progress_table.c
        query = sa.select(columns.rows).where(columns.namespace == self._namespace, columns.source == source)
        return self._connection.execute(query).scalar_one_or_none()

    def begin(self, source: bytes) -> None:
        """Await the rows of this source; what is of another one goes."""
        self._connection.execute(sa.delete(draft_table).where(self._mine))
        self._connection.execute(sa.delete(progress_table).where(self._mine_in_progress))
        row = {"namespace": self._namespace, "source": source, "rows": 0}
        self._connection.execute(sa.insert(progress_table).values(row))

    def abandon(self) -> None:
        """No source goes on with what is in it."""
        change = sa.update(progress_table).where(self._mine_in_progress)
        self._connection.execute(change.values(source=_NO_SOURCE))

    def drop_some(self) -> bool:
        """A portion of what is in it goes; whether anything did."""
        columns = draft_table.c
        some = sa.select(columns.medium).where(self._mine).order_by(columns.medium).limit(PORTION)
        gone = self._connection.execute(sa.delete(draft_table).where(self._mine, columns.medium.in_(some)))
        return gone.rowcount > 0

    def add(self, rows: Sequence[Known], done: int) -> None:
        """A portion; ``done`` rows have come with it."""
        if rows:
            statement = self._insert(draft_table)
            taken = {name: statement.excluded[name] for name in ("subject", "entitlements", "state")}
            statement = statement.on_conflict_do_update(index_elements=["namespace", "medium"], set_=taken)
            self._connection.execute(statement, [self._draft_of(row) for row in rows])
        self._connection.execute(sa.update(progress_table).where(self._mine_in_progress).values(rows=done))

    def adopt(self, now_ms: int) -> int:
        """Let it count, and be done with it. A state that is as it was is as old as it was."""
        ours, new = register_table.c, draft_table.c
        same = sa.and_(new.namespace == ours.namespace, new.medium == ours.medium)
        gone = sa.delete(register_table).where(ours.namespace == self._namespace, ~sa.exists().where(same))
        self._connection.execute(gone)
        names = ("medium", "namespace", "subject", "entitlements", "state")
        differs = sa.or_(
            ours.medium.is_(None),
            ours.subject != new.subject,
            ours.state != new.state,
            ours.entitlements != new.entitlements,
        )
        changed = (
            sa.select(*(new[name] for name in names), sa.literal(now_ms))
            .select_from(draft_table.outerjoin(register_table, same))
            .where(self._mine, differs)
        )
        statement = self._insert(register_table).from_select([*names, "since_ms"], changed)
        taken = statement.excluded
        as_old = sa.and_(ours.subject == taken.subject, ours.state == taken.state)
        since = sa.case((as_old, ours.since_ms), else_=taken.since_ms)
        put = {name: taken[name] for name in ("subject", "entitlements", "state")}
        self._connection.execute(
            statement.on_conflict_do_update(index_elements=["medium", "namespace"], set_={**put, "since_ms": since})
        )
        self.abandon()
        count = sa.select(sa.func.count()).select_from(register_table).where(ours.namespace == self._namespace)
        return int(self._connection.execute(count).scalar_one())

    def _insert(self, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
        is_postgresql = self._connection.dialect.name == "postgresql"
        return postgresql.insert(table) if is_postgresql else sqlite.insert(table)

    def _draft_of(self, row: Known) -> dict[str, object]:
        values = values_of(row) | {"namespace": self._namespace}
        return {column.name: values[column.name] for column in draft_table.columns}
