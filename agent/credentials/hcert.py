"""HCERT, the envelope of the EU Digital COVID Certificate: text in, credential or reason out; no I/O.

``HC1:`` and Base45 (RFC 9285) of zlib (RFC 1950) of a COSE_Sign1 (RFC 9052 §4.2) of a CWT (RFC 8392) whose claim -260
holds the EU DCC (eHealth Network, "Electronic Health Certificate Specification" 1.0, and its JSON schema 1.3). Checks,
in this order, the first that fails is the reason:

1. Base45, inflation up to a bound with nothing behind it, CBOR, the shape of COSE_Sign1;
2. the algorithm, from the protected header: ES256 or PS256;
3. a signature by a key that bears the ``kid``: identifiers are eight bytes of a hash and do collide, so every such key
   is tried, and none other;
4. the claims and the one statement in them;
5. the signer's certificate: within its validity at the time of issue, and meant for this kind of statement;
6. the clock is good enough for the lane; ``iat <= now < exp``, and the signer's certificate has not expired.

Others write CBOR in many forms, so this is not the narrow CBOR of :mod:`agent.cose`. Of the person only what
:class:`profiles.rules.health.Finding` says is kept; name and birthday are not even read.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from agent import cbor
from agent.clock import Moment
from agent.credentials import base45
from agent.credentials.dcc import Statement, StatementInvalid, read_statement
from agent.credentials.hcert_keys import Algorithm, SignerKey, SignerList, Signers
from agent.credentials.medium import MEDIUM_SIZE_BYTES, Mac
from agent.credentials.trust import Freshness
from profiles.api import Assurance, ClockState, Credential, Presented, Rejected, Subject
from profiles.code_reasons import CodeReason
from profiles.health_reasons import HealthReason
from profiles.reasons import ReasonEnum
from profiles.rules.codes import CodePolicy

PREFIX = "HC1:"
SOURCE = "hcert"

_MAX_TEXT_CHARS = 4_296  # the most that a QR symbol holds in alphanumeric mode (ISO/IEC 18004, version 40-L)
_MAX_MESSAGE_BYTES = 16_384
_MAX_DEPTH = 8
_TAGS = (b"\xd8\x3d", b"\xd2")  # CWT, then COSE_Sign1: some issuers write both, most one, some none
_ALG, _KID = 1, 4
_ALGORITHMS: Mapping[int, Algorithm] = {algorithm.value: algorithm for algorithm in Algorithm}
_MAX_TIME_S = 253_402_300_799  # the end of the year 9999


class HcertError(ValueError):
    """The certificate does not count; ``reason`` says why, and nothing quotes it."""

    def __init__(self, reason: ReasonEnum) -> None:
        super().__init__(reason.technician.en)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate whose signature holds."""

    statement: Statement
    issued_s: int
    """``iat``, Unix seconds."""
    expires_s: int
    """``exp``, Unix seconds."""
    signer: SignerKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Message:
    protected: bytes
    kid: bytes
    algorithm: Algorithm
    payload: bytes
    signature: bytes


def verdict(
    text: str, signers: SignerList | None, policy: CodePolicy, moment: Moment, mac: Mac
) -> Presented | Rejected:
    """A credential whose one entitlement is the :class:`profiles.rules.health.Colour`, or the reason why not.

    Its medium is a keyed hash of the certificate's identifier, its assurance that of a printed code: who shows it
    need not be the person whom it names. A lane whose ``policy`` has no health rules takes none.
    """
    if policy.health is None:
        return Rejected(CodeReason.HEALTH_CERTIFICATE)
    if signers is None or signers.term.expiry(moment.least_ms).freshness is Freshness.EXPIRED:
        return Rejected(HealthReason.SIGNERS_MISSING)
    try:
        certificate = verify(text, signers.signers)
        check_now(certificate, policy, moment)
    except HcertError as error:
        return Rejected(error.reason)
    statement = certificate.statement
    medium = _medium(statement, mac)
    colour = policy.health.colour(statement.finding, moment.least_ms)
    return Presented(
        Credential(
            medium=medium,
            subject=Subject(SOURCE, medium, provisional=True),
            source=SOURCE,
            assurance=Assurance.STATIC_CODE,
            entitlements=frozenset({colour.value}),
        )
    )


def verify(text: str, signers: Signers) -> Certificate:
    """The certificate in a text, by checks 1 to 5. Raises :class:`HcertError`."""
    message = _message(_inflated(text))
    candidates = signers.get(message.kid, ())
    if not candidates:
        raise HcertError(HealthReason.SIGNER_UNKNOWN)
    signed = cbor.encode(["Signature1", message.protected, b"", message.payload])
    holding = [
        key for key in candidates if key.algorithm == message.algorithm and key.verify(message.signature, signed)
    ]
    if not holding:
        raise HcertError(HealthReason.FORGED)
    statement, issued_s, expires_s = _claims(message.payload)
    for key in holding:  # more than one: the same key in several certificates
        if statement.finding.kind in key.kinds and key.valid_from_ms <= issued_s * 1000 < key.valid_until_ms:
            return Certificate(statement, issued_s, expires_s, key)
    raise HcertError(HealthReason.SIGNER_NOT_ALLOWED)


def check_now(certificate: Certificate, policy: CodePolicy, moment: Moment) -> None:
    """Check 6; what the clock is uncertain about counts for the citizen. Raises :class:`HcertError`."""
    if not policy.believes(untrusted=moment.state is ClockState.UNTRUSTED, uncertainty_ms=moment.uncertainty_ms):
        raise HcertError(CodeReason.CLOCK_UNTRUSTED)
    uncertainty_ms = min(moment.uncertainty_ms, policy.max_clock_uncertainty_ms)
    if moment.least_ms + uncertainty_ms < certificate.issued_s * 1000:
        raise HcertError(HealthReason.NOT_YET_VALID)
    expires_ms = min(certificate.expires_s * 1000, certificate.signer.valid_until_ms)
    if moment.least_ms - uncertainty_ms >= expires_ms:
        raise HcertError(HealthReason.EXPIRED)


def _inflated(text: str) -> bytes:
    if not text.startswith(PREFIX) or len(text) > _MAX_TEXT_CHARS:
        raise HcertError(HealthReason.UNREADABLE)
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(base45.decode(text[len(PREFIX) :]), _MAX_MESSAGE_BYTES)
    except (base45.Base45Error, zlib.error):
        raise HcertError(HealthReason.UNREADABLE) from None
    if inflater.unconsumed_tail:
        raise HcertError(HealthReason.TOO_LARGE)
    if not inflater.eof or inflater.unused_data:
        raise HcertError(HealthReason.UNREADABLE)
    return data


def _message(data: bytes) -> _Message:
    for tag in _TAGS:
        data = data.removeprefix(tag)
    match _decoded(data):
        case [bytes() as protected, dict() as unprotected, bytes() as payload, bytes() as signature]:
            header = _decoded(protected)
        case _:
            raise HcertError(HealthReason.UNREADABLE)
    if not isinstance(header, dict):
        raise HcertError(HealthReason.UNREADABLE)
    kid, number = header.get(_KID, unprotected.get(_KID)), header.get(_ALG)
    if not isinstance(kid, bytes) or not isinstance(number, int):
        raise HcertError(HealthReason.UNREADABLE)
    algorithm = _ALGORITHMS.get(number)
    if algorithm is None:
        raise HcertError(HealthReason.ALGORITHM_UNKNOWN)
    return _Message(protected, kid, algorithm, payload, signature)


def _claims(payload: bytes) -> tuple[Statement, int, int]:
    """The statement, ``iat`` and ``exp``. What a signer signed and nobody can read is its form, not a forgery."""
    match _decoded(payload):  # iat, exp, hcert: version 1 of the EU DCC
        case {6: int() as issued_s, 4: int() as expires_s, -260: {1: content}}:
            pass
        case _:
            raise HcertError(HealthReason.UNSUPPORTED)
    if not 0 <= issued_s <= expires_s <= _MAX_TIME_S:
        raise HcertError(HealthReason.UNSUPPORTED)
    try:
        return read_statement(content), issued_s, expires_s
    except StatementInvalid:
        raise HcertError(HealthReason.UNSUPPORTED) from None


def _decoded(data: bytes) -> object:
    try:
        return cbor.decode_foreign(data, max_bytes=_MAX_MESSAGE_BYTES, max_depth=_MAX_DEPTH)
    except cbor.CborError:
        raise HcertError(HealthReason.UNREADABLE) from None


def _medium(statement: Statement, mac: Mac) -> bytes:
    """``HMAC(medium key, "hcert" ‖ country ‖ identifier)[:16]``, each part behind its length as for cards."""
    parts = (SOURCE.encode(), statement.country.encode(), statement.identifier.encode())
    return mac(b"".join(len(part).to_bytes(2, "big") + part for part in parts))[:MEDIUM_SIZE_BYTES]
