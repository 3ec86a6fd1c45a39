"""What the platform keeps, in tables of SQLAlchemy Core: SQLite by default, PostgreSQL by URL.

Everything that one message brings is one transaction, durable before it is answered: SQLite runs in WAL mode with
`synchronous=FULL`. A chain's row is locked while its batch is judged, so that two workers cannot both continue it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from offline_store.fields import KIND, LANE, PROFILE, REASON, REFERS_TO, TIME_MS
from tools.cli.words import say
from tools.platform import record_rows, row_locks, upgrade
from tools.platform.arrived import Arrived
from tools.platform.errors import PlatformError

MAX_ALARM_ROWS = 100
MORE_ALARMS = "more-alarms"
UNREAD = "unread"
"""The kind of a record whose content this version does not understand."""
UNKNOWN = "unknown"
"""The presence of a terminal that the platform has not heard of since it was started."""

_BUSY_TIMEOUT_S = 10
_LOG_PAGES = 8_000
"""A log of 32 MB: pages that a drain writes again and again reach the database once."""
_CACHE_KIB = 32_768

metadata = sa.MetaData()

terminal_table = sa.Table(
    "terminal",
    metadata,
    sa.Column("terminal", sa.String(32), primary_key=True),
    sa.Column("first_seen_ms", sa.BigInteger, nullable=False),
    sa.Column("last_seen_ms", sa.BigInteger, nullable=False),
    sa.Column("chain_id", sa.LargeBinary, comment="the chain of its latest hello"),
    sa.Column("nonce", sa.LargeBinary, comment="of its latest hello; answers are bound to it"),
    sa.Column("head", sa.BigInteger, comment="the last seq that its latest hello announced"),
    sa.Column("first_retained", sa.BigInteger, comment="and the first that it still had"),
)

chain_table = sa.Table(
    "chain",
    metadata,
    sa.Column("chain_id", sa.LargeBinary, primary_key=True),
    sa.Column("terminal", sa.String(32), nullable=False, index=True),
    sa.Column("seq", sa.BigInteger, nullable=False, comment="highest contiguous committed"),
    sa.Column("hash", sa.LargeBinary, nullable=False, comment="of the record at seq"),
    sa.Column("first_ms", sa.BigInteger, nullable=False),
    sa.Column("last_ms", sa.BigInteger, nullable=False),
)

record_table = sa.Table(
    "record",
    metadata,
    sa.Column("chain_id", sa.LargeBinary, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("time_ms", sa.BigInteger, nullable=False),
    sa.Column("lane", sa.String(64)),
    sa.Column("profile", sa.String(64)),
    sa.Column("reason", sa.String(64)),
    sa.Column("refers_to", sa.LargeBinary, comment="the id of the record that this one continues"),
    sa.Column("received_ms", sa.BigInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="the exact bytes that the terminal hashed"),
)

alarm_table = sa.Table(
    "alarm",
    metadata,
    sa.Column("terminal", sa.String(32), primary_key=True),
    sa.Column("source", sa.String(64), primary_key=True, comment="platform, or a part of the terminal"),
    sa.Column("code", sa.String(40), primary_key=True),
    sa.Column("times", sa.BigInteger, nullable=False),
    sa.Column("first_ms", sa.BigInteger, nullable=False),
    sa.Column("last_ms", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.String(200), comment="of the latest"),
)

state_table = sa.Table(
    "terminal_state",
    metadata,
    sa.Column("terminal", sa.String(32), primary_key=True),
    sa.Column("presence", sa.String(16), nullable=False),
    sa.Column("since_ms", sa.BigInteger, nullable=False),
    sa.Column("received_ms", sa.BigInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="the latest state message"),
)


@dataclass(frozen=True)
class Position:
    """How far a chain is committed: `hash` is that of the record at `seq`."""

    terminal: str
    chain_id: bytes
    seq: int
    hash: bytes


class Store:
    """The platform's database. Faults raise `SQLAlchemyError`; one that cannot be opened, `PlatformError`."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the database at an SQLAlchemy URL and make what it lacks (:mod:`tools.platform.upgrade`)."""
        engine = _engine(url)
        if engine.dialect.name == "sqlite":
            sa.event.listen(engine, "connect", _configure_writer)
            sa.event.listen(engine, "begin", _begin_immediate)
        try:
            with engine.begin() as connection:
                upgrade.complete(connection, metadata)
        except SQLAlchemyError as error:
            engine.dispose()
            raise _cannot_open(engine.url) from error
        except PlatformError:
            engine.dispose()
            raise
        return cls(engine)

    @classmethod
    def open_for_reading(cls, url: str) -> Self:
        """Open the database that a running platform may be writing; nothing can be changed through it."""
        engine = _engine(url)
        engine = _engine(_read_only(engine.url))
        try:
            with engine.connect() as connection:
                missing = upgrade.missing_columns(connection, metadata)
        except SQLAlchemyError as error:
            engine.dispose()
            raise _cannot_open(engine.url) from error
        if missing:
            engine.dispose()
            raise _cannot_open(engine.url)
        return cls(engine)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One transaction: committed to the disk when the block ends, rolled back when it raises."""
        with self._engine.begin() as connection:
            transaction = Transaction(connection)
            yield transaction
            transaction.finish()


class Transaction:
    """What can be read and written within one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._needs: set[row_locks.Need] = set()
        self._last: list[Callable[[], None]] = []

    def at_end(self, needs: Iterable[row_locks.Need], do: Callable[[], None]) -> None:
        """Have something done before the commit, in the order of these calls, when all that they need is locked.

        What the messages of several terminals want of the same rows is done so, in whatever order they came.
        """
        self._needs.update(needs)
        self._last.append(do)

    def finish(self) -> None:
        """Do what was left to the end."""
        row_locks.lock(self._connection, self._needs)
        for do in self._last:
            do()
        self._needs.clear()
        self._last.clear()

    @property
    def connection(self) -> sa.Connection:
        """For the tables that have files of their own."""
        return self._connection

    def position(self, chain_id: bytes) -> Position | None:
        """The committed head of a chain, its row locked until the transaction ends."""
        row = self._connection.execute(_CHAIN, {"chain_id": chain_id}).one_or_none()
        return None if row is None else Position(row.terminal, row.chain_id, row.seq, row.hash)

    def hashes(self, chain_id: bytes, first: int, last: int) -> Mapping[int, bytes]:
        """The hashes of the committed records from `first` to `last`, by seq."""
        columns = record_table.c
        query = sa.select(columns.seq, columns.hash).where(
            columns.chain_id == chain_id, columns.seq.between(first, last)
        )
        return {row.seq: row.hash for row in self._connection.execute(query)}

    def holds_any(self, ids: Sequence[bytes]) -> bool:
        """Whether a record with one of these ids is committed, in whatever chain."""
        return record_rows.holds_any(self._connection, record_table, ids)

    def append(self, terminal: str, chain_id: bytes, records: Sequence[Arrived], now_ms: int) -> Position:
        """Store consecutive, verified records and move the chain's head to the last of them."""
        self.fill(chain_id, records, now_ms)
        head = Position(terminal, chain_id, records[-1].seq, records[-1].hash)
        self._upsert(
            chain_table,
            {"chain_id": chain_id},
            insert={"terminal": terminal, "first_ms": now_ms},
            always={"seq": head.seq, "hash": head.hash, "last_ms": now_ms},
        )
        return head

    def fill(self, chain_id: bytes, records: Sequence[Arrived], now_ms: int) -> None:
        """Store verified records that lie before the chain's head."""
        rows = [record_row(chain_id, arrived, now_ms) for arrived in records]
        record_rows.insert(self._connection, record_table, rows)

    def understood(self, arrived: Arrived) -> bytes:
        """Fill in what a record says that could not be read when it was committed; the id of its chain."""
        columns = record_table.c
        query = sa.select(columns.chain_id, columns.received_ms).where(columns.id == arrived.id)
        place = self._connection.execute(query).one()
        row = dict(
            zip(record_table.columns.keys(), record_row(place.chain_id, arrived, place.received_ms), strict=True)
        )
        self._connection.execute(sa.update(record_table).where(columns.id == arrived.id).values(**row))
        chain_id: bytes = place.chain_id
        return chain_id

    def seen(self, terminal: str, now_ms: int) -> None:
        """Note that the terminal sent something."""
        self._upsert(terminal_table, {"terminal": terminal}, {"first_seen_ms": now_ms}, {"last_seen_ms": now_ms})

    def greeted(self, terminal: str, chain_id: bytes, nonce: bytes, head: int, first_retained: int) -> None:
        """Keep what the terminal's latest hello announced."""
        change = sa.update(terminal_table).where(terminal_table.c.terminal == terminal)
        said = {"chain_id": chain_id, "nonce": nonce, "head": head, "first_retained": first_retained}
        self._connection.execute(change.values(**said))

    def first_retained(self, terminal: str, chain_id: bytes) -> int | None:
        """The first record that the terminal still had of this chain, by its latest hello."""
        columns = terminal_table.c
        query = sa.select(columns.first_retained).where(columns.terminal == terminal, columns.chain_id == chain_id)
        return self._connection.execute(query).scalar_one_or_none()

    def nonce(self, terminal: str, chain_id: bytes) -> bytes | None:
        """The nonce of the terminal's latest hello, if that was for this chain."""
        return self._connection.execute(_NONCE, {"terminal": terminal, "chain_id": chain_id}).scalar_one_or_none()

    def set_state(self, terminal: str, presence: str, since_ms: int, body: bytes, now_ms: int) -> None:
        """Keep the terminal's latest state message."""
        values = {"presence": presence, "since_ms": since_ms, "received_ms": now_ms, "body": body}
        self._upsert(state_table, {"terminal": terminal}, {}, values)

    def forget_presence(self) -> None:
        """What was heard before the platform stopped says nothing about now."""
        self._connection.execute(sa.update(state_table).values(presence=UNKNOWN))

    def alarm(
        self, terminal: str, source: str, code: str, now_ms: int, detail: str | None = None, count: int = 1
    ) -> None:
        """Count an alarm. Beyond `MAX_ALARM_ROWS` kinds a terminal they are counted together as `more-alarms`."""
        key = {"terminal": terminal, "source": source, "code": code}
        if self._count_alarms(key) == 0 and self._count_alarms({"terminal": terminal}) >= MAX_ALARM_ROWS:
            key |= {"source": "platform", "code": MORE_ALARMS}
            detail = None
        self._upsert(
            alarm_table,
            key,
            insert={"first_ms": now_ms},
            always={"last_ms": now_ms, "detail": detail},
            add={"times": count},
        )

    def terminals(self) -> Sequence[sa.Row[Any]]:
        """Every terminal with its state, its current chain's head and the number of its alarms.

        Where its box was retired or replaced, and no other has said hello, its last chain counts as the current one.
        """
        alarms = sa.select(alarm_table.c.terminal, sa.func.sum(alarm_table.c.times).label("alarms"))
        alarms_by_terminal = alarms.group_by(alarm_table.c.terminal).subquery()
        query = (
            sa.select(
                terminal_table,
                state_table.c.presence,
                state_table.c.since_ms,
                state_table.c.received_ms.label("presence_ms"),
                sa.func.coalesce(chain_table.c.seq, 0).label("seq"),
                sa.func.coalesce(alarms_by_terminal.c.alarms, 0).label("alarms"),
            )
            .outerjoin(state_table, state_table.c.terminal == terminal_table.c.terminal)
            .outerjoin(chain_table, chain_table.c.chain_id == sa.func.coalesce(terminal_table.c.chain_id, _LAST_CHAIN))
            .outerjoin(alarms_by_terminal, alarms_by_terminal.c.terminal == terminal_table.c.terminal)
            .order_by(terminal_table.c.terminal)
        )
        return self._connection.execute(query).all()

    def alarms(self, terminal: str | None = None) -> Sequence[sa.Row[Any]]:
        """The alarms, of one terminal or of all, the latest first."""
        query = sa.select(alarm_table).order_by(alarm_table.c.last_ms.desc())
        if terminal is not None:
            query = query.where(alarm_table.c.terminal == terminal)
        return self._connection.execute(query).all()

    def chains(self, terminal: str | None = None) -> Sequence[Position]:
        """The chains, of one terminal or of all, the oldest first."""
        query = sa.select(chain_table).order_by(chain_table.c.terminal, chain_table.c.first_ms)
        if terminal is not None:
            query = query.where(chain_table.c.terminal == terminal)
        return [Position(row.terminal, row.chain_id, row.seq, row.hash) for row in self._connection.execute(query)]

    def records(self, chain_id: bytes) -> Iterator[sa.Row[Any]]:
        """A chain's records in order, read in pieces."""
        query = sa.select(record_table).where(record_table.c.chain_id == chain_id).order_by(record_table.c.seq)
        yield from self._connection.execute(query.execution_options(yield_per=1000))

    def _count_alarms(self, key: Mapping[str, str]) -> int:
        query = sa.select(sa.func.count()).select_from(alarm_table).filter_by(**key)
        return self._connection.execute(query).scalar_one()

    def _upsert(
        self,
        table: sa.Table,
        key: Mapping[str, object],
        insert: Mapping[str, object],
        always: Mapping[str, object],
        add: Mapping[str, int] | None = None,
    ) -> None:
        """Insert `key`, `insert`, `always` and `add`; on a row that is there set `always` and add `add`."""
        added = add or {}
        statement = _upsert(
            self._connection.dialect.name, table, tuple(key), tuple(insert), tuple(always), tuple(added)
        )
        self._connection.execute(statement, {**key, **insert, **always, **added})


_CHAIN = sa.select(chain_table).where(chain_table.c.chain_id == sa.bindparam("chain_id")).with_for_update()
_NONCE = sa.select(terminal_table.c.nonce).where(
    terminal_table.c.terminal == sa.bindparam("terminal"), terminal_table.c.chain_id == sa.bindparam("chain_id")
)
_CHAINS = chain_table.alias()
_LAST_CHAIN = (
    sa.select(_CHAINS.c.chain_id)
    .where(_CHAINS.c.terminal == terminal_table.c.terminal)
    .order_by(_CHAINS.c.first_ms.desc(), _CHAINS.c.last_ms.desc())
    .limit(1)
    .correlate(terminal_table)
    .scalar_subquery()
)
# Statements that every message needs are built once: building one costs SQLAlchemy more than running it.


@lru_cache
def _upsert(
    dialect: str,
    table: sa.Table,
    key: tuple[str, ...],
    insert: tuple[str, ...],
    always: tuple[str, ...],
    add: tuple[str, ...],
) -> sa.Insert:
    statement: postgresql.Insert | sqlite.Insert = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    said = statement.excluded
    changes = {name: said[name] for name in always} | {name: table.c[name] + said[name] for name in add}
    values: dict[str, sa.BindParameter[Any]] = {name: sa.bindparam(name) for name in (*key, *insert, *always, *add)}
    return statement.values(values).on_conflict_do_update(index_elements=list(key), set_=changes)


def sqlite_url(path: Path) -> str:
    """The URL of an SQLite file."""
    return str(sa.URL.create("sqlite", database=str(path.absolute())))


def record_row(chain_id: bytes, arrived: Arrived, now_ms: int) -> tuple[Any, ...]:
    """The columns of one record, in the table's order; of one that could not be read, its place and its bytes."""
    place = (chain_id, arrived.seq, arrived.id, arrived.hash)
    if arrived.fields is None:
        return (*place, UNREAD, now_ms, None, None, None, None, now_ms, arrived.body)
    get = arrived.fields.get
    said = (get(KIND), get(TIME_MS), get(LANE), get(PROFILE), get(REASON), get(REFERS_TO))
    return (*place, *said, now_ms, arrived.body)


def _engine(url: str | sa.URL) -> sa.Engine:
    try:
        engine = sa.create_engine(url)
    except (SQLAlchemyError, ImportError) as error:
        raise PlatformError(
            say(
                "数据库地址无法使用：应为 sqlite:///文件 或 postgresql+psycopg://…，并已安装对应的驱动。",
                "The database URL is not usable: write sqlite:///FILE or postgresql+psycopg://…, its driver installed.",
            )
        ) from error
    return engine


def _read_only(url: sa.URL) -> sa.URL:
    if url.get_backend_name() != "sqlite":
        return url
    return url.set(database=f"file:{url.database}").update_query_dict({"mode": "ro", "uri": "true"})


def _configure_writer(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver would begin late, after the first reads
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_S * 1000}")


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _cannot_open(url: sa.URL) -> PlatformError:
    # A file is named by its path, not by the URL that opens it for reading.
    if url.get_backend_name() != "sqlite":
        server = url.render_as_string(hide_password=True)
        return PlatformError(
            say(
                f"无法使用数据库 {server}：请检查主机、用户、密码和库名，以及平台是否启动过。",
                f"Cannot use the database {server}: check host, user, password, name, and that the platform ever ran.",
            )
        )
    shown = (url.database or "").removeprefix("file:")
    if Path(shown).is_file():
        return PlatformError(
            say(
                f"{shown} 不是本版本的平台数据库：先启动一次平台（onecard platform run）；仍不行，则文件已损坏。",
                f"{shown} is no database of this version's platform: start it once (onecard platform run); if that"
                " changes nothing, the file is damaged.",
            )
        )
    return PlatformError(
        say(
            f"无法打开平台数据库 {shown}：平台启动过吗（onecard platform run）？",
            f"Cannot open the platform's database {shown}: was the platform ever started (onecard platform run)?",
        )
    )
