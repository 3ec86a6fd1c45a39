"""Whether a terminal may ask what it asks: bounds that a stolen one meets, and one that somebody asks in the name of.

Each terminal is registered for what it may ask (:mod:`tools.platform.registrations`). Beyond that:

1. it has so many holds alive, of so much in all, and asks so many questions about money a minute;
2. evidence that comes with a question is verified as a record's is. What is wrong with it is a no, and a showing serves
   one terminal and one payment;
3. whom nothing proves to be there, as with a card that was merely read, has little held at once, by all terminals
   together, and less often where nothing came of it: nobody's balance is held for ever by a name that somebody knows;
4. a balance is told to whom a phone's code proves, and to a card only at terminals that are there for it.

The order is that of the checks, and each refusal is a code of the contract. What is asked is kept for as long as a
showing could be fresh, and goes then and not before: a row each, for the ids are the terminal's own choice, and none of
them may make another question be forgotten.
"""

from __future__ import annotations

import sqlalchemy as sa

from agent.sync.contract import Authorise, QueryBalance
from tools.platform.evidence import DOUBTFUL, Judge, Verdict, evidence_table
from tools.platform.given import MAX_AHEAD_MS
from tools.platform.holds import TOO_MANY, UNPROVEN_CAP_FEN
from tools.platform.intents import State, intent_table
from tools.platform.ledger import Owner
from tools.platform.register import Register
from tools.platform.registrations import Registration, registration
from tools.platform.store import Transaction, metadata

UNREGISTERED = "terminal-not-registered"
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
KEPT_MS = 2 * MAX_AHEAD_MS
MAX_A_MINUTE = 240
"""Questions about money of one terminal: four a second, all minute long."""
MAX_UNPROVEN_HOLDS = 4
"""Of one account at once, of all terminals together; their sum is bounded by `UNPROVEN_CAP_FEN`."""
MAX_FRUITLESS_HOLDS = 8
"""Of one account in an hour that nothing proved and no payment followed."""
MAX_UNPROVEN_BALANCES = 120
"""Told in an hour by one terminal that may tell a balance to cards."""

asked_table = sa.Table(
    "question_asked",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("terminal", sa.String(32), nullable=False),
    sa.Column("intent_id", sa.LargeBinary, comment="of a question that pays"),
    sa.Column("namespace", sa.String(64), nullable=False, comment="whose account it is about"),
    sa.Column("subject", sa.LargeBinary, nullable=False),
    sa.Column("proven", sa.Boolean, nullable=False),
    sa.Column("showing", sa.LargeBinary, comment="of a dynamic code", index=True),
    sa.Column("asked_ms", sa.BigInteger, nullable=False),
    sa.Index("asked_about_owner", "namespace", "subject", "asked_ms"),
    sa.Index("asked_by_terminal", "terminal", "asked_ms"),
)


class Gate:
    """What one terminal may ask within one transaction; ``judge`` opens evidence."""

    def __init__(self, transaction: Transaction, terminal: str, now_ms: int, judge: Judge | None) -> None:
        self._transaction = transaction
        self._connection = transaction.connection
        self._register = Register(transaction)
        self._terminal = terminal
        self._now_ms = now_ms
        self._judge = judge

    def objection(self, question: Authorise, owner: Owner) -> str | None:
        """What speaks against a hold on the owner's account. After `TOO_MANY` nothing of the question is kept."""
        if self._count(MINUTE_MS) >= MAX_A_MINUTE:
            return TOO_MANY
        verdict, showing = self._verdict(question)
        proven = self._proves(verdict, question, question.subject)
        code = self._refusal(question, owner, verdict, proven=proven)
        self._keep(question, owner, showing, proven=proven)
        return code

    def _refusal(self, question: Authorise, owner: Owner, verdict: Verdict, *, proven: bool) -> str | None:
        allowed = registration(self._transaction, self._terminal)
        if allowed is None:
            return UNREGISTERED
        return (
            allowed.objection(question.merchant, question.account, _funds(question))
            or _of_evidence(verdict)
            or self._of_terminal(question, allowed)
            or (None if proven else self._of_unproven(question, owner))
        )

    def balance_objection(self, question: QueryBalance, person: Owner) -> str | None:
        """What speaks against telling this person's balance."""
        if self._count(MINUTE_MS) >= MAX_A_MINUTE:
            return TOO_MANY
        verdict, showing = self._verdict(question)
        proven = self._proves(verdict, question, person)
        allowed = registration(self._transaction, self._terminal)
        if allowed is None:
            code: str | None = UNREGISTERED
        else:
            unproven = None if proven else self._of_card(question, person, allowed)
            code = allowed.account_objection(question.account) or _of_evidence(verdict) or unproven
        self._keep(question, person, showing, proven=proven)
        return code

    # Evidence -------------------------------------------------------------------------------------------------------

    def _verdict(self, question: Authorise | QueryBalance) -> tuple[Verdict, bytes | None]:
        if self._judge is None:
            return Verdict.UNJUDGED, None
        verdict, showing = self._judge.asked(self._terminal, question)
        if showing is not None and self._is_used(showing, question):
            return Verdict.REUSED, None
        return verdict, showing

    def _proves(self, verdict: Verdict, question: Authorise | QueryBalance, person: Owner | None) -> bool:
        """A showing proves the medium; whose that is must not be the terminal's word alone."""
        if verdict is not Verdict.PROVEN or person is None or question.medium is None:
            return False
        return self._register.vouches(question.medium, person)

    def _is_used(self, showing: bytes, question: Authorise | QueryBalance) -> bool:
        """Whether it serves another terminal or another payment already, asked or recorded."""
        asked = sa.select(asked_table).where(asked_table.c.showing == showing)
        paying = _paying(question)
        for row in self._connection.execute(asked):
            if row.terminal != self._terminal or (row.intent_id and paying and row.intent_id != paying):
                return True
        told = sa.select(evidence_table.c.terminal, evidence_table.c.intent_id).where(
            evidence_table.c.showing == showing
        )
        return any(
            row.terminal != self._terminal or row.intent_id not in {None, paying}
            for row in self._connection.execute(told)
        )

    # Bounds ---------------------------------------------------------------------------------------------------------

    def _of_terminal(self, question: Authorise, allowed: Registration) -> str | None:
        columns = intent_table.c
        held = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(columns.amount_fen), 0)).where(
            columns.terminal == self._terminal, columns.state == State.HELD.value, columns.until_ms > self._now_ms
        )
        count, sum_fen = self._connection.execute(held).one()
        if count >= allowed.holds:
            return "too-many-holds"
        return "holds-exceed-limit" if int(sum_fen) + question.amount_fen > allowed.holds_fen else None

    def _of_unproven(self, question: Authorise, owner: Owner) -> str | None:
        held, state = intent_table.c, State.HELD.value
        alive = sa.and_(held.state == state, held.until_ms > self._now_ms)
        fruitless = sa.or_(
            held.state == State.RELEASED.value, sa.and_(held.state == state, held.until_ms <= self._now_ms)
        )
        count, sum_fen = self._unproven(owner, alive)
        if sum_fen + question.amount_fen > UNPROVEN_CAP_FEN:
            return "not-proven"
        if count >= MAX_UNPROVEN_HOLDS or self._unproven(owner, fruitless)[0] >= MAX_FRUITLESS_HOLDS:
            return "too-many-unproven"
        return None

    def _unproven(self, owner: Owner, which: sa.ColumnElement[bool]) -> tuple[int, int]:
        """How many holds nothing proves, and of how much, that an owner's account had in the last hour."""
        columns, held = asked_table.c, intent_table.c
        query = (
            sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(held.amount_fen), 0))
            .select_from(asked_table)
            .join(intent_table, sa.and_(columns.terminal == held.terminal, columns.intent_id == held.intent_id))
            .where(columns.namespace == owner[0], columns.subject == owner[1])
            .where(columns.asked_ms > self._now_ms - HOUR_MS, sa.not_(columns.proven), which)
        )
        count, sum_fen = self._connection.execute(query).one()
        return int(count), int(sum_fen)

    def _of_card(self, question: QueryBalance, person: Owner, allowed: Registration) -> str | None:
        if not (allowed.balances_by_card and self._register.is_holder(question.medium, person)):
            return "not-proven"
        columns = asked_table.c
        unproven = (sa.not_(columns.proven), columns.intent_id.is_(None))
        return "too-many-unproven" if self._count(HOUR_MS, *unproven) >= MAX_UNPROVEN_BALANCES else None

    # Rows -----------------------------------------------------------------------------------------------------------

    def _count(self, within_ms: int, *which: sa.ColumnElement[bool]) -> int:
        columns = asked_table.c
        query = sa.select(sa.func.count()).select_from(asked_table)
        query = query.where(columns.terminal == self._terminal, columns.asked_ms > self._now_ms - within_ms, *which)
        return int(self._connection.execute(query).scalar_one())

    def _keep(self, question: Authorise | QueryBalance, owner: Owner, showing: bytes | None, *, proven: bool) -> None:
        """Remember that it was asked; what is old goes."""
        columns = asked_table.c
        old = columns.asked_ms < self._now_ms - KEPT_MS
        self._connection.execute(sa.delete(asked_table).where(columns.terminal == self._terminal, old))
        row = {
            "terminal": self._terminal,
            "intent_id": _paying(question),
            "namespace": owner[0],
            "subject": owner[1],
            "proven": proven,
            "showing": showing,
            "asked_ms": self._now_ms,
        }
        self._connection.execute(sa.insert(asked_table).values(row))


def _of_evidence(verdict: Verdict) -> str | None:
    return f"evidence-{verdict}" if verdict in DOUBTFUL else None


def _funds(question: Authorise) -> set[str]:
    """Who pays, and who may."""
    return {fund for fund, _ in (*(question.funds or ()), *(question.accounts or ()))}


def _paying(question: Authorise | QueryBalance) -> bytes | None:
    return question.intent_id if isinstance(question, Authorise) else None
