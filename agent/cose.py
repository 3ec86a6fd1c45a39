"""COSE_Sign1 (RFC 9052 §4.2, §4.4): one signer, attached payload, strict reading.

Every signed thing from the platform travels in this envelope. The rules, in the order in which they are checked:

1. tag 18 and an array of four, in deterministic CBOR within the size that the caller allows;
2. the protected header holds ``alg`` (1) and ``kid`` (4) and nothing else; the unprotected header is empty;
3. the ``kid`` names a key that the caller trusts for this purpose;
4. ``alg`` is the algorithm of that key, out of the table of :mod:`agent.signatures`: a message never chooses how it is
   verified;
5. the signature over ``Sig_structure`` with the caller's ``external_aad`` is right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent import cbor
from agent.signatures import RAW_BYTES, Algorithm, PrivateKey, PublicKey, load_private, load_public

_SIGN1_TAG = 0xD2
_ALG, _KID = 1, 4
_OVERHEAD_BYTES = 256
_KID_BYTES = 8


class CoseError(ValueError):
    """The envelope is malformed, from an unknown key, or not signed by it; the text says which."""


class Signer(Protocol):
    """Holds one private key; a hardware module can stand behind it."""

    @property
    def kid(self) -> bytes:
        """The name of the key: see :func:`key_id`."""

    @property
    def algorithm(self) -> Algorithm:
        """What :meth:`sign` computes."""

    def sign(self, data: bytes) -> bytes:
        """The signature over ``data`` in its COSE form (ES256: r‖s, 64 bytes, RFC 9053 §2.1)."""


@dataclass(frozen=True)
class Es256Signer:
    """An ECDSA P-256 key held in memory."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    kid: bytes = field(init=False)
    algorithm: Algorithm = field(init=False, default=Algorithm.ES256)
    _private: PrivateKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        raw = self.key.private_numbers().private_value.to_bytes(RAW_BYTES, "big")
        object.__setattr__(self, "kid", key_id(self.key.public_key()))
        object.__setattr__(self, "_private", load_private(Algorithm.ES256, raw))

    def sign(self, data: bytes) -> bytes:
        return self._private.sign(data)


@dataclass(frozen=True)
class VerifyKey:
    """A public key, bound to its one algorithm."""

    kid: bytes
    key: PublicKey = field(repr=False)

    @classmethod
    def of(cls, public: object) -> VerifyKey:
        """Bind a ``cryptography`` public key to the algorithm that fits it. Raises :class:`CoseError`."""
        if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1):
            point = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
            return cls(kid=key_id(public), key=load_public(Algorithm.ES256, point))
        raise CoseError("an envelope is signed with ECDSA on P-256, and this is another key")

    @classmethod
    def from_pem(cls, pem: bytes) -> VerifyKey:
        """Read a PEM ``SubjectPublicKeyInfo``. Raises :class:`CoseError`."""
        try:
            public = serialization.load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise CoseError("not a PEM public key") from error
        return cls.of(public)

    @property
    def algorithm(self) -> Algorithm:
        """The only one that the key verifies."""
        return self.key.algorithm

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether ``signature`` (r‖s) over ``data`` is this key's."""
        return self.key.verify(signature, data)


def key_id(public: ec.EllipticCurvePublicKey) -> bytes:
    """The ``kid``: the first 8 bytes of SHA-256 over the key's DER ``SubjectPublicKeyInfo``."""
    spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()[:_KID_BYTES]


def keyring(keys: Iterable[VerifyKey]) -> Mapping[bytes, VerifyKey]:
    """Keys by ``kid``, as :func:`verify1` wants them."""
    return {key.kid: key for key in keys}


@dataclass(frozen=True)
class Signed:
    """A payload whose signature was verified, and the key that made it."""

    payload: bytes
    kid: bytes


def sign1(payload: bytes, signer: Signer, external_aad: bytes = b"") -> bytes:
    """A tagged COSE_Sign1 over ``payload`` and ``external_aad`` (RFC 9052 §4.4)."""
    protected = cbor.encode({_ALG: signer.algorithm.cose, _KID: signer.kid})
    signature = signer.sign(_sig_structure(protected, external_aad, payload))
    return bytes([_SIGN1_TAG]) + cbor.encode([protected, {}, payload, signature])


def verify1(
    message: bytes, keys: Mapping[bytes, VerifyKey], external_aad: bytes = b"", *, max_payload_bytes: int
) -> Signed:
    """The payload of a tagged COSE_Sign1 that one of ``keys`` signed together with ``external_aad``.

    Raises :class:`CoseError`; see the module's rules.
    """
    protected, payload, signature = _parse(message, max_payload_bytes)
    algorithm, kid = _parse_protected(protected)
    key = keys.get(kid)
    if key is None:
        raise CoseError("signed by a key that is not trusted for this")
    if algorithm != key.algorithm.cose:
        raise CoseError("the algorithm in the header is not the key's")
    if not key.verify(signature, _sig_structure(protected, external_aad, payload)):
        raise CoseError("the signature is wrong")
    return Signed(payload=payload, kid=kid)


def unverified(message: bytes, *, max_payload_bytes: int) -> bytes:
    """The payload before anybody believes it, of a message that names its own key. Raises :class:`CoseError`."""
    return _parse(message, max_payload_bytes)[1]


def _sig_structure(protected: bytes, external_aad: bytes, payload: bytes) -> bytes:
    return cbor.encode(["Signature1", protected, external_aad, payload])


def _parse(message: bytes, max_payload_bytes: int) -> tuple[bytes, bytes, bytes]:
    if message[:1] != bytes([_SIGN1_TAG]):
        raise CoseError("not a tagged COSE_Sign1")
    try:
        value = cbor.decode(message[1:], max_bytes=max_payload_bytes + _OVERHEAD_BYTES, max_depth=2)
    except cbor.CborError as error:
        raise CoseError(f"COSE_Sign1: {error}") from error
    match value:
        case (bytes() as protected, Mapping() as unprotected, bytes() as payload, bytes() as signature):
            if unprotected:
                raise CoseError("the unprotected header must be empty")
            return protected, payload, signature
    raise CoseError("COSE_Sign1 is an array of protected, unprotected, payload and signature")


def _parse_protected(protected: bytes) -> tuple[int, bytes]:
    try:
        header = cbor.decode(protected, max_bytes=_OVERHEAD_BYTES, max_depth=1)
    except cbor.CborError as error:
        raise CoseError(f"protected header: {error}") from error
    if isinstance(header, Mapping) and header.keys() == {_ALG, _KID}:
        match header[_ALG], header[_KID]:
            case int() as algorithm, bytes() as kid:
                return algorithm, kid
    raise CoseError("the protected header holds alg and kid and nothing else")
