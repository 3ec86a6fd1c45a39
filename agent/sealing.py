"""Secrets for one terminal: HPKE in base mode (RFC 9180 §6.1), DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.

A sealed secret is ``enc ‖ ct`` as one-shot HPKE gives it: 65 bytes, the secret's size, 16 bytes. ``info`` says what the
secret is for: under another ``info`` it does not open. Who sealed it is not proven; what carries it is signed.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

OVERHEAD_BYTES = 65 + 16
_SUITE = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class SealBroken(ValueError):
    """The bytes were not sealed for this key and this use."""


def seal(secret: bytes, public: ec.EllipticCurvePublicKey, info: bytes) -> bytes:
    """Seal a secret for the holder of the key that ``public`` belongs to."""
    return _SUITE.encrypt(secret, public, info=info)


def unseal(sealed: bytes, private: ec.EllipticCurvePrivateKey, info: bytes) -> bytes:
    """Open what :func:`seal` made. Raises :class:`SealBroken`."""
    try:
        return _SUITE.decrypt(sealed, private, info=info)
    except (InvalidTag, ValueError) as error:
        raise SealBroken("not sealed for this key and this use") from error
