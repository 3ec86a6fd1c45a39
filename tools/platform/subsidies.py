"""The reference subsidies: who was paid what (惠民惠农补贴), and the service PINs by which cards may ask.

A city's platform asks its finance department's system there; this one has tables, for tests and demonstrations. A
terminal asks for what it is registered for. Who asks must be there, and the platform sees that for itself:

* a code proves it once: a phone signed this showing, of this medium, to identify, and no other question had it; whose
  the medium is, the register says, or the code itself where it names nobody else, and never the terminal alone;
* a terminal asks so often, and guesses so many PINs a day, and no more (:mod:`tools.platform.subsidy_bounds`);
* a card proves it by the PIN of its holder. :data:`MAX_WRONG` wrong ones, and none is right before the next day, at
  whichever terminal it is typed.

A PIN is kept as scrypt (RFC 7914) makes it. The reply is sealed for the question; nothing of it is kept in the clear.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from agent.credentials.codes import Proof
from agent.credentials.evidence import EvidenceInvalid, read
from agent.private_answers import MAX_ROWS, read_presence, seal_answer
from agent.sealing import SealBroken
from agent.sync.contract.questions import QuerySubsidies
from profiles.purpose import Purpose
from profiles.subsidies import Subsidies, SubsidyPaid
from tools.platform import subsidy_bounds
from tools.platform.asking import UNREGISTERED
from tools.platform.evidence import Judge
from tools.platform.holds import TOO_MANY
from tools.platform.ledger import NOBODY, Owner
from tools.platform.register import Register
from tools.platform.registrations import registration
from tools.platform.row_locks import Need
from tools.platform.store import Transaction, metadata

MAX_WRONG = 5
BLOCKED_MS = 24 * 3_600_000
SHOWING_KEPT_MS = 2 * 3_600_000
"""No showing is fresh for longer."""
BLOCKED = "pin-blocked"
"""What a blocked PIN is told, and the alarm of the moment at which it was."""
_GUESSES = frozenset({"pin-wrong", BLOCKED, "pin-unset"})
"""What a PIN that opens nothing is told, as a terminal that guesses would hear it."""
_PURPOSES = frozenset({Purpose.ANY, Purpose.IDENTIFY})
"""What a till was shown reads nobody's affairs."""
_SCRYPT_COST = 4_096
_SCRYPT_BLOCK = 8

subsidy_table = sa.Table(
    "subsidy",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("namespace", sa.String(64), nullable=False),
    sa.Column("subject", sa.LargeBinary, nullable=False),
    sa.Column("name", sa.String(32), nullable=False),
    sa.Column("date", sa.String(8), nullable=False, comment="YYYYMMDD"),
    sa.Column("amount_fen", sa.BigInteger, nullable=False),
    sa.Index("subsidy_by_subject", "namespace", "subject"),
)

subsidy_holder_table = sa.Table(
    "subsidy_holder",
    metadata,
    sa.Column("namespace", sa.String(64), primary_key=True),
    sa.Column("subject", sa.LargeBinary, primary_key=True),
    sa.Column("holder", sa.String(32), nullable=False, comment="the name that the account bears"),
    sa.Column("account_end", sa.String(8), nullable=False, comment="its last digits"),
    sa.Column("salt", sa.LargeBinary, comment="of the service PIN; none: there is no PIN"),
    sa.Column("pin", sa.LargeBinary, comment="scrypt of it"),
    sa.Column("wrong", sa.Integer, nullable=False, comment="wrong PINs since the last right one"),
    sa.Column("blocked_until_ms", sa.BigInteger, nullable=False),
)

subsidy_showing_table = sa.Table(
    "subsidy_showing",
    metadata,
    sa.Column("showing", sa.LargeBinary, primary_key=True, comment="of a code that asked"),
    sa.Column("until_ms", sa.BigInteger, nullable=False),
)


def set_holder(transaction: Transaction, owner: Owner, holder: str, account_end: str, pin: str | None) -> None:
    """Say whose account it is, and by which PIN a card may ask; what was said before goes."""
    columns, connection = subsidy_holder_table.c, transaction.connection
    mine = (columns.namespace == owner[0]) & (columns.subject == owner[1])
    connection.execute(sa.delete(subsidy_holder_table).where(mine))
    salt = None if pin is None else secrets.token_bytes(16)
    row = {"namespace": owner[0], "subject": owner[1], "holder": holder, "account_end": account_end, "salt": salt}
    made = None if pin is None or salt is None else _hash(pin, salt)
    connection.execute(sa.insert(subsidy_holder_table).values(**row, pin=made, wrong=0, blocked_until_ms=0))


def add(transaction: Transaction, owner: Owner, paid: SubsidyPaid) -> None:
    """A payment."""
    row = {"namespace": owner[0], "subject": owner[1], "name": paid.name, "date": paid.date}
    transaction.connection.execute(sa.insert(subsidy_table).values(**row, amount_fen=paid.amount_fen))


def paid_to(transaction: Transaction, owner: Owner) -> list[SubsidyPaid]:
    """Every payment, newest first."""
    columns = subsidy_table.c
    query = sa.select(subsidy_table).where(columns.namespace == owner[0], columns.subject == owner[1])
    rows = transaction.connection.execute(query.order_by(columns.date.desc(), columns.id.desc()))
    return [SubsidyPaid(row.name, row.date, int(row.amount_fen)) for row in rows]


def holders(transaction: Transaction) -> Sequence[sa.Row[Any]]:
    """Everybody who has an account there, without names."""
    columns = subsidy_holder_table.c
    has_pin = columns.pin.is_not(None).label("has_pin")
    shown = (columns.namespace, columns.subject, columns.blocked_until_ms, has_pin)
    return transaction.connection.execute(sa.select(*shown).order_by(*shown[:2])).all()


def rows_of(transaction: Transaction, question: QuerySubsidies, now_ms: int) -> set[Need]:
    """What a reply may change, to be locked before."""
    owner = Register(transaction).person(question.medium, question.subject, now_ms)
    return set() if isinstance(owner, str) else {(subsidy_holder_table, owner)}


def answer(
    transaction: Transaction, terminal: str, question: QuerySubsidies, judge: Judge | None, now_ms: int
) -> bytes | str:
    """The sealed answer, or the code of the contract that says why there is none."""
    if judge is None:
        return "unsupported"
    allowed = registration(transaction, terminal)
    if allowed is None or not allowed.subsidies:
        return UNREGISTERED
    if not subsidy_bounds.may_ask(transaction, terminal, now_ms):
        return TOO_MANY
    try:
        presence = read_presence(judge.unseal(terminal, question.nonce, question.kid, question.sealed))
    except SealBroken:
        return "unreadable"
    owner = Register(transaction).person(question.medium, question.subject, now_ms)
    if isinstance(owner, str):
        return owner
    if question.medium is None or owner == NOBODY:
        return "not-proven"
    if presence.pin is None:
        objection = _objection(transaction, question, owner, presence.evidence, judge, now_ms)
    else:
        objection = _pin_objection(transaction, terminal, owner, presence.pin, now_ms)
        if objection in _GUESSES:
            subsidy_bounds.guessed(transaction, terminal, now_ms)
    if objection is not None:
        return objection
    row = _holder(transaction, owner)
    if row is None:
        return "account-unknown"
    paid = paid_to(transaction, owner)
    said = Subsidies(row.holder, row.account_end, tuple(paid[:MAX_ROWS]), max(0, len(paid) - MAX_ROWS))
    try:
        return seal_answer(said, question.reply_key, terminal, question.nonce)
    except ValueError:  # a point that is none
        return "unreadable"


def _objection(
    transaction: Transaction,
    question: QuerySubsidies,
    owner: Owner,
    evidence: bytes | None,
    judge: Judge,
    now_ms: int,
) -> str | None:
    try:
        found = judge.proof(read(evidence or b"").text, question.asked_ms)
    except EvidenceInvalid:
        return "not-proven"
    if not isinstance(found, Proof) or found.showing is None:
        return "not-proven"
    if found.purpose not in _PURPOSES:
        return "not-proven"
    if found.token != question.medium or found.namespace != owner[0]:
        return "not-proven"
    if not Register(transaction).vouches(found.token, owner):  # the terminal's word alone reads nobody's affairs
        return "not-proven"
    return None if _first(transaction, found.showing, now_ms) else "not-proven"


def _first(transaction: Transaction, showing: bytes, now_ms: int) -> bool:
    """Whether no other question had this showing."""
    table, connection = subsidy_showing_table, transaction.connection
    connection.execute(sa.delete(table).where(table.c.until_ms < now_ms))
    if connection.execute(sa.select(table.c.showing).where(table.c.showing == showing)).first() is not None:
        return False
    connection.execute(sa.insert(table).values(showing=showing, until_ms=now_ms + SHOWING_KEPT_MS))
    return True


def _pin_objection(transaction: Transaction, terminal: str, owner: Owner, pin: str, now_ms: int) -> str | None:
    """A wrong PIN is counted with the reply that says so; the one that blocks is an alarm, which names nobody."""
    row = _holder(transaction, owner)
    if row is None or row.pin is None:
        return "pin-unset"
    if row.blocked_until_ms > now_ms:
        return BLOCKED
    right = hmac.compare_digest(_hash(pin, row.salt), row.pin)
    wrong = 0 if right else row.wrong + 1
    blocked = wrong >= MAX_WRONG
    columns = subsidy_holder_table.c
    same = sa.update(subsidy_holder_table).where(columns.namespace == owner[0], columns.subject == owner[1])
    until_ms = now_ms + BLOCKED_MS if blocked else row.blocked_until_ms
    transaction.connection.execute(same.values(wrong=0 if blocked else wrong, blocked_until_ms=until_ms))
    if right:
        return None
    if blocked:
        transaction.alarm(terminal, "platform", BLOCKED, now_ms, f"{MAX_WRONG} wrong PINs of one person")
        return BLOCKED
    return "pin-wrong"


def _holder(transaction: Transaction, owner: Owner) -> sa.Row[Any] | None:
    columns = subsidy_holder_table.c
    query = sa.select(subsidy_holder_table).where(columns.namespace == owner[0], columns.subject == owner[1])
    return transaction.connection.execute(query).one_or_none()


def _hash(pin: str, salt: bytes) -> bytes:
    return hashlib.scrypt(pin.encode(), salt=salt, n=_SCRYPT_COST, r=_SCRYPT_BLOCK, p=1, dklen=32)
