"""Keys of health-certificate signers, from their X.509 certificates (document signer certificates, DSC).

Whose certificates these are is decided by whoever installs them: they come from the national back end, not from a code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from functools import partial

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent import signatures
from agent.credentials.trust import Term
from profiles.rules.health import Kind

KID_BYTES = 8
_MIN_RSA_BITS = 2048
_MAX_RSA_BITS = 4096
_PSS = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)

_USE_ARCS = ("1.3.6.1.4.1.1847.2021.1", "1.3.6.1.4.1.0.1847.2021.1")
"""Extended key usages of the specification, and as some of the first certificates wrote them."""
_KINDS_BY_USE: Mapping[str, frozenset[Kind]] = {
    f"{arc}.{last}": kinds
    for arc in _USE_ARCS
    for last, kinds in (
        (1, frozenset({Kind.MOLECULAR_TEST, Kind.ANTIGEN_TEST})),
        (2, frozenset({Kind.VACCINATION})),
        (3, frozenset({Kind.RECOVERY})),
    )
}


class SignerInvalid(ValueError):
    """Not an X.509 certificate of a signer; ``zh`` and ``en`` say what is wrong with it."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


class Algorithm(IntEnum):
    """What the specification lets signers use, by COSE number (RFC 9053 §2.1, RFC 8230 §2)."""

    ES256 = -7
    PS256 = -37


@dataclass(frozen=True, slots=True)
class SignerKey:
    """The public key of one signer, and what its certificate says of it."""

    kid: bytes
    """The first eight bytes of SHA-256 over the certificate's DER: not unique."""
    algorithm: Algorithm
    valid_from_ms: int
    valid_until_ms: int
    kinds: frozenset[Kind]
    """What this signer may state."""
    _verify: Callable[[bytes, bytes], bool] = field(repr=False, compare=False)

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether ``signature`` over ``data`` is this key's (ES256: r‖s, 64 bytes; PS256: RFC 8230 §2)."""
        return self._verify(signature, data)


Signers = Mapping[bytes, Sequence[SignerKey]]
"""The keys that bear each ``kid``: see :func:`keyring`."""


@dataclass(frozen=True, slots=True)
class SignerList:
    """The signed list of signers that is in force."""

    term: Term
    signers: Signers = field(repr=False)


def signer_key(certificate: x509.Certificate) -> SignerKey:
    """The key of a certificate. Raises :class:`SignerInvalid`."""
    try:
        public, kinds = certificate.public_key(), _kinds(certificate)
    except Exception as error:  # as there
        raise SignerInvalid(
            "证书的公钥或扩展项无法识别", "the certificate's key or extensions cannot be read"
        ) from error
    if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1):
        point = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        algorithm, verify = Algorithm.ES256, signatures.load_public(signatures.Algorithm.ES256, point).verify
    elif isinstance(public, rsa.RSAPublicKey) and _MIN_RSA_BITS <= public.key_size <= _MAX_RSA_BITS:
        algorithm, verify = Algorithm.PS256, partial(_verify_ps256, public)
    else:
        raise SignerInvalid(
            "签名者应使用 P-256，或 2048 至 4096 位的 RSA", "signers use P-256, or RSA of 2048 to 4096 bits"
        )
    return SignerKey(
        kid=hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()[:KID_BYTES],
        algorithm=algorithm,
        valid_from_ms=_ms(certificate.not_valid_before_utc),
        valid_until_ms=_ms(certificate.not_valid_after_utc),
        kinds=kinds,
        _verify=verify,
    )


def load_signers(content: bytes) -> tuple[SignerKey, ...]:
    """The keys of a file of certificates: PEM, one or more, or DER, one. Raises :class:`SignerInvalid`."""
    return tuple(signer_key(certificate) for certificate in load_certificates(content))


def load_certificates(content: bytes) -> list[x509.Certificate]:
    """The certificates themselves, whatever their keys. Raises :class:`SignerInvalid`."""
    try:
        if b"-----BEGIN CERTIFICATE-----" in content:
            return x509.load_pem_x509_certificates(content)
        return [x509.load_der_x509_certificate(content)]
    except Exception as error:  # what cryptography raises of hostile DER is no closed list
        raise SignerInvalid(
            "既不是 PEM 也不是 DER 格式的 X.509 证书", "neither PEM nor DER of X.509 certificates"
        ) from error


def keyring(keys: Iterable[SignerKey]) -> Mapping[bytes, tuple[SignerKey, ...]]:
    """All keys that bear a ``kid``, for each ``kid``."""
    ring: dict[bytes, tuple[SignerKey, ...]] = {}
    for key in keys:
        ring[key.kid] = (*ring.get(key.kid, ()), key)
    return ring


def _kinds(certificate: x509.Certificate) -> frozenset[Kind]:
    """Every kind, unless the certificate names some."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return frozenset(Kind)
    named = [_KINDS_BY_USE[use.dotted_string] for use in usage if use.dotted_string in _KINDS_BY_USE]
    return frozenset().union(*named) if named else frozenset(Kind)


def _verify_ps256(public: rsa.RSAPublicKey, signature: bytes, data: bytes) -> bool:
    try:
        public.verify(signature, data, _PSS, hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
