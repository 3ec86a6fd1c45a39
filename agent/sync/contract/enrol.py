"""Enrolment, renewal of certificates, and their signed answers; docs/enrolment.md says what they mean.

A terminal that has no certificate yet speaks on ``onecard/1/enrol/<id>/up`` and ``down`` alone. What it asks bears an
HMAC by the code's secret, which itself never travels; what it is given is sealed for the key in the request, and signed
by the key that the code pins. One that has a certificate asks for the next on ``up/certify``, signed by itself.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from agent import cbor, cose
from agent.sync.contract.errors import ContractError
from agent.sync.contract.messages import Code, Hash, Nonce, TerminalId, TimeMs
from agent.sync.contract.topics import Address, Channel, enrol_down
from agent.sync.contract.wire import Key, Message, decode_map

MAX_ENROL_BYTES = 60 * 1024
MAX_CERTIFICATE_BYTES = 4_096
MAX_CONFIGURATION_CHARS = 32 * 1024
MAX_BUNDLE_BYTES = 16 * 1024
MAX_BUNDLES = 4
_KIND_KEY = 1

EnrolId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}\z")]
Point = Annotated[bytes, Field(min_length=33, max_length=33)]
"""A P-256 public key, compressed (SEC 1 §2.3.3)."""
Der = Annotated[bytes, Field(min_length=1, max_length=MAX_CERTIFICATE_BYTES)]
Host = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[!-~]+\z")]
Port = Annotated[int, Field(ge=1, le=65_535)]
Secret = Annotated[bytes, Field(min_length=16, max_length=16)]
MediumKey = tuple[Annotated[int, Field(ge=1, le=999)], Annotated[bytes, Field(min_length=32, max_length=32)]]


class EnrolCode(Message):
    """What the code says: whom to believe, where to ask, and a secret to be known by. Signed by ``root``."""

    kind: Annotated[Literal["enrol-code"], Key(1)] = "enrol-code"
    id: Annotated[EnrolId, Key(2)]
    secret: Annotated[Secret, Field(repr=False), Key(3)]
    terminal: Annotated[TerminalId, Key(4)]
    expires_ms: Annotated[TimeMs, Key(5)]
    host: Annotated[Host, Key(6)]
    port: Annotated[Port, Key(7)]
    root: Annotated[Point, Key(8)]
    answers: Annotated[Point, Key(9)]
    """The key that signs the answers."""
    authority: Annotated[Point, Key(10)]
    """The key of the authority that certified the broker."""
    site: Annotated[TerminalId | None, Key(11)] = None
    profile: Annotated[TerminalId | None, Key(12)] = None


class EnrolAsked(Message):
    """What is asked: a certificate for a key, and what else the platform must know of the terminal."""

    MAX_BYTES: ClassVar[int] = MAX_CERTIFICATE_BYTES + 512
    kind: Annotated[Literal["enrol-asked"], Key(1)] = "enrol-asked"
    id: Annotated[EnrolId, Key(2)]
    nonce: Annotated[Nonce, Key(3)]
    request: Annotated[Der, Key(4)]
    """PKCS #10 (RFC 2986); its common name is the terminal's."""
    checkpoint: Annotated[Point, Key(5)]
    sealing: Annotated[Point, Key(6)]
    """The answer is sealed for this one."""


class EnrolRequest(Message):
    """Up: what is asked, and the proof that the code was seen."""

    MAX_BYTES: ClassVar[int] = EnrolAsked.MAX_BYTES + 128
    kind: Annotated[Literal["enrol-request"], Key(1)] = "enrol-request"
    asked: Annotated[bytes, Field(min_length=1, max_length=EnrolAsked.MAX_BYTES), Key(2)]
    proof: Annotated[Hash, Key(3)]


class _EnrolAnswer(Message):
    """What all answers are bound to: the code, and the hash of exactly what was asked."""

    id: Annotated[EnrolId, Key(2)]
    asked: Annotated[Hash, Key(3)]
    issued_ms: Annotated[TimeMs, Key(4)]


class EnrolWaits(_EnrolAnswer):
    """A person must compare the fingerprint first."""

    kind: Annotated[Literal["enrol-waits"], Key(1)] = "enrol-waits"


class EnrolRefused(_EnrolAnswer):
    """No, and it stays so. ``code`` is open; docs/enrolment.md lists those of this version."""

    kind: Annotated[Literal["enrol-refused"], Key(1)] = "enrol-refused"
    code: Annotated[Code, Key(5)]


class EnrolGranted(_EnrolAnswer):
    """Yes: an :class:`Enrolment`, sealed for the request's key."""

    MAX_BYTES: ClassVar[int] = MAX_ENROL_BYTES
    kind: Annotated[Literal["enrol-granted"], Key(1)] = "enrol-granted"
    sealed: Annotated[bytes, Field(min_length=1, max_length=MAX_ENROL_BYTES, repr=False), Key(5)]


class Enrolment(Message):
    """All that makes a bare box a terminal."""

    MAX_BYTES: ClassVar[int] = MAX_ENROL_BYTES
    kind: Annotated[Literal["enrolment"], Key(1)] = "enrolment"
    terminal: Annotated[TerminalId, Key(2)]
    certificate: Annotated[Der, Key(3)]
    authority: Annotated[Der, Key(4)]
    role_keys: Annotated[bytes, Field(min_length=1, max_length=MAX_BUNDLE_BYTES), Key(5)]
    """The platform's public keys, as the content of a ``keys`` bundle has them."""
    medium_keys: Annotated[tuple[MediumKey, ...], Field(min_length=1, max_length=8, repr=False), Key(6)]
    site: Annotated[TerminalId | None, Key(7)] = None
    configuration: Annotated[str | None, Field(max_length=MAX_CONFIGURATION_CHARS), Key(8)] = None
    bundles: Annotated[tuple[Annotated[bytes, Field(max_length=MAX_BUNDLE_BYTES)], ...], Key(9)] = Field(
        default=(), max_length=MAX_BUNDLES
    )


class Certify(Message):
    """Up, on ``up/certify``, within a COSE_Sign1 of the terminal's checkpoint key: the next certificate, please."""

    MAX_BYTES: ClassVar[int] = MAX_CERTIFICATE_BYTES + 512
    kind: Annotated[Literal["certify"], Key(1)] = "certify"
    nonce: Annotated[Nonce, Key(2)]
    request: Annotated[Der, Key(3)]
    checkpoint: Annotated[Point, Key(4)]
    """The key that signs checkpoints from the next certificate on; it may be the same."""


class _CertifyAnswer(Message):
    terminal: Annotated[TerminalId, Key(2)]
    asked: Annotated[Hash, Key(3)]
    """SHA-256 of the signed question's exact bytes."""
    issued_ms: Annotated[TimeMs, Key(4)]


class Certified(_CertifyAnswer):
    """The next certificate; the one before stays good until it ends."""

    kind: Annotated[Literal["certified"], Key(1)] = "certified"
    certificate: Annotated[Der, Key(5)]


class CertifyRefused(_CertifyAnswer):
    """No."""

    kind: Annotated[Literal["certify-refused"], Key(1)] = "certify-refused"
    code: Annotated[Code, Key(5)]


EnrolAnswer: TypeAlias = EnrolWaits | EnrolRefused | EnrolGranted
CertifyAnswer: TypeAlias = Certified | CertifyRefused

_ENROL: Mapping[str, type[EnrolWaits | EnrolRefused | EnrolGranted]] = {
    "enrol-waits": EnrolWaits,
    "enrol-refused": EnrolRefused,
    "enrol-granted": EnrolGranted,
}
_CERTIFY: Mapping[str, type[Certified | CertifyRefused]] = {
    "certified": Certified,
    "certify-refused": CertifyRefused,
}


def enrol_request(asked: EnrolAsked, secret: bytes) -> bytes:
    """The payload for :func:`~agent.sync.contract.topics.enrol_up`."""
    payload = asked.encode()
    return EnrolRequest(asked=payload, proof=_proof(secret, payload)).encode()


def is_proven(request: EnrolRequest, secret: bytes) -> bool:
    """Whether whoever asked has seen the code."""
    return hmac.compare_digest(request.proof, _proof(secret, request.asked))


def asked_hash(asked: bytes) -> bytes:
    """What an answer names of what was asked, and what people compare: SHA-256 over the exact bytes."""
    return hashlib.sha256(asked).digest()


def fingerprint(asked: bytes) -> str:
    """Of that hash what a person compares, eight groups of four: 128 bits."""
    text = asked_hash(asked).hex()[:32].upper()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def seal_info(enrol_id: str, asked: bytes) -> bytes:
    """What an :class:`Enrolment` is sealed under: see :mod:`agent.sealing`."""
    return cbor.encode(["onecard enrolment 1", enrol_id, asked_hash(asked)])


def sign_enrol_answer(answer: EnrolAnswer, signer: cose.Signer) -> bytes:
    """The payload for the box that holds the code ``answer`` names."""
    return cose.sign1(answer.encode(), signer, enrol_down(answer.id).encode())


def open_enrol_answer(payload: bytes, keys: Mapping[bytes, cose.VerifyKey], enrol_id: str) -> EnrolAnswer:
    """The answer, if one of ``keys`` signed it for this code. Raises :class:`ContractError`."""
    value = _opened(payload, keys, enrol_down(enrol_id))
    kind = value.get(_KIND_KEY)
    model = _ENROL.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise ContractError("not an answer to an enrolment")
    return model.from_value(value)


def sign_certify(certify: Certify, signer: cose.Signer, terminal: str) -> bytes:
    """The payload for ``up/certify``."""
    return cose.sign1(certify.encode(), signer, Address(terminal).topic(Channel.CERTIFY).encode())


def open_certify(payload: bytes, keys: Mapping[bytes, cose.VerifyKey], terminal: str) -> tuple[Certify, bytes]:
    """The question, and the ``kid`` of which of ``keys`` signed it. Raises :class:`ContractError`."""
    value, kid = _signed(payload, keys, Address(terminal).topic(Channel.CERTIFY))
    return Certify.from_value(value), kid


def sign_certify_answer(answer: CertifyAnswer, signer: cose.Signer) -> bytes:
    """The payload for ``down/certified`` of the terminal that ``answer`` names."""
    return cose.sign1(answer.encode(), signer, Address(answer.terminal).topic(Channel.CERTIFIED).encode())


def open_certify_answer(payload: bytes, keys: Mapping[bytes, cose.VerifyKey], terminal: str) -> CertifyAnswer:
    """The answer, if one of ``keys`` signed it for this terminal. Raises :class:`ContractError`."""
    value = _opened(payload, keys, Address(terminal).topic(Channel.CERTIFIED))
    kind = value.get(_KIND_KEY)
    model = _CERTIFY.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise ContractError("not an answer to a renewal")
    return model.from_value(value)


def _proof(secret: bytes, asked: bytes) -> bytes:
    return hmac.digest(secret, cbor.encode(["onecard enrolment 1", asked]), "sha256")


def _opened(payload: bytes, keys: Mapping[bytes, cose.VerifyKey], topic: str) -> Mapping[object, object]:
    return _signed(payload, keys, topic)[0]


def _signed(payload: bytes, keys: Mapping[bytes, cose.VerifyKey], topic: str) -> tuple[Mapping[object, object], bytes]:
    try:
        signed = cose.verify1(payload, keys, topic.encode(), max_payload_bytes=MAX_ENROL_BYTES)
    except cose.CoseError as error:
        raise ContractError(str(error)) from error
    return decode_map(signed.payload, MAX_ENROL_BYTES), signed.kid
