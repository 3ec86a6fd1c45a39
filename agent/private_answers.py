"""Questions about a person's own affairs: sealed to the platform, and answered sealed to this one question.

The terminal makes a key pair for each question. The private half stays in memory until the answer or the end, so that
neither the broker, nor the platform's own table of replies, nor a terminal that is taken away later can open an answer.

What is sealed, both ways, is a deterministic CBOR map, by one-shot HPKE (:mod:`agent.sealing`):

* of a question, ``{0: 1, 3: evidence}`` or ``{0: 1, 4: PIN}``, as the codes of ``resolve`` are sealed;
* of an answer, ``{0: 1, 1: holder, 2: account_end, 3: [[name, date, fen] …], 4: more}``, with the array ``["onecard
  private answer 1", terminal, nonce]`` as ``info``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent import cbor, sealing
from profiles.subsidies import MAX_PIN_DIGITS, MIN_PIN_DIGITS, QuerySubsidies, Subsidies, SubsidyPaid

MAX_ROWS = 12
MAX_NAME_CHARS = 32
MAX_PLAIN_BYTES = 8_000
_CONTEXT = "onecard private answer 1"
_VERSION, _EVIDENCE, _PIN = 0, 3, 4
_HOLDER, _ACCOUNT_END, _PAID, _MORE = 1, 2, 3, 4
_MAX_FEN = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Presence:
    """What a question brings to prove that the person is there: one of the two."""

    evidence: bytes | None = field(repr=False)
    pin: str | None = field(repr=False)


def presence_of(asked: QuerySubsidies) -> bytes:
    """What is sealed for the platform."""
    proof = {_EVIDENCE: asked.evidence} if asked.evidence is not None else {_PIN: asked.pin or ""}
    return cbor.encode({_VERSION: 1, **proof})


def read_presence(plain: bytes) -> Presence:
    """The platform's side. Raises :class:`agent.sealing.SealBroken` for what no terminal seals."""
    match _map_of(plain):
        case {0: 1, 3: bytes() as evidence, **rest} if not rest:
            return Presence(evidence, None)
        case {0: 1, 4: str() as pin, **rest} if not rest and _is_pin(pin):
            return Presence(None, pin)
    raise sealing.SealBroken("no proof of presence that this version knows")


class ReplyKey:
    """The key pair of one question."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self) -> bytes:
        """The point, uncompressed (SEC 1 §2.3.3), 65 bytes."""
        form = serialization.PublicFormat.UncompressedPoint
        return self._private.public_key().public_bytes(serialization.Encoding.X962, form)

    def open(self, sealed: bytes, terminal: str, nonce: bytes) -> Subsidies:
        """The answer. Raises :class:`agent.sealing.SealBroken`."""
        value = _map_of(sealing.unseal(sealed, self._private, _info(terminal, nonce)))
        match value:
            case {0: 1, 1: str() as holder, 2: str() as account_end, 3: tuple() | list() as paid, 4: int() as more} if (
                len(value) == 5 and len(paid) <= MAX_ROWS and more >= 0
            ):
                texts = (holder, account_end)
                if all(len(text) <= MAX_NAME_CHARS and text.isprintable() for text in texts):
                    return Subsidies(holder, account_end, tuple(map(_paid, paid)), more)
        raise sealing.SealBroken("not an answer of this version")


def seal_answer(answer: Subsidies, public: bytes, terminal: str, nonce: bytes) -> bytes:
    """The platform's side. Raises ``ValueError`` for a point that is none."""
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    value = {
        _VERSION: 1,
        _HOLDER: answer.holder,
        _ACCOUNT_END: answer.account_end,
        _PAID: [[paid.name, paid.date, paid.amount_fen] for paid in answer.paid],
        _MORE: answer.more,
    }
    return sealing.seal(cbor.encode(value), key, _info(terminal, nonce))


def _paid(row: object) -> SubsidyPaid:
    match row:
        case [str() as name, str() as date, int() as fen] if (
            len(name) <= MAX_NAME_CHARS
            and name.isprintable()
            and len(date) == len("20261126")
            and date.isascii()
            and date.isdigit()
            and not isinstance(fen, bool)
            and abs(fen) <= _MAX_FEN
        ):
            return SubsidyPaid(name, date, fen)
    raise sealing.SealBroken("not a payment of this version")


def _map_of(plain: bytes) -> Mapping[object, object]:
    try:
        value = cbor.decode(plain, max_bytes=MAX_PLAIN_BYTES, max_depth=3)
    except cbor.CborError as error:
        raise sealing.SealBroken("what was sealed is not of this version") from error
    if not isinstance(value, Mapping):
        raise sealing.SealBroken("what was sealed is no map")
    return value


def _is_pin(pin: str) -> bool:
    return MIN_PIN_DIGITS <= len(pin) <= MAX_PIN_DIGITS and pin.isascii() and pin.isdigit()


def _info(terminal: str, nonce: bytes) -> bytes:
    return cbor.encode([_CONTEXT, terminal, nonce])
