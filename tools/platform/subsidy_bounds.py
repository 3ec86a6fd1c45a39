"""How often one terminal may ask about subsidies, and guess: who stole one would try a few PINs of each of many cards.

A holder's own bound (:mod:`tools.platform.subsidies`) counts one card; this one counts a terminal, over all cards.
"""

from __future__ import annotations

import sqlalchemy as sa

from tools.platform.store import Transaction, metadata

MINUTE_MS, DAY_MS = 60_000, 24 * 3_600_000
MAX_A_MINUTE = 12
"""Questions of one terminal, before each of which somebody types a PIN or shows a phone."""
MAX_WRONG_A_DAY = 30
"""Wrong PINs of one terminal in 24 hours, of all cards: then it is told nothing until the first is old."""
GUESSED = "pins-guessed"

subsidy_question_table = sa.Table(
    "subsidy_question",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("terminal", sa.String(32), nullable=False),
    sa.Column("asked_ms", sa.BigInteger, nullable=False),
    sa.Column("wrong", sa.Boolean, nullable=False, comment="whether it was a wrong PIN, and no question counted"),
    sa.Index("subsidy_question_by_terminal", "terminal", "wrong", "asked_ms"),
)


def may_ask(transaction: Transaction, terminal: str, now_ms: int) -> bool:
    """Whether a terminal may ask once more; if so, that is counted. What is older than a day goes."""
    columns = subsidy_question_table.c
    old = (columns.terminal == terminal) & (columns.asked_ms <= now_ms - DAY_MS)
    transaction.connection.execute(sa.delete(subsidy_question_table).where(old))
    if _count(transaction, terminal, now_ms - MINUTE_MS, wrong=False) >= MAX_A_MINUTE:
        return False
    if _count(transaction, terminal, now_ms - DAY_MS, wrong=True) >= MAX_WRONG_A_DAY:
        return False
    _note(transaction, terminal, now_ms, wrong=False)
    return True


def guessed(transaction: Transaction, terminal: str, now_ms: int) -> None:
    """Count a wrong PIN; the one that meets the bound is an alarm about the terminal."""
    _note(transaction, terminal, now_ms, wrong=True)
    if _count(transaction, terminal, now_ms - DAY_MS, wrong=True) >= MAX_WRONG_A_DAY:
        transaction.alarm(terminal, "platform", GUESSED, now_ms, f"{MAX_WRONG_A_DAY} wrong PINs within a day")


def _count(transaction: Transaction, terminal: str, after_ms: int, *, wrong: bool) -> int:
    columns = subsidy_question_table.c
    query = sa.select(sa.func.count()).select_from(subsidy_question_table)
    query = query.where(columns.terminal == terminal, columns.wrong == wrong, columns.asked_ms > after_ms)
    return int(transaction.connection.execute(query).scalar_one())


def _note(transaction: Transaction, terminal: str, now_ms: int, *, wrong: bool) -> None:
    row = {"terminal": terminal, "asked_ms": now_ms, "wrong": wrong}
    transaction.connection.execute(sa.insert(subsidy_question_table).values(row))
