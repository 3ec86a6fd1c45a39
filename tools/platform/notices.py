"""Notices: what terminals record of pupils' passages, and the feed in which each guardian is told of it exactly once.

A notice follows from its record in the transaction that commits it, so it comes once, however often the wire delivers
the record, and also where a rescued journal carries it. What the terminal could not know is decided here:

1. the same way again within :data:`AGAIN_MS`, at whichever terminal, is the same passage, and is told once;
2. who had come to school before that day, by whichever gate, has not come late;
3. what comes :data:`STALE_MS` after the event, or after something later was told of the same pupil, is told as stale:
   it is history, and no news;
4. what is more than :data:`AHEAD_MS` ahead of the moment it comes is of a clock that runs wrong: it is told, as stale,
   and nothing else goes by its time.

Each feed has numbers of its own, without a gap, in the order of telling; whoever has read up to a number asks for what
follows it. A day of school is China's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

import sqlalchemy as sa

from offline_store.record import Record
from profiles.api import Kind
from profiles.rules.attendance import NoticeReason
from tools.platform.evidence import inner
from tools.platform.ledger import Owner
from tools.platform.pupils import guardian_head_table, guardians_of, head_of, row_of
from tools.platform.row_locks import Need
from tools.platform.store import Transaction, metadata

AGAIN_MS = 5 * 60_000
STALE_MS = 10 * 60_000
AHEAD_MS = 10 * 60_000
CHINA = timezone(timedelta(hours=8))
_BY_CODE = {reason.code: reason for reason in NoticeReason}
WENT = frozenset({NoticeReason.WENT_OUT.code, NoticeReason.WENT_ON_LEAVE.code})
CAME = frozenset(_BY_CODE) - WENT
_MAX_CLASS_CHARS = 32
_MAX_MINUTES = 1 << 31

notice_table = sa.Table(
    "notice",
    metadata,
    sa.Column("id", sa.LargeBinary, primary_key=True, comment="of the record"),
    sa.Column("terminal", sa.String(32), nullable=False),
    sa.Column("namespace", sa.String(64), nullable=False),
    sa.Column("subject", sa.LargeBinary, nullable=False),
    sa.Column("reason", sa.String(32), nullable=False, comment="as the terminal has it"),
    sa.Column("class", sa.String(32), nullable=False),
    sa.Column("lessons", sa.Boolean, nullable=False),
    sa.Column("minutes_late", sa.Integer, nullable=False),
    sa.Column("back_by_ms", sa.BigInteger),
    sa.Column("time_ms", sa.BigInteger, nullable=False, index=True, comment="of the event"),
    sa.Column("received_ms", sa.BigInteger, nullable=False),
    sa.Column("duplicate_of", sa.LargeBinary, comment="the notice by which this passage was told already"),
    sa.Index("notice_by_pupil", "namespace", "subject", "time_ms"),
)
IN_TIME = notice_table.c.time_ms <= notice_table.c.received_ms + AHEAD_MS
"""Of a clock that may be believed."""
feed_table = sa.Table(
    "guardian_feed",
    metadata,
    sa.Column("namespace", sa.String(64), primary_key=True, comment="the guardian"),
    sa.Column("subject", sa.LargeBinary, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("notice", sa.LargeBinary, nullable=False),
    sa.Column("reason", sa.String(32), nullable=False, comment="as it is told"),
    sa.Column("stale", sa.Boolean, nullable=False),
    sa.Index("feed_once", "namespace", "subject", "notice", unique=True),
)


@dataclass(frozen=True, slots=True)
class Told:
    """One entry of a guardian's feed."""

    number: int
    pupil: Owner
    reason: NoticeReason
    time_ms: int
    received_ms: int
    minutes_late: int
    back_by_ms: int | None
    stale: bool


class Notices:
    """The notices of one terminal's message."""

    def __init__(self, transaction: Transaction, terminal: str, now_ms: int, records: Iterable[Record]) -> None:
        self._transaction = transaction
        self._terminal = terminal
        self._now_ms = now_ms
        self._records = sorted(_notices(records), key=lambda record: (record.entry.time_ms, record.entry.id))

    def __bool__(self) -> bool:
        return bool(self._records)

    def needs(self) -> list[Need]:
        """The pupils' rows and the ends of their guardians' feeds: nobody is told twice by two workers."""
        pupils = {_pupil(record) for record in self._records}
        guardians = {each for pupil in pupils for each in guardians_of(self._transaction, pupil)}
        return [*map(row_of, pupils), *map(head_of, guardians)]

    def take(self) -> None:
        """Keep each, and tell the guardians."""
        for record in self._records:
            known = sa.select(notice_table.c.id).where(notice_table.c.id == record.entry.id)
            if self._transaction.connection.execute(known).first() is None:
                self._tell(record)

    def _tell(self, record: Record) -> None:
        pupil, at_ms, code = _pupil(record), record.entry.time_ms, record.entry.reason or ""
        before, after = self._beside(pupil, at_ms)
        row = _row(record) | {"terminal": self._terminal, "received_ms": self._now_ms}
        row["duplicate_of"] = next(
            (each.id for each in (before, after) if each is not None and _is_same(each, code, at_ms)), None
        )
        told = code
        is_of_a_time_to_go_by = at_ms <= self._now_ms + AHEAD_MS
        if code == NoticeReason.CAME_LATE.code and is_of_a_time_to_go_by and self._was_here_before(pupil, at_ms):
            told = NoticeReason.CAME_IN.code
        self._transaction.connection.execute(sa.insert(notice_table).values(row))
        if row["duplicate_of"] is None:
            stale = not -AHEAD_MS <= self._now_ms - at_ms <= STALE_MS or after is not None
            for guardian in guardians_of(self._transaction, pupil):
                self._add(guardian, record.entry.id, told, stale)

    def _add(self, guardian: Owner, notice: bytes, reason: str, stale: bool) -> None:
        head = guardian_head_table.c
        whose = sa.and_(head.namespace == guardian[0], head.subject == guardian[1])
        connection = self._transaction.connection
        number = int(connection.execute(sa.select(head.told).where(whose)).scalar_one()) + 1
        connection.execute(sa.update(guardian_head_table).where(whose).values(told=number))
        row = {"namespace": guardian[0], "subject": guardian[1], "number": number, "notice": notice}
        connection.execute(sa.insert(feed_table).values(**row, reason=reason, stale=stale))

    def _beside(self, pupil: Owner, at_ms: int) -> tuple[sa.Row[Any] | None, sa.Row[Any] | None]:
        """The pupil's notices just before and just after a moment, by the time of the event."""
        columns = notice_table.c
        query = sa.select(notice_table).where(columns.namespace == pupil[0], columns.subject == pupil[1], IN_TIME)
        earlier = query.where(columns.time_ms <= at_ms).order_by(columns.time_ms.desc(), columns.id.desc()).limit(1)
        later = query.where(columns.time_ms > at_ms).order_by(columns.time_ms, columns.id).limit(1)
        execute = self._transaction.connection.execute
        return execute(earlier).one_or_none(), execute(later).one_or_none()

    def _was_here_before(self, pupil: Owner, at_ms: int) -> bool:
        day_ms, _ = day_of(datetime.fromtimestamp(at_ms / 1000, CHINA).date())
        columns = notice_table.c
        query = sa.select(columns.id).where(columns.namespace == pupil[0], columns.subject == pupil[1])
        query = query.where(columns.time_ms >= day_ms, columns.time_ms < at_ms, columns.reason.in_(CAME), IN_TIME)
        return self._transaction.connection.execute(query.limit(1)).first() is not None


def feed(transaction: Transaction, guardian: Owner, after: int = 0, most: int = 1_000) -> Sequence[Told]:
    """What a guardian was told after a number, at most so many; by the time of the event."""
    columns = feed_table.c
    query = sa.select(
        feed_table.c.number, feed_table.c.reason.label("told"), feed_table.c.stale, notice_table
    ).join_from(feed_table, notice_table, columns.notice == notice_table.c.id)
    whose = query.where(columns.namespace == guardian[0], columns.subject == guardian[1], columns.number > after)
    rows = transaction.connection.execute(whose.order_by(columns.number).limit(most)).all()
    told = [
        Told(
            number=int(row.number),
            pupil=(row.namespace, row.subject),
            reason=_BY_CODE[row.told],
            time_ms=int(row.time_ms),
            received_ms=int(row.received_ms),
            minutes_late=int(row.minutes_late),
            back_by_ms=None if row.back_by_ms is None else int(row.back_by_ms),
            stale=bool(row.stale),
        )
        for row in rows
    ]
    return sorted(told, key=lambda each: (each.time_ms, each.number))


def day_of(day: date) -> tuple[int, int]:
    """The first millisecond of a day of school, and that of the next."""
    begins = datetime.combine(day, time.min, CHINA)
    return round(begins.timestamp() * 1000), round((begins + timedelta(days=1)).timestamp() * 1000)


def _notices(records: Iterable[Record]) -> Iterable[Record]:
    for record in map(inner, records):
        entry = record.entry
        if entry.kind == Kind.NOTICE and entry.reason in _BY_CODE and entry.subject is not None:
            yield record


def _pupil(record: Record) -> Owner:
    subject = record.entry.subject
    return ("", b"") if subject is None else (subject[0], subject[1])


def _is_same(other: sa.Row[Any], code: str, at_ms: int) -> bool:
    return (other.reason in CAME) is (code in CAME) and bool(abs(other.time_ms - at_ms) < AGAIN_MS)


def _is_class(name: object) -> bool:
    """Whether it is a name that every database holds."""
    return isinstance(name, str) and len(name) <= _MAX_CLASS_CHARS and name.isprintable()


def _row(record: Record) -> dict[str, Any]:
    """What a record says, as far as a terminal that keeps the contract would say it."""
    entry, (namespace, subject) = record.entry, _pupil(record)
    public: Mapping[str, Any] = entry.public
    class_name, late, back_by_ms = public.get("class"), public.get("minutes_late"), public.get("back_by_ms")
    return {
        "id": entry.id,
        "namespace": namespace,
        "subject": subject,
        "reason": entry.reason,
        "class": class_name if _is_class(class_name) else "",
        "lessons": public.get("lessons") is True,
        "minutes_late": late if type(late) is int and 0 <= late < _MAX_MINUTES else 0,
        "back_by_ms": back_by_ms if type(back_by_ms) is int and 0 <= back_by_ms < 1 << 53 else None,
        "time_ms": entry.time_ms,
    }
