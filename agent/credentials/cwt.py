"""The canonical expansion of a code: the CWT and the COSE structures that its two signatures cover.

Nothing of this travels. A verifier rebuilds it from the code's bytes and the issuer's row of the trust list; any
library for CWT (RFC 8392) and COSE (RFC 9052) can then check an expanded code. docs/code-format.md §4 has every byte.
"""

from __future__ import annotations

from functools import lru_cache

from agent import cbor
from agent.credentials.ec1 import Ec1, Issued
from agent.credentials.masking import masked
from agent.credentials.trust import TrustRow
from agent.signatures import Algorithm

ISS, EXP, IAT, CTI, CNF = 1, 4, 6, 7, 8
"""Registered claims (RFC 8392 §4; ``cnf``: RFC 8747 §3)."""
SUITE, STATUS_INDEX, ENTITLEMENTS = -70001, -70002, -70003
"""Private claims (RFC 8392 §9.1: integers less than -65536)."""
SM2_CURVE = -65537
"""``crv`` of an SM2 key; COSE has no number for it, so this one is for private use (RFC 9053 §11.2)."""

_SIGN1_TAG = b"\xd2"
_ALG, _KID = 1, 4
_KTY, _CRV, _X, _Y = 1, -1, -2, -3
_COSE_KEY = 1
_OKP, _EC2 = 1, 2
_CURVES = {Algorithm.ES256: 1, Algorithm.ED25519: 6, Algorithm.SM2: SM2_CURVE}
_DEVICE_HEADERS = {algorithm: cbor.encode({_ALG: algorithm.cose}) for algorithm in Algorithm}


def unmask(issued: Issued, row: TrustRow) -> tuple[bytes, int]:
    """The token (16 bytes) and the entitlement bits."""
    fields = masked(issued.masked, row.reading_key, issued.head, issued.device_key)
    return fields[:16], int.from_bytes(fields[16:], "big")


def issuer_header(issued: Issued) -> bytes:
    """The protected header: ``alg``, and as ``kid`` the four bytes ``issuer ‖ kid``."""
    return _issuer_header(issued.suite.issuer, issued.issuer, issued.kid)


@lru_cache(maxsize=256)
def _issuer_header(algorithm: Algorithm, issuer: int, kid: int) -> bytes:
    """The same few for all codes of a day: a row of the trust list has one."""
    return cbor.encode({_ALG: algorithm.cose, _KID: issuer.to_bytes(2, "big") + kid.to_bytes(2, "big")})


def claims(issued: Issued, namespace: str, token: bytes, entitlements: int) -> bytes:
    """The CWT claims set, deterministic CBOR (RFC 8949 §4.2.1)."""
    device = issued.suite.device
    holder = {} if device is None else {CNF: {_COSE_KEY: cose_key(device, issued.device_key)}}
    content: dict[int, object] = {  # in deterministic order, which the golden vectors hold
        ISS: namespace,
        EXP: issued.exp_s,
        IAT: issued.iat_s,
        CTI: token,
        **holder,
        SUITE: issued.suite.byte,
        STATUS_INDEX: issued.status_index,
        ENTITLEMENTS: entitlements,
    }
    return cbor.encode_ordered(content)


def issuer_signed(issued: Issued, namespace: str, token: bytes, entitlements: int) -> bytes:
    """What the issuer signs: the ``Sig_structure`` (RFC 9052 §4.4) over the claims, ``external_aad`` empty."""
    return _sig_structure(issuer_header(issued), b"", claims(issued, namespace, token, entitlements))


def device_signed(issued: bytes, algorithm: Algorithm, payload: bytes) -> bytes:
    """What the phone signs: ``shown at ‖ purpose ‖ nonce``, with all bytes of the credential as ``external_aad``."""
    return _sig_structure(_DEVICE_HEADERS[algorithm], issued, payload)


def expand(code: Ec1, row: TrustRow) -> bytes:
    """The issuer's CWT as a tagged COSE_Sign1, for third-party libraries and the platform."""
    issued = code.issued
    payload = claims(issued, row.namespace, *unmask(issued, row))
    return _SIGN1_TAG + cbor.encode([issuer_header(issued), {}, payload, issued.signature])


def expand_shown(code: Ec1) -> bytes | None:
    """The phone's COSE_Sign1, whose ``external_aad`` is :meth:`Issued.encode`; ``None`` for a static code."""
    if code.shown is None or code.issued.suite.device is None:
        return None
    header = _DEVICE_HEADERS[code.issued.suite.device]
    return _SIGN1_TAG + cbor.encode([header, {}, code.shown.payload, code.shown.signature])


def cose_key(algorithm: Algorithm, encoded: bytes) -> dict[int, object]:
    """A COSE_Key (RFC 9053 §7): EC2 with the sign of y as a boolean, or OKP."""
    if algorithm is Algorithm.ED25519:
        return {_KTY: _OKP, _CRV: _CURVES[algorithm], _X: encoded}
    return {_KTY: _EC2, _CRV: _CURVES[algorithm], _X: encoded[1:], _Y: encoded[0] == 3}


def _sig_structure(protected: bytes, external_aad: bytes, payload: bytes) -> bytes:
    return cbor.encode(["Signature1", protected, external_aad, payload])
