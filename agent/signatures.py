"""The closed table of signature algorithms: ES256, Ed25519 and SM2, behind one form.

A public key travels compressed, a private key as its 32 bytes, a signature as 64 bytes; DER and PEM stay outside.
ES256 and Ed25519 are computed by ``cryptography``, SM2 by :mod:`agent.sm2`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent import sm2

SIGNATURE_BYTES = 64
RAW_BYTES = 32

_ES256 = ec.ECDSA(hashes.SHA256())
_HALF_BYTES = SIGNATURE_BYTES // 2


_FIELD = 2**255 - 19
_SMALL_ORDER_Y = {
    0,
    1,
    _FIELD - 1,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
}
"""The y of the eight points of edwards25519 whose order divides 8."""


class KeyInvalid(ValueError):
    """The bytes are no key of the algorithm."""


class Algorithm(Enum):
    """What may sign anything here; nothing is negotiated and nothing else is tried."""

    ES256 = (1, -7, 33)
    """ECDSA on P-256 with SHA-256 (FIPS 186-5 §6)."""
    ED25519 = (2, -8, 32)
    """EdDSA on edwards25519 (RFC 8032 §5.1)."""
    SM2 = (3, -65537, 33)
    """SM2 with SM3 (GB/T 32918.2-2016); COSE has no number for it, so this one is for private use (RFC 9053 §11)."""

    def __init__(self, nibble: int, cose: int, key_bytes: int) -> None:
        self.nibble = nibble
        """Its half of the citizen code's suite byte (docs/code-format.md)."""
        self.cose = cose
        """Its COSE algorithm number (RFC 9053 §2)."""
        self.key_bytes = key_bytes
        """The size of its encoded public key."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Verifies for one algorithm; equal if algorithm and bytes are. Get one from :func:`load_public`."""

    algorithm: Algorithm
    encoded: bytes
    """ES256 and SM2: the compressed point (SEC 1 §2.3.3), 33 bytes; Ed25519: RFC 8032 §5.1.2, 32 bytes."""
    _verify: Callable[[bytes, bytes], bool] = field(repr=False, compare=False)

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether ``signature`` over ``data`` is this key's: r‖s (Ed25519: R‖S), 64 bytes, anything else is not."""
        return len(signature) == SIGNATURE_BYTES and self._verify(signature, data)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """Signs for one algorithm. Get one from :func:`load_private` or :func:`generate`."""

    algorithm: Algorithm
    public: PublicKey
    raw: bytes = field(repr=False)
    """The scalar, big-endian (Ed25519: the seed), 32 bytes."""
    _sign: Callable[[bytes], bytes] = field(repr=False, compare=False)

    def sign(self, data: bytes) -> bytes:
        """The signature over ``data``, 64 bytes: see :meth:`PublicKey.verify`."""
        return self._sign(data)


def load_public(algorithm: Algorithm, encoded: bytes) -> PublicKey:
    """The key in its encoded form: see :attr:`PublicKey.encoded`. Raises :class:`KeyInvalid`."""
    if len(encoded) != algorithm.key_bytes:
        raise KeyInvalid(f"a public key for {algorithm.name} has {algorithm.key_bytes} bytes")
    try:
        match algorithm:
            case Algorithm.ES256:
                point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), encoded)
                return PublicKey(algorithm, encoded, partial(_verify_es256, point))
            case Algorithm.ED25519:
                _refuse_small_order(encoded)
                public = Ed25519PublicKey.from_public_bytes(encoded)
                return PublicKey(algorithm, encoded, partial(_verify_ed25519, public))
            case Algorithm.SM2:
                return PublicKey(algorithm, encoded, sm2.VerifyKey(encoded).verify)
    except ValueError as error:
        raise KeyInvalid(f"not a public key for {algorithm.name}") from error


def _refuse_small_order(encoded: bytes) -> None:
    """Points that a constant signature satisfies, and second spellings of a point (RFC 8032 §5.1.3, §8.4).

    Whoever binds such a key to a credential lets everybody show it. Raises ``ValueError``.
    """
    y = int.from_bytes(encoded, "little") & ~(1 << 255)
    if y >= _FIELD or y in _SMALL_ORDER_Y:
        raise ValueError("a point of small order, or not the shortest encoding")


def load_private(algorithm: Algorithm, raw: bytes) -> PrivateKey:
    """The key from its 32 bytes: see :attr:`PrivateKey.raw`. Raises :class:`KeyInvalid`."""
    if len(raw) != RAW_BYTES:
        raise KeyInvalid(f"a private key has {RAW_BYTES} bytes")
    try:
        match algorithm:
            case Algorithm.ES256:
                scalar = ec.derive_private_key(int.from_bytes(raw, "big"), ec.SECP256R1())
                point = scalar.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
                return PrivateKey(algorithm, load_public(algorithm, point), raw, partial(_sign_es256, scalar))
            case Algorithm.ED25519:
                seed = Ed25519PrivateKey.from_private_bytes(raw)
                public = seed.public_key().public_bytes_raw()
                return PrivateKey(algorithm, load_public(algorithm, public), raw, seed.sign)
            case Algorithm.SM2:
                key = sm2.SignKey(raw)
                return PrivateKey(algorithm, load_public(algorithm, key.public_encoded), raw, key.sign)
    except ValueError as error:
        raise KeyInvalid(f"not a private key for {algorithm.name}") from error


def generate(algorithm: Algorithm) -> PrivateKey:
    """A fresh key from the kernel's randomness."""
    while True:
        try:
            return load_private(algorithm, secrets.token_bytes(RAW_BYTES))
        except KeyInvalid:  # once in 2**32: 0, or not below the order
            continue


def _verify_es256(point: ec.EllipticCurvePublicKey, signature: bytes, data: bytes) -> bool:
    r, s = int.from_bytes(signature[:_HALF_BYTES], "big"), int.from_bytes(signature[_HALF_BYTES:], "big")
    try:
        point.verify(encode_dss_signature(r, s), data, _ES256)
    except InvalidSignature:
        return False
    return True


def _sign_es256(scalar: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    r, s = decode_dss_signature(scalar.sign(data, _ES256))
    return r.to_bytes(_HALF_BYTES, "big") + s.to_bytes(_HALF_BYTES, "big")


def _verify_ed25519(public: Ed25519PublicKey, signature: bytes, data: bytes) -> bool:
    try:
        public.verify(signature, data)
    except InvalidSignature:
        return False
    return True
