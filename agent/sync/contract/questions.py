"""Online questions on ``up/ask`` and the platform's signed replies on ``down/answer``.

A question has a nonce and an end; a reply is a COSE_Sign1 by a key of the role *acknowledgement* whose ``external_aad``
is the topic. It names the terminal, the nonce and the SHA-256 of the question's exact bytes, so that it answers that
one question of that one terminal and no question that somebody altered on its way.

``up/ask`` carries other kinds of questions too; :func:`kind_of` tells them apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, TypeAlias, TypedDict

from pydantic import AfterValidator, Field, model_validator

from agent import cose
from agent.sync.contract.errors import ContractError
from agent.sync.contract.messages import Code, Hash, Nonce, TerminalId, TimeMs
from agent.sync.contract.topics import Address, Channel
from agent.sync.contract.wire import Key, Message, decode_map

MAX_QUESTION_BYTES = 12 * 1024
MAX_SEALED_BYTES = 8 * 1024
MAX_REPLY_BYTES = 4096
MAX_QUESTION_LIFE_MS = 60_000
MAX_FUNDS = 8
_KIND_KEY = 1

Id = Annotated[bytes, Field(min_length=16, max_length=16)]


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("a word has printable characters only")
    return text


Word = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printable)]
SubjectRef = tuple[Word, Id]
"""Namespace and pseudonym."""
Fen = Annotated[int, Field(ge=-(2**53) + 1, lt=2**53)]
Price = Annotated[int, Field(ge=1, le=100_000_000)]
BusinessDate = Annotated[str, Field(pattern=r"^[0-9]{8}\z")]
KeyId = Annotated[bytes, Field(min_length=8, max_length=8)]
Sealed = Annotated[bytes, Field(min_length=1, max_length=MAX_SEALED_BYTES)]
SealedEvidence = tuple[KeyId, Sealed]
"""Of whoever stands there: the ``kid`` of the platform's key, and the evidence, sealed for it and for this question."""


class _Question(Message):
    """What all questions have: a fresh nonce, and from when to when the terminal waits, by its own clock."""

    MAX_BYTES: ClassVar[int] = MAX_QUESTION_BYTES
    nonce: Annotated[Nonce, Key(2)]
    asked_ms: Annotated[TimeMs, Key(3)]
    expires_ms: Annotated[TimeMs, Key(4)]

    @model_validator(mode="after")
    def _ends_soon(self) -> _Question:
        if not 0 < self.expires_ms - self.asked_ms <= MAX_QUESTION_LIFE_MS:
            raise ValueError(f"a question ends within {MAX_QUESTION_LIFE_MS} ms after it was asked")
        return self


class Authorise(_Question):
    """May ``amount_fen`` be paid? A yes is a hold; only a journal record of the same intent captures it."""

    kind: Annotated[Literal["authorise"], Key(1)] = "authorise"
    intent_id: Annotated[Id, Key(5)]
    amount_fen: Annotated[Price, Key(6)]
    merchant: Annotated[Word, Key(7)]
    business_date: Annotated[BusinessDate, Key(8)]
    medium: Annotated[Id | None, Field(repr=False), Key(9)] = None
    subject: Annotated[SubjectRef | None, Field(repr=False), Key(10)] = None
    account: Annotated[Word | None, Key(11)] = None
    funds: Annotated[tuple[tuple[Word, Price], ...] | None, Field(min_length=1, max_length=MAX_FUNDS), Key(12)] = None
    """Who pays what of it, where that is not the person's account alone; the sum is ``amount_fen``."""
    accounts: Annotated[tuple[tuple[Word, Price], ...] | None, Field(min_length=1, max_length=MAX_FUNDS), Key(14)] = (
        None
    )
    """Among which of the person's accounts their share is to be divided, in this order, and at most how much each."""
    evidence: Annotated[SealedEvidence | None, Field(repr=False), Key(13)] = None

    @model_validator(mode="after")
    def _sums(self) -> Authorise:
        if self.funds is not None:
            if len(dict(self.funds)) < len(self.funds):
                raise ValueError("each fund pays once")
            if sum(fen for _, fen in self.funds) != self.amount_fen:
                raise ValueError("the funds sum to the amount")
        if self.accounts is not None and len(dict(self.accounts)) < len(self.accounts):
            raise ValueError("each account is offered once")
        return self


class QueryBalance(_Question):
    """What may this person still spend of an account or subsidy?"""

    kind: Annotated[Literal["query-balance"], Key(1)] = "query-balance"
    medium: Annotated[Id | None, Field(repr=False), Key(5)] = None
    subject: Annotated[SubjectRef | None, Field(repr=False), Key(6)] = None
    account: Annotated[Word | None, Key(7)] = None
    evidence: Annotated[SealedEvidence | None, Field(repr=False), Key(8)] = None


class Renew(_Question):
    """May this loan be kept longer?"""

    kind: Annotated[Literal["renew"], Key(1)] = "renew"
    loan: Annotated[Word, Field(repr=False), Key(5)]
    medium: Annotated[Id | None, Field(repr=False), Key(6)] = None
    subject: Annotated[SubjectRef | None, Field(repr=False), Key(7)] = None


class Resolve(_Question):
    """Whose code is this, which only the platform can read? Its text is sealed for one of the platform's keys."""

    kind: Annotated[Literal["resolve"], Key(1)] = "resolve"
    kid: Annotated[KeyId, Key(5)]
    sealed: Annotated[Sealed, Field(repr=False), Key(6)]


class QueryTravel(_Question):
    """Where did this person come in on a line and has not gone out yet, and what has the person travelled?"""

    kind: Annotated[Literal["query-travel"], Key(1)] = "query-travel"
    line: Annotated[Word, Key(5)]
    medium: Annotated[Id | None, Field(repr=False), Key(6)] = None
    subject: Annotated[SubjectRef | None, Field(repr=False), Key(7)] = None


class QuerySubsidies(_Question):
    """Which subsidies did this person get? What is sealed proves who is there; ``reply_key`` is the answer's."""

    kind: Annotated[Literal["query-subsidies"], Key(1)] = "query-subsidies"
    kid: Annotated[KeyId, Key(5)]
    sealed: Annotated[Sealed, Field(repr=False), Key(6)]
    reply_key: Annotated[bytes, Field(min_length=65, max_length=65), Key(7)]
    medium: Annotated[Id | None, Field(repr=False), Key(8)] = None
    subject: Annotated[SubjectRef | None, Field(repr=False), Key(9)] = None


class ClaimReturn(_Question):
    """May something go back of a sale that another terminal made? ``subject`` is the cashier."""

    kind: Annotated[Literal["claim-return"], Key(1)] = "claim-return"
    return_id: Annotated[Id, Key(5)]
    number: Annotated[int, Field(ge=10_000_000, le=99_999_999), Key(6)]
    """As the receipt has it: :func:`profiles.return_numbers.return_number`."""
    amount_fen: Annotated[Price | None, Key(7)] = None
    """Without: all that is left."""
    merchant: Annotated[Word, Key(8)]
    business_date: Annotated[BusinessDate, Key(9)]
    subject: Annotated[SubjectRef, Field(repr=False), Key(10)]


class _Reply(Message):
    """What all replies are bound to. ``expires_ms`` is the question's; a platform never answers after it."""

    MAX_BYTES: ClassVar[int] = MAX_REPLY_BYTES
    terminal: Annotated[TerminalId, Key(2)]
    nonce: Annotated[Nonce, Key(3)]
    question: Annotated[Hash, Key(4)]
    issued_ms: Annotated[TimeMs, Key(5)]
    expires_ms: Annotated[TimeMs, Key(6)]


class Bound(TypedDict):
    """What binds a reply, to make one of."""

    terminal: str
    nonce: bytes
    question: bytes
    issued_ms: int
    expires_ms: int


class Authorised(_Reply):
    """Yes: the amount is held until ``until_ms``. ``balance_fen`` is what remains to be spent beside it."""

    kind: Annotated[Literal["authorised"], Key(1)] = "authorised"
    intent_id: Annotated[Id, Key(7)]
    amount_fen: Annotated[Price, Key(8)]
    until_ms: Annotated[TimeMs, Key(9)]
    balance_fen: Annotated[Fen | None, Field(repr=False), Key(10)] = None
    accounts: Annotated[
        tuple[tuple[Word, Price], ...] | None, Field(min_length=1, max_length=MAX_FUNDS, repr=False), Key(11)
    ] = None
    """Who pays what, where accounts were offered; the sum is the person's share."""


class Declined(_Reply):
    """No, to any question. ``code`` is open; docs/contract.md lists those of this version."""

    kind: Annotated[Literal["declined"], Key(1)] = "declined"
    code: Annotated[Code, Key(7)]


class Balance(_Reply):
    """What remains to be spent."""

    kind: Annotated[Literal["balance"], Key(1)] = "balance"
    balance_fen: Annotated[Fen, Field(repr=False), Key(7)]


class Renewed(_Reply):
    """The loan is due at ``due_ms`` now."""

    kind: Annotated[Literal["renewed"], Key(1)] = "renewed"
    due_ms: Annotated[TimeMs, Key(7)]


class Resolved(_Reply):
    """Whose code it is."""

    kind: Annotated[Literal["resolved"], Key(1)] = "resolved"
    subject: Annotated[SubjectRef, Field(repr=False), Key(7)]


class Travelled(_Reply):
    """What the platform has heard of the person's travel; where there is no open trip, no station."""

    kind: Annotated[Literal["travelled"], Key(1)] = "travelled"
    station: Annotated[Word | None, Field(repr=False), Key(7)] = None
    entered_ms: Annotated[TimeMs | None, Field(repr=False), Key(8)] = None
    last_ms: Annotated[TimeMs | None, Field(repr=False), Key(9)] = None
    """When the last ride was paid, on whatever line."""
    spent_fen: Annotated[Fen, Field(ge=0, repr=False), Key(10)] = 0
    """What the person's own account paid for rides on ``spent_date``."""
    spent_date: Annotated[BusinessDate | None, Field(repr=False), Key(11)] = None

    @model_validator(mode="after")
    def _whole(self) -> Travelled:
        if (self.station is None) != (self.entered_ms is None):
            raise ValueError("a trip has a station and a time")
        return self


class Subsidies(_Reply):
    """The person's subsidies, sealed for the key that the question brought (:mod:`agent.private_answers`)."""

    kind: Annotated[Literal["subsidies"], Key(1)] = "subsidies"
    sealed: Annotated[bytes, Field(min_length=1, max_length=MAX_REPLY_BYTES - 512, repr=False), Key(7)]


class ReturnClaimed(_Reply):
    """Yes: this goes back, and nobody else gives it back until the journal tells."""

    kind: Annotated[Literal["return-claimed"], Key(1)] = "return-claimed"
    return_id: Annotated[Id, Key(7)]
    funds: Annotated[tuple[tuple[Word, Price], ...], Field(min_length=1, max_length=MAX_FUNDS), Key(8)]


Question: TypeAlias = Authorise | QueryBalance | Renew | Resolve | QueryTravel | QuerySubsidies | ClaimReturn
Reply: TypeAlias = Authorised | Declined | Balance | Renewed | Resolved | Travelled | Subsidies | ReturnClaimed

_QUESTIONS: Mapping[
    str, type[Authorise | QueryBalance | Renew | Resolve | QueryTravel | QuerySubsidies | ClaimReturn]
] = {
    "claim-return": ClaimReturn,
    "authorise": Authorise,
    "query-balance": QueryBalance,
    "renew": Renew,
    "resolve": Resolve,
    "query-travel": QueryTravel,
    "query-subsidies": QuerySubsidies,
}
_REPLIES: Mapping[
    str, type[Authorised | Declined | Balance | Renewed | Resolved | Travelled | Subsidies | ReturnClaimed]
] = {
    "return-claimed": ReturnClaimed,
    "authorised": Authorised,
    "declined": Declined,
    "balance": Balance,
    "renewed": Renewed,
    "resolved": Resolved,
    "travelled": Travelled,
    "subsidies": Subsidies,
}


def kind_of(payload: bytes) -> str:
    """The kind of a message on ``up/ask``. Raises :class:`ContractError` if it names none."""
    kind = decode_map(payload, MAX_QUESTION_BYTES).get(_KIND_KEY)
    if not isinstance(kind, str):
        raise ContractError("a question names its kind")
    return kind


def decode_question(payload: bytes) -> Question:
    """A question of one of the kinds of this file. Raises :class:`ContractError`."""
    value = decode_map(payload, MAX_QUESTION_BYTES)
    kind = value.get(_KIND_KEY)
    model = _QUESTIONS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise ContractError("not a question of this version")
    return model.from_value(value)


def decode_reply(payload: bytes) -> Reply:
    """A reply out of its verified payload. Raises :class:`ContractError`."""
    value = decode_map(payload, MAX_REPLY_BYTES)
    kind = value.get(_KIND_KEY)
    model = _REPLIES.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise ContractError("not a reply of this version")
    return model.from_value(value)


def question_hash(payload: bytes) -> bytes:
    """What a reply names of the question: SHA-256 over its exact bytes."""
    return hashlib.sha256(payload).digest()


def sign_reply(reply: Reply, signer: cose.Signer) -> bytes:
    """The payload for the terminal that ``reply`` names."""
    return cose.sign1(reply.encode(), signer, _context(reply.terminal))


def open_reply(payload: bytes, keys: Mapping[bytes, cose.VerifyKey], terminal: str) -> Reply:
    """The reply, if one of ``keys`` signed it for ``terminal``. Raises :class:`ContractError`."""
    try:
        signed = cose.verify1(payload, keys, _context(terminal), max_payload_bytes=MAX_REPLY_BYTES)
    except cose.CoseError as error:
        raise ContractError(str(error)) from error
    return decode_reply(signed.payload)


def _context(terminal: str) -> bytes:
    return Address(terminal).topic(Channel.ANSWER).encode()
