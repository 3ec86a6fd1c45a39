"""A second verifier of EC1, straight from docs/code-format.md; it shares nothing with ``agent.credentials``."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import cbor2
import gmalg  # type: ignore[import-untyped]  # it ships no types
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
ALG = {1: ("ES256", -7, 33), 2: ("ED25519", -8, 32), 3: ("SM2", -65537, 33)}
ANY = 0


class Refused(Exception):
    """With the reason's code."""


def base45(text: str) -> bytes:
    """§2, text."""
    if set(text) - set(ALPHABET) or len(text) % 3 == 1:
        raise Refused("code-damaged")
    out = b""
    for at in range(0, len(text), 3):
        group = text[at : at + 3]
        value = sum(ALPHABET.index(char) * 45**place for place, char in enumerate(group))
        if value >= 256 ** (len(group) - 1):
            raise Refused("code-damaged")
        out += value.to_bytes(len(group) - 1, "big")
    return out


def holds(alg: str, key: bytes, signature: bytes, data: bytes) -> bool:
    """§2, the three algorithms."""
    r, s = signature[:32], signature[32:]
    try:
        if alg == "SM2":
            return bool(gmalg.SM2(pk=key, uid=b"1234567812345678").verify(data, r, s))
        if alg == "ED25519":
            ed25519.Ed25519PublicKey.from_public_bytes(key).verify(signature, data)
        else:
            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
            der = utils.encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
            point.verify(der, data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def cbor(value: object) -> bytes:
    """§4: deterministic."""
    return cbor2.dumps(value, canonical=True)


def integer(data: bytes) -> int:
    """§2: unsigned, big-endian."""
    return int.from_bytes(data, "big")


def judge(text: str, trust: dict[str, Any]) -> dict[str, Any]:
    """§5, checks 1 to 8 by a ``trust.json``: what the code says. Raises :class:`Refused`."""
    now, lane = trust["now_s"], trust["lane"]
    refuse_unless(text.startswith("EC1:"), "code-unknown")
    refuse_unless(len(text) in (151, 309, 310), "code-damaged")
    code = base45(text[4:])
    high, low = code[0] >> 4, code[0] & 15
    refuse_unless(high in ALG and low in {0, *ALG}, "code-suite-unknown")
    key_bytes = ALG[low][2] if low else 0
    refuse_unless(len(code) == 98 + key_bytes + (73 if low else 0), "code-damaged")
    credential, showing, signature = code[: 98 + key_bytes], code[98 + key_bytes : -64], code[-64:]
    key = code[34 : 34 + key_bytes]
    refuse_unless(key_bytes != 33 or key[0] in (2, 3), "code-damaged")

    issuer, kid = integer(code[1:3]), integer(code[3:5])
    rows = [row for row in trust["rows"] if (row["issuer"], row["kid"]) == (issuer, kid)]
    refuse_unless(len(rows) == 1 and rows[0]["algorithm"] == ALG[high][0], "code-issuer-unknown")
    row = rows[0]
    iat, ttl_h = 1577836800 + 3600 * integer(code[5:8]), integer(code[8:10])
    refuse_unless(row["valid_from_s"] <= iat < row["valid_until_s"], "code-issuer-key-invalid")

    head = code[0:10] + code[26:30]
    mask = hmac.digest(bytes.fromhex(row["reading_key"]), head + key, hashlib.sha256)[:20]
    plain = bytes(a ^ b for a, b in zip(code[10:26] + code[30:34], mask, strict=True))
    token, entitlements, index = plain[:16], integer(plain[16:]), integer(code[26:30])
    claims: dict[int, Any] = {1: row["namespace"], 4: iat + 3600 * ttl_h, 6: iat, 7: token}
    if low == 2:
        claims[8] = {1: {1: 1, -1: 6, -2: key}}
    elif low:
        claims[8] = {1: {1: 2, -1: 1 if low == 1 else -65537, -2: key[1:], -3: key[0] == 3}}
    claims |= {-70001: code[0], -70002: index, -70003: entitlements}
    signed = cbor(["Signature1", cbor({1: ALG[high][1], 4: code[1:5]}), b"", cbor(claims)])
    refuse_unless(holds(ALG[high][0], bytes.fromhex(row["key"]), credential[-64:], signed), "code-forged")
    within = ttl_h <= row["max_ttl_h"] and not entitlements & ~row["entitlements"] and (low or row["static_allowed"])
    refuse_unless(within, "code-issuer-exceeded")
    refuse_unless(iat <= now, "code-not-yet-valid")
    refuse_unless(now < iat + 3600 * ttl_h, "code-expired")

    purpose = ANY
    if low:
        device_signed = cbor(["Signature1", cbor({1: ALG[low][1]}), credential, showing])
        refuse_unless(holds(ALG[low][0], key, signature, device_signed), "code-device-forged")
        shown_at, purpose = integer(showing[:4]), showing[4]
        refuse_unless(now - shown_at <= lane["lifetime_s"], "code-stale")
        refuse_unless(shown_at - now <= lane["skew_s"], "code-from-future")
    else:
        refuse_unless(lane["static"], "code-static")
    refuse_unless(index < trust["status_size"] and index not in trust["revoked"], "code-revoked")
    uses = {purpose} if purpose else set(lane["purposes"]) - {ANY}
    of_row = set(row["purposes"])
    refuse_unless(purpose in lane["purposes"] or not low, "code-wrong-purpose")
    refuse_unless(ANY in of_row or uses & of_row, "code-wrong-purpose")
    return {"token": token.hex(), "entitlements": entitlements, "claims": cbor(claims).hex()}


def refuse_unless(right: object, reason: str) -> None:
    """One check."""
    if not right:
        raise Refused(reason)
