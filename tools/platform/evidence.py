"""Whether the holder was there: the platform opens what terminals sealed, and verifies it for itself.

Each record that moves money is judged when it is committed, and its verdict is kept beside it. A record without sealed
evidence of its own has that of the record it refers to. What is not proven is no less committed: the journal is what
the terminal says, the verdict is what the platform believes of it. Whose the medium is, the platform's register says
(:mod:`tools.platform.register`): a genuine showing does not let a terminal name somebody else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec

from agent import cose
from agent.credentials.codes import Proof, proof
from agent.credentials.evidence import EvidenceInvalid, read
from agent.credentials.trust import TrustList
from agent.day_keys import key_of_field, open_day_key, open_field
from agent.question_forms import unseal, unseal_code
from agent.sealing import SealBroken
from agent.sync.contract import Authorise, QueryBalance, Resolve
from offline_store.errors import RecordInvalid
from offline_store.record import Record
from offline_store.rescue import CARRIED
from offline_store.sealing import SEALING_KEY
from profiles.api import Kind
from profiles.code_reasons import CodeReason
from profiles.purpose import Purpose
from profiles.reasons import ReasonEnum
from profiles.rules.codes import CodePolicy
from tools.platform.register import Register
from tools.platform.store import Transaction, metadata

MAX_KEYS_IN_MEMORY = 1_024


class Verdict(StrEnum):
    """What the platform believes of one presentation."""

    PROVEN = "proven"
    """A phone signed this showing, at this time, and it was used once."""
    STATIC = "static"
    """A printed code: the issuer signed it, and anybody can copy it."""
    NONE = "none"
    """No evidence: a card that was merely read, or a terminal that kept none."""
    UNJUDGED = "unjudged"
    """The issuer is not among those whose rows the platform was given."""
    UNREADABLE = "unreadable"
    """Sealed under a key that the platform does not have, or altered."""
    FORGED = "forged"
    """A signature does not hold, or the code is another person's than the record says."""
    STALE = "stale"
    """A genuine code, shown at another time than the record says."""
    REUSED = "reused"
    """The same showing stands in another record already."""
    WRONG_PERSON = "wrong-person"
    """The platform's register has the medium as somebody else's than the record says, or as nobody's."""
    LOST = "medium-lost"
    """The register had it as lost or replaced by then."""
    MISUSED = "misused"
    """A genuine code, shown or issued for something else: whoever opens a gate has not paid."""


DOUBTFUL = frozenset(
    {
        Verdict.UNREADABLE,
        Verdict.FORGED,
        Verdict.STALE,
        Verdict.REUSED,
        Verdict.WRONG_PERSON,
        Verdict.LOST,
        Verdict.MISUSED,
    }
)
"""What a person has to look at, and nobody captures by itself."""
_TO_PAY = CodePolicy(purposes=frozenset({Purpose.ANY, Purpose.PAY}))
_TO_ASK = CodePolicy(purposes=frozenset({Purpose.ANY, Purpose.PAY, Purpose.IDENTIFY}))
_UNJUDGED = frozenset({CodeReason.ISSUER_UNKNOWN, CodeReason.TRUST_EXPIRED})
_STALE = frozenset({CodeReason.STALE, CodeReason.FROM_FUTURE, CodeReason.EXPIRED, CodeReason.NOT_YET_VALID})

sealing_key_table = sa.Table(
    "sealing_key",
    metadata,
    sa.Column("id", sa.LargeBinary, primary_key=True, comment="of the record that handed it over"),
    sa.Column("terminal", sa.String(32), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="that record: the key, sealed for the platform"),
)

evidence_table = sa.Table(
    "evidence",
    metadata,
    sa.Column("id", sa.LargeBinary, primary_key=True, comment="of the record"),
    sa.Column("terminal", sa.String(32), nullable=False, index=True),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("showing", sa.LargeBinary, unique=True, comment="of a dynamic code: it proves one record, and no other"),
    sa.Column("hash", sa.LargeBinary, nullable=False, comment="of the record that was judged"),
    sa.Column("medium", sa.LargeBinary),
    sa.Column("subject", sa.String(100), comment="namespace and pseudonym"),
    sa.Column("intent_id", sa.LargeBinary, comment="the one payment that this presentation serves"),
    sa.Column("moves_money", sa.Boolean, nullable=False),
    sa.Column("time_ms", sa.BigInteger, nullable=False),
    sa.Column("judged_ms", sa.BigInteger, nullable=False),
    sa.Column("pays", sa.Boolean, comment="whether the code was shown and issued to pay; null: no code, or of old"),
)

_ROW = sa.select(evidence_table)
_MOVES_NOTHING = frozenset({Kind.ASKED, Kind.REVERSAL, Kind.RELEASE, Kind.REFUND})
"""Kinds that name an amount and take none."""


class _Shown(NamedTuple):
    """What is believed of a code's text, and what it proves."""

    verdict: Verdict
    proof: Proof | None = None

    @property
    def showing(self) -> bytes | None:
        return None if self.proof is None else self.proof.showing


class Judge:
    """Judges the records of any number of terminals."""

    def __init__(
        self,
        private: ec.EllipticCurvePrivateKey,
        trust: Callable[[], TrustList],
        former: Iterable[ec.EllipticCurvePrivateKey] = (),
    ) -> None:
        """``former`` keys open what was sealed before they were followed by ``private``."""
        self._privates = {cose.key_id(each.public_key()): each for each in (private, *former)}
        self._trust = trust
        self._keys: OrderedDict[bytes, bytes] = OrderedDict()

    def open_code(self, terminal: str, question: Resolve) -> str:
        """The text of the code that a terminal asks about. Raises :class:`~agent.sealing.SealBroken`."""
        return unseal_code(question.sealed, self._private(question.kid), terminal, question.nonce)

    def asked(self, terminal: str, question: Authorise | QueryBalance) -> tuple[Verdict, bytes | None]:
        """The verdict on a question's evidence by itself, and which showing it is: of a phone's code."""
        if question.evidence is None:
            return Verdict.NONE, None
        kid, sealed = question.evidence
        try:
            text = read(unseal(sealed, self._private(kid), terminal, question.nonce)).text
        except (SealBroken, EvidenceInvalid):
            return Verdict.UNREADABLE, None
        found = self._shown(text, question.asked_ms, question.medium, question.subject)
        proved = found.proof
        policy = _TO_PAY if isinstance(question, Authorise) else _TO_ASK
        if proved is not None and not proved.serves(policy):
            return Verdict.MISUSED, None
        return found.verdict, found.showing

    def unseal(self, terminal: str, nonce: bytes, kid: bytes, sealed: bytes) -> bytes:
        """What a terminal sealed for one question. Raises :class:`~agent.sealing.SealBroken`."""
        return unseal(sealed, self._private(kid), terminal, nonce)

    def _private(self, kid: bytes) -> ec.EllipticCurvePrivateKey:
        """Raises :class:`SealBroken` for a key that is not the platform's."""
        try:
            return self._privates[kid]
        except KeyError:
            raise SealBroken("sealed for another key of the platform") from None

    def proof(self, text: str, at_ms: int) -> Proof | ReasonEnum:
        """Whether whoever showed this code was there at that moment."""
        return proof(text, self._trust(), at_ms)

    def take(self, transaction: Transaction, terminal: str, records: Sequence[Record], now_ms: int) -> list[Record]:
        """Judge what was just committed; the records that a person has to look at."""
        doubtful = []
        for record in map(inner, records):
            if record.entry.kind == SEALING_KEY:
                self._keep(transaction, terminal, record)
            elif record.entry.sealed is not None or _takes_money(record) or _lends(record):
                verdict = self._judge(transaction, terminal, record, now_ms)
                if verdict in DOUBTFUL:
                    doubtful.append(record)
        return doubtful

    def _keep(self, transaction: Transaction, terminal: str, record: Record) -> None:
        known = sa.select(sealing_key_table.c.id).where(sealing_key_table.c.id == record.entry.id)
        if transaction.connection.execute(known).first() is None:
            row = {"id": record.entry.id, "terminal": terminal, "body": record.to_bytes()}
            transaction.connection.execute(sa.insert(sealing_key_table), row)

    def _judge(self, transaction: Transaction, terminal: str, record: Record, now_ms: int) -> Verdict:
        entry = record.entry
        if (known := verdict_on(transaction, terminal, record)) is not None:
            return known  # a rescued journal brings it a second time
        showing: bytes | None = None
        pays: bool | None = None
        if entry.sealed is not None:
            found = self._open(transaction, terminal, record)
            verdict, showing = found.verdict, found.showing
            pays = None if found.proof is None else found.proof.serves(_TO_PAY)
            if pays is False and entry.money is not None:
                verdict = Verdict.MISUSED
        elif entry.refers_to is not None:
            verdict = _inherited(transaction, terminal, record)
        else:
            verdict = Verdict.NONE
        if showing is not None and _is_used(transaction, showing):
            verdict, showing = Verdict.REUSED, None
        objection = Register(transaction).objection(entry.medium, entry.subject, entry.time_ms)
        if objection is not None and verdict not in DOUBTFUL:
            verdict = Verdict(objection)
        row = {
            "id": entry.id,
            "terminal": terminal,
            "verdict": verdict.value,
            "showing": showing,
            "hash": record.hash,
            "medium": entry.medium,
            "subject": _subject(record),
            "intent_id": None if entry.money is None else entry.money.intent_id,
            "moves_money": entry.money is not None and entry.kind not in _MOVES_NOTHING,
            "time_ms": entry.time_ms,
            "judged_ms": now_ms,
            "pays": pays,
        }
        transaction.connection.execute(sa.insert(evidence_table), row)
        return verdict

    def _open(self, transaction: Transaction, terminal: str, record: Record) -> _Shown:
        """The verdict on sealed evidence, and which showing it proves."""
        sealed = record.entry.sealed or b""
        try:
            key = self._day_key(transaction, terminal, key_of_field(sealed))
            text = read(open_field(sealed, key, terminal, record.entry.id)).text
        except (SealBroken, EvidenceInvalid):
            return _Shown(Verdict.UNREADABLE)
        return self._shown(text, record.entry.time_ms, record.entry.medium, record.entry.subject)

    def _shown(self, text: str, at_ms: int, medium: bytes | None, subject: tuple[str, bytes] | None) -> _Shown:
        """The verdict on a code's text, and which showing of this medium and this person it proves."""
        found = proof(text, self._trust(), at_ms)
        if not isinstance(found, Proof):
            if found in _UNJUDGED:
                return _Shown(Verdict.UNJUDGED)
            return _Shown(Verdict.STALE if found in _STALE else Verdict.FORGED)
        if found.token != medium or (subject is not None and subject[0] != found.namespace):
            return _Shown(Verdict.FORGED)
        return _Shown(Verdict.STATIC if found.showing is None else Verdict.PROVEN, found)

    def _day_key(self, transaction: Transaction, terminal: str, key_id: bytes) -> bytes:
        """Raises :class:`SealBroken` for a key that was not handed over, or not to us."""
        if key_id in self._keys:
            self._keys.move_to_end(key_id)
            return self._keys[key_id]
        columns = sealing_key_table.c
        query = sa.select(columns.body).where(columns.id == key_id, columns.terminal == terminal)
        body = transaction.connection.execute(query).scalar_one_or_none()
        if body is None:
            raise SealBroken("its key was never handed over")
        kid, wrapped = _wrapped_for(Record.from_bytes(body), self._privates)
        key = self._keys[key_id] = open_day_key(wrapped, self._private(kid), terminal, key_id)
        if len(self._keys) > MAX_KEYS_IN_MEMORY:
            self._keys.popitem(last=False)
        return key


def _inherited(transaction: Transaction, terminal: str, record: Record) -> Verdict:
    """The verdict of the presentation that a record refers to, if it is of the same person, for this one payment."""
    entry = record.entry
    shown = transaction.connection.execute(_ROW.where(evidence_table.c.id == entry.refers_to)).one_or_none()
    if shown is None:
        return Verdict.NONE
    if (shown.terminal, shown.medium, shown.subject) != (terminal, entry.medium, _subject(record)):
        return Verdict.FORGED
    if entry.money is not None and shown.pays is False:
        return Verdict.MISUSED
    intent_id = None if entry.money is None else entry.money.intent_id
    if intent_id is not None and shown.intent_id is None:
        claim = sa.update(evidence_table).where(evidence_table.c.id == entry.refers_to)
        transaction.connection.execute(claim.values(intent_id=intent_id))
    elif shown.intent_id != intent_id:
        return Verdict.REUSED
    return Verdict(shown.verdict)


def _takes_money(record: Record) -> bool:
    return record.entry.money is not None and record.entry.kind not in (Kind.REVERSAL, Kind.RELEASE, Kind.REFUND)


def _lends(record: Record) -> bool:
    """A loan to somebody; what is returned bears nobody's name."""
    return record.entry.kind == Kind.LOAN and record.entry.medium is not None


def _subject(record: Record) -> str | None:
    subject = record.entry.subject
    return None if subject is None else f"{subject[0]}:{subject[1].hex()}"


def verdict_on(transaction: Transaction, terminal: str, record: Record) -> Verdict | None:
    """The verdict on a record; ``None`` if it was not one to judge. Whatever else bears a judged one's id is forged."""
    row = transaction.connection.execute(_ROW.where(evidence_table.c.id == record.entry.id)).one_or_none()
    if row is None:
        return None
    return Verdict(row.verdict) if (row.terminal, row.hash) == (terminal, record.hash) else Verdict.FORGED


def counts(transaction: Transaction, terminal: str | None = None) -> dict[tuple[str, Verdict], int]:
    """How many records that move money have which verdict, by terminal."""
    columns = evidence_table.c
    query = sa.select(columns.terminal, columns.verdict, sa.func.count()).where(columns.moves_money)
    if terminal is not None:
        query = query.where(columns.terminal == terminal)
    rows = transaction.connection.execute(query.group_by(columns.terminal, columns.verdict).order_by(*columns[1:3]))
    return {(whose, Verdict(verdict)): count for whose, verdict, count in rows}


def _is_used(transaction: Transaction, showing: bytes) -> bool:
    query = sa.select(evidence_table.c.id).where(evidence_table.c.showing == showing)
    return transaction.connection.execute(query).first() is not None


def inner(record: Record) -> Record:
    """What a rescued journal carried over is judged as itself."""
    body = record.entry.public.get("record")
    if record.entry.kind != CARRIED or not isinstance(body, bytes):
        return record
    try:
        return Record.from_bytes(body)
    except RecordInvalid:
        return record


def _wrapped_for(record: Record, kids: Container[bytes]) -> tuple[bytes, bytes]:
    """For which of these keys, and what was sealed for it."""
    rows = record.entry.public.get("for")
    for row in rows if isinstance(rows, tuple | list) else ():
        match row:
            case (bytes() as recipient, bytes() as wrapped) if recipient in kids:
                return recipient, wrapped
    raise SealBroken("its key was sealed for other keys of the platform")
