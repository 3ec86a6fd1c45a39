"""A health authority for tests: its signer certificates, and certificates in the form of the EU DCC."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from agent.credentials import base45

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
ISSUED_S = NOW_S - 3600
EXPIRES_S = NOW_S + 3600

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Signer:
    """A key and its certificate."""

    key: Key
    certificate: x509.Certificate

    @classmethod
    def make(
        cls,
        key: Key,
        uses: tuple[str, ...] = (),
        valid_from: datetime = datetime(2025, 1, 1, tzinfo=UTC),
        valid_until: datetime = datetime(2027, 1, 1, tzinfo=UTC),
    ) -> Signer:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "XX")])
        builder = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(valid_from)
            .not_valid_after(valid_until)
        )
        if uses:
            usage = x509.ExtendedKeyUsage([x509.ObjectIdentifier(use) for use in uses])
            builder = builder.add_extension(usage, critical=False)
        return cls(key, builder.sign(key, hashes.SHA256()))

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def kid(self) -> bytes:
        return hashlib.sha256(self.der).digest()[:8]

    @property
    def algorithm(self) -> int:
        return -7 if isinstance(self.key, ec.EllipticCurvePrivateKey) else -37

    def sign(self, data: bytes) -> bytes:
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        r, s = decode_dss_signature(self.key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def vaccination(**changes: object) -> dict[str, object]:
    entry = {"tg": "840539006", "vp": "1119349007", "mp": "EU/1/20/1528", "ma": "ORG-100030215"}
    return dcc(v=[{**entry, "dn": 2, "sd": 2, "dt": "2026-01-10", **ISSUER, **changes}])


def tested(**changes: object) -> dict[str, object]:
    entry = {"tg": "840539006", "tt": "LP6464-4", "sc": "2026-02-28T20:00:00+08:00", "tr": "260415000"}
    return dcc(t=[{**entry, **ISSUER, **changes}])


def recovered(**changes: object) -> dict[str, object]:
    entry = {"tg": "840539006", "fr": "2026-01-10", "df": "2026-01-21", "du": "2026-07-01"}
    return dcc(r=[{**entry, **ISSUER, **changes}])


ISSUER = {"co": "XX", "is": "Ministry", "ci": "URN:UVCI:01:XX:187/37512422923"}


def dcc(**groups: object) -> dict[str, object]:
    return {"ver": "1.3.0", "nam": {"fnt": "MUSTERFRAU", "fn": "Musterfrau"}, "dob": "1998-02-26", **groups}


def cwt(content: object, iat: object = ISSUED_S, exp: object = EXPIRES_S) -> bytes:
    """Not deterministic on purpose: real issuers write keys in any order."""
    return cbor2.dumps({6: iat, 4: exp, 1: "XX", -260: {1: content}})


def message(
    signer: Signer,
    payload: bytes,
    *,
    protected: Mapping[int, object] | bytes | None = None,
    unprotected: Mapping[int, object] | None = None,
    tag: bytes = b"\xd2",
) -> bytes:
    header = {4: signer.kid, 1: signer.algorithm} if protected is None else protected
    head = header if isinstance(header, bytes) else cbor2.dumps(header)
    signature = signer.sign(cbor2.dumps(["Signature1", head, b"", payload]))
    return tag + cbor2.dumps([head, unprotected or {}, payload, signature])


def text(cose: bytes, compress: Callable[[bytes], bytes] = zlib.compress) -> str:
    return "HC1:" + base45.encode(compress(cose))


def certificate(signer: Signer, content: object, iat: object = ISSUED_S, exp: object = EXPIRES_S) -> str:
    return text(message(signer, cwt(content, iat, exp)))
