"""The commands that the operator gave to terminals, and what became of them.

Each has a number, above that of the terminal's last, and is bound to the chain of the terminal's latest hello. The
number is the time, where that is above: a platform that went back to a backup has forgotten which numbers it gave, and
a terminal hears none of them twice. What the terminal says on the link is a first word; the record in its journal is
the last.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from agent import cose
from agent.command_reasons import COMMAND, CommandReason
from agent.sync.contract.commands import LIFE_MS, Command, Result, sign_command
from offline_store.record import Record
from profiles.direction import Direction
from tools.platform.store import Transaction, metadata, terminal_table

MAX_OPEN = 64
"""Of one terminal, without an answer and not ended."""
MAX_KEPT = 256
"""Of one terminal, the latest."""
DEFAULT_LIFE_MS = 86_400_000
_ID_BYTES = 16

MAX_REASON_CHARS = 40
"""As a result of the contract has it; a record may say more, and then says nothing that a terminal says."""

command_table = sa.Table(
    "command",
    metadata,
    sa.Column("terminal", sa.String(32), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("act", sa.String(40), nullable=False),
    sa.Column("lane", sa.String(64)),
    sa.Column("direction", sa.String(8)),
    sa.Column("issued_ms", sa.BigInteger, nullable=False),
    sa.Column("expires_ms", sa.BigInteger, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False, comment="the signed command"),
    sa.Column("accepted_ms", sa.BigInteger, comment="by the terminal's record, which precedes the act"),
    sa.Column("reason", sa.String(MAX_REASON_CHARS), comment="what became of it"),
    sa.Column("answered_ms", sa.BigInteger),
    sa.Column("seq", sa.BigInteger, comment="of the journal's record that says so; null: only the link did"),
    sa.Column("report", sa.LargeBinary, comment="what the terminal said of itself, a zstd frame of JSON"),
    sa.Index("command_by_end", "expires_ms"),
)


class NotHeardOf(Exception):
    """The terminal has never said hello: nobody knows its chain."""


class TooMany(Exception):
    """So many of its commands wait for an answer."""


def issue(
    transaction: Transaction,
    signer: cose.Signer,
    terminal: str,
    act: str,
    lane: str | None,
    now_ms: int,
    life_ms: int | None = None,
    direction: Direction | None = None,
) -> bytes:
    """Sign a command and keep it until the terminal has answered; its id.

    Raises :class:`NotHeardOf` and :class:`TooMany`.
    """
    chain_id = _chain(transaction, terminal)
    rows = transaction.connection.execute(_OF.where(_C.terminal == terminal).order_by(_C.number)).all()
    if sum(row.reason is None and row.expires_ms > now_ms for row in rows) >= MAX_OPEN:
        raise TooMany
    command = Command(
        terminal=terminal,
        chain_id=chain_id,
        id=secrets.token_bytes(_ID_BYTES),
        number=max(rows[-1].number + 1 if rows else 1, now_ms),
        issued_ms=now_ms,
        expires_ms=now_ms + (life_ms or LIFE_MS.get(act, DEFAULT_LIFE_MS)),
        act=act,
        lane=lane,
        direction=direction,
    )
    names = {"terminal", "number", "id", "act", "lane", "direction", "issued_ms", "expires_ms"}
    said = command.model_dump(mode="python", include=names)
    transaction.connection.execute(sa.insert(command_table).values(**said, payload=sign_command(command, signer)))
    if len(rows) >= MAX_KEPT:
        too_old = rows[len(rows) - MAX_KEPT].number
        transaction.connection.execute(sa.delete(command_table).where(_C.terminal == terminal, _C.number <= too_old))
    return command.id


def due(transaction: Transaction, now_ms: int) -> Sequence[sa.Row[Any]]:
    """What terminals have to hear: neither answered nor ended, in the order of its numbers."""
    waiting = _OF.where(_C.reason.is_(None), _C.expires_ms > now_ms).order_by(_C.terminal, _C.number)
    return transaction.connection.execute(waiting).all()


def all_of(transaction: Transaction, terminal: str | None = None) -> Sequence[sa.Row[Any]]:
    """The commands, of one terminal or of all, the latest first."""
    query = _OF.order_by(_C.issued_ms.desc(), _C.terminal, _C.number.desc())
    return transaction.connection.execute(query if terminal is None else query.where(_C.terminal == terminal)).all()


def told(transaction: Transaction, terminal: str, result: Result) -> bool:
    """Note what the terminal says on the link; whether it was given such a command. The journal's word stands."""
    mine = (_C.terminal == terminal, _C.id == result.id)
    if transaction.connection.execute(sa.select(_C.number).where(*mine)).first() is None:
        return False
    values: dict[str, object] = {"reason": result.reason, "answered_ms": result.at_ms}
    transaction.connection.execute(sa.update(command_table).where(*mine, _C.seq.is_(None)).values(**values))
    if result.report is not None:
        transaction.connection.execute(sa.update(command_table).where(*mine).values(report=result.report))
    return True


def recorded(transaction: Transaction, terminal: str, records: Sequence[Record]) -> None:
    """Note what the terminal's journal says of commands."""
    for record in records:
        if record.entry.kind != COMMAND:
            continue
        command_id, reason = record.entry.public.get("command"), record.entry.reason
        if not isinstance(command_id, str) or reason is None or len(reason) > MAX_REASON_CHARS:
            continue
        values: dict[str, object] = {"reason": reason, "answered_ms": record.entry.time_ms, "seq": record.seq}
        if reason == CommandReason.ACCEPTED.code:
            values = {"accepted_ms": record.entry.time_ms}
        try:
            mine = (_C.terminal == terminal, _C.id == bytes.fromhex(command_id))
        except ValueError:
            continue
        transaction.connection.execute(sa.update(command_table).where(*mine).values(**values))


def _chain(transaction: Transaction, terminal: str) -> bytes:
    columns = terminal_table.c
    query = sa.select(columns.chain_id).where(columns.terminal == terminal).with_for_update()
    chain_id = transaction.connection.execute(query).scalar_one_or_none()
    if chain_id is None:
        raise NotHeardOf
    return bytes(chain_id)


_C = command_table.c
_OF = sa.select(command_table)
