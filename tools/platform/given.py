"""Replies that were given, so that a question which the wire delivers twice is answered once, and alike.

A reply is kept until its question's end: after it a question is answered with `expired`, whatever was said before. Of
payments only the nonce counts here, and the intent itself remembers what was said (:mod:`tools.platform.holds`): a yes
to one that has ended must not come again.
"""

from __future__ import annotations

import sqlalchemy as sa

from agent.sync.contract import Question, Reply
from agent.sync.contract.questions import decode_reply
from tools.platform.store import Transaction, metadata

MAX_KEPT = 4_096
"""Of one terminal: it has 64 questions open at most, each for a minute."""
MAX_AHEAD_MS = 3_600_000
"""How far a terminal's clock may be ahead; no reply is kept for longer, and no question of a later time answered."""

given_table = sa.Table(
    "given_reply",
    metadata,
    sa.Column("terminal", sa.String(32), primary_key=True),
    sa.Column("nonce", sa.LargeBinary, primary_key=True),
    sa.Column("question", sa.LargeBinary, nullable=False, comment="SHA-256 of the question's exact bytes"),
    sa.Column("expires_ms", sa.BigInteger, nullable=False),
    sa.Column("reply", sa.LargeBinary, nullable=False, comment="as it was signed"),
)


class Given:
    """The replies that one terminal was given."""

    def __init__(self, transaction: Transaction, terminal: str, now_ms: int) -> None:
        self._connection = transaction.connection
        self._terminal = terminal
        self._now_ms = now_ms

    def to(self, nonce: bytes, question_hash: bytes) -> Reply | str | None:
        """The reply to these exact bytes; a code of the contract where the nonce was another question's."""
        columns = given_table.c
        query = sa.select(columns.question, columns.reply).where(
            columns.terminal == self._terminal, columns.nonce == nonce
        )
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return None
        return decode_reply(row.reply) if row.question == question_hash else "nonce-reused"

    def has_room(self) -> bool:
        """Whether another one may be kept; what is past its end goes."""
        columns = given_table.c
        mine = columns.terminal == self._terminal
        self._connection.execute(sa.delete(given_table).where(mine, columns.expires_ms < self._now_ms))
        count = sa.select(sa.func.count()).select_from(given_table).where(mine)
        return int(self._connection.execute(count).scalar_one()) < MAX_KEPT

    def keep(self, question: Question, reply: Reply) -> Reply:
        """Keep what is said to a question; the same reply."""
        row = {
            "terminal": self._terminal,
            "nonce": question.nonce,
            "question": reply.question,
            "expires_ms": question.expires_ms,
            "reply": reply.encode(),
        }
        self._connection.execute(sa.insert(given_table).values(row))
        return reply
