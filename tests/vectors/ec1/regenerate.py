"""Writes the golden vectors of docs/code-format.md anew: ``python -m tests.vectors.ec1.regenerate``.

Keys and contents follow from their names, so only the signatures of ES256 and SM2 differ from one run to the next.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from agent.credentials import base45, cwt
from agent.credentials.ec1 import PREFIX, Ec1
from agent.credentials.masking import masked
from agent.signatures import Algorithm, PrivateKey, load_private
from profiles.purpose import Purpose
from tools.citizen_code import Grant, IssuingKey, hour_of, issue, show

HERE = Path(__file__).parent
NOW_S = 1_795_492_800
"""2026-11-24T04:00:00Z: the moment at which the valid vectors are valid."""
TOKEN, NONCE = bytes(range(0xA0, 0xB0)), bytes.fromhex("c0ffee00")
CITY, SCHOOL = 1, 2
GRANT = Grant(TOKEN, status_index=4_711, entitlements=0b101, iat_h=hour_of(NOW_S) - 3, ttl_h=24)
REVOKED_INDEX = 13
KIDS = {Algorithm.ES256: 1, Algorithm.ED25519: 2, Algorithm.SM2: 3}


def seed(name: str) -> bytes:
    """32 bytes that follow from a name."""
    return hashlib.sha256(f"EC1 vector: {name}".encode()).digest()


def issuing_key(algorithm: Algorithm, issuer: int = CITY) -> IssuingKey:
    """The key of one issuer for one algorithm."""
    name = f"{issuer}-{KIDS[algorithm]}"
    key = load_private(algorithm, seed(f"issuer {name}"))
    return IssuingKey(issuer, KIDS[algorithm], f"issuer-{issuer}.example", key, seed(f"reading key {name}"))


def device_key(algorithm: Algorithm) -> PrivateKey:
    """The key of the one phone."""
    return load_private(algorithm, seed(f"device {algorithm.name}"))


ISSUERS = [*map(issuing_key, Algorithm), issuing_key(Algorithm.ES256, SCHOOL)]
DEVICES: list[Algorithm | None] = [*Algorithm, None]


def trust() -> dict[str, object]:
    """What a verifier knows: the rows of the trust list, the revoked entries, and the lane's rules."""
    rows = [
        {
            "issuer": by.issuer,
            "kid": by.kid,
            "algorithm": by.key.algorithm.name,
            "key": by.key.public.encoded.hex(),
            "private_key": by.key.raw.hex(),
            "namespace": by.namespace,
            "reading_key": by.reading_key.hex(),
            "valid_from_s": NOW_S - 86_400 * 30,
            "valid_until_s": NOW_S + 86_400 * 30,
            "entitlements": 0xFF if by.issuer == CITY else 0b100,
            "purposes": [int(Purpose.ANY)] if by.issuer == CITY else [int(Purpose.BORROW)],
            "max_ttl_h": 48 if by.issuer == CITY else 24,
            "static_allowed": by.issuer == CITY,
        }
        for by in ISSUERS
    ]
    lane = {"lifetime_s": 60, "skew_s": 5, "purposes": [int(Purpose.ANY), int(Purpose.PASS)], "static": True}
    return {"now_s": NOW_S, "rows": rows, "status_size": 10_000, "revoked": [REVOKED_INDEX], "lane": lane}


def made(
    by: IssuingKey,
    device: Algorithm | None,
    grant: Grant = GRANT,
    at_s: int = NOW_S - 2,
    purpose: Purpose = Purpose.PASS,
) -> Ec1:
    """A code, whole and right."""
    key = device_key(device) if device is not None else None
    issued = issue(by, grant, key.public if key is not None else None)
    return show(issued, key, at_s, purpose, NONCE) if key is not None else Ec1(issued)


def valid(by: IssuingKey, device: Algorithm | None) -> dict[str, object]:
    """One valid code with every step between its contents and its text."""
    code = made(by, device)
    issued, key = code.issued, device_key(device) if device is not None else None
    mask = masked(bytes(20), by.reading_key, issued.head, issued.device_key)
    vector: dict[str, object] = {
        "issuer": issued.issuer,
        "kid": issued.kid,
        "suite": issued.suite.byte,
        "iat_h": issued.iat_h,
        "ttl_h": issued.ttl_h,
        "token": TOKEN.hex(),
        "status_index": issued.status_index,
        "entitlements": GRANT.entitlements,
        "mask": mask.hex(),
        "claims": cwt.claims(issued, by.namespace, TOKEN, GRANT.entitlements).hex(),
        "issuer_signed": cwt.issuer_signed(issued, by.namespace, TOKEN, GRANT.entitlements).hex(),
        "issuer_signature": issued.signature.hex(),
        "device": None,
        "code": code.encode().hex(),
        "text": code.text,
    }
    if key is not None and code.shown is not None:
        signed = cwt.device_signed(issued.encode(), key.algorithm, code.shown.payload)
        vector["device"] = {
            "algorithm": key.algorithm.name,
            "key": key.public.encoded.hex(),
            "private_key": key.raw.hex(),
            "shown_at_s": code.shown.at_s,
            "purpose": code.shown.purpose,
            "nonce": code.shown.nonce.hex(),
            "device_signed": signed.hex(),
            "device_signature": code.shown.signature.hex(),
        }
    return vector


def invalid() -> Iterator[tuple[str, str, str]]:
    """Name, text and reason of codes that are refused at ``NOW_S`` by the rows and the lane of :func:`trust`."""
    es256, school = issuing_key(Algorithm.ES256), issuing_key(Algorithm.ES256, SCHOOL)
    good = made(es256, Algorithm.ES256)
    text, body = good.text, good.text.removeprefix(PREFIX)
    yield "another prefix", "EC2:" + body, "code-unknown"
    yield "lower-case prefix", "ec1:" + body, "code-unknown"
    yield "a line feed behind", text + "\n", "code-damaged"
    yield "one character less", text[:-1], "code-damaged"
    yield "a character outside the alphabet", text[:-1] + "a", "code-damaged"
    yield "a group above 65535", text[:-3] + ":::", "code-damaged"
    yield "empty behind the prefix", PREFIX, "code-damaged"
    yield "issuer algorithm unknown", _patched(good, {0: 0x41}), "code-suite-unknown"
    yield "device algorithm unknown", _patched(good, {0: 0x14}), "code-suite-unknown"
    yield "device key of an impossible form", _patched(good, {34: 0x05}), "code-damaged"
    yield "issuer unknown", _patched(good, {2: 9}), "code-issuer-unknown"
    yield "kid unknown", _patched(good, {4: 9}), "code-issuer-unknown"
    yield "algorithm of another row", _patched(good, {0: 0x31}), "code-issuer-unknown"
    early = replace(GRANT, iat_h=GRANT.iat_h - 24 * 31)
    yield "issued before the key was valid", made(es256, Algorithm.ES256, early).text, "code-issuer-key-invalid"
    for name, at in (("token", 10), ("status index", 26), ("entitlements", 33), ("ttl", 9), ("signature", 130)):
        yield f"{name} changed", _patched(good, {at: good.encode()[at] ^ 1}), "code-forged"
    yield "device algorithm changed, its key kept", _patched(good, {0: 0x13}), "code-forged"
    issued = good.issued.encode()
    stripped = bytes([0x10]) + issued[1:34] + issued[-64:]
    yield "device key and signature stripped, suite made static", PREFIX + base45.encode(stripped), "code-forged"
    yield "device signature stripped", PREFIX + base45.encode(issued), "code-damaged"
    yield "time to live beyond the row", made(es256, None, replace(GRANT, ttl_h=49)).text, "code-issuer-exceeded"
    yield "entitlement beyond the row", made(school, Algorithm.ES256).text, "code-issuer-exceeded"
    own = replace(GRANT, entitlements=0b100)
    yield "static from an issuer that may not", made(school, None, own).text, "code-issuer-exceeded"
    late = replace(GRANT, iat_h=GRANT.iat_h + 4)
    yield "issued in the future", made(es256, Algorithm.SM2, late).text, "code-not-yet-valid"
    yield "past its time to live", made(es256, Algorithm.SM2, replace(GRANT, ttl_h=3)).text, "code-expired"
    yield "device signature changed", _patched(good, {203: good.encode()[203] ^ 1}), "code-device-forged"
    yield "shown at changed", _patched(good, {134: good.encode()[134] ^ 1}), "code-device-forged"
    yield "purpose changed", _patched(good, {135: 0}), "code-device-forged"
    other = made(es256, Algorithm.ES256, replace(GRANT, status_index=4_712))
    swapped = PREFIX + base45.encode(other.issued.encode() + good.encode()[131:])
    yield "signature of the same phone for another credential", swapped, "code-device-forged"
    yield "shown 61 s ago", made(es256, Algorithm.ED25519, at_s=NOW_S - 61).text, "code-stale"
    yield "shown 6 s ahead", made(es256, Algorithm.ED25519, at_s=NOW_S + 6).text, "code-from-future"
    revoked = replace(GRANT, status_index=REVOKED_INDEX)
    yield "revoked", made(es256, Algorithm.ES256, revoked).text, "code-revoked"
    beyond = replace(GRANT, status_index=10_000)
    yield "beyond the status list", made(es256, Algorithm.ES256, beyond).text, "code-revoked"
    yield "shown for paying", made(es256, Algorithm.ES256, purpose=Purpose.PAY).text, "code-wrong-purpose"
    anything = made(school, Algorithm.ES256, own, purpose=Purpose.ANY)
    yield "an issuer whose codes are not for passing", anything.text, "code-wrong-purpose"


def _patched(code: Ec1, changes: dict[int, int]) -> str:
    data = bytearray(code.encode())
    for at, value in changes.items():
        data[at] = value
    return PREFIX + base45.encode(bytes(data))


def vectors() -> dict[str, object]:
    """Every file of this folder, by name."""
    files: dict[str, object] = {"trust": trust()}
    for by in ISSUERS[: len(Algorithm)]:
        for device in DEVICES:
            name = f"{by.key.algorithm.name}-{device.name if device is not None else 'static'}".lower()
            files[name] = valid(by, device)
    files["invalid"] = [{"name": name, "text": text, "reason": reason} for name, text, reason in invalid()]
    return files


def main() -> None:
    """Write them."""
    for name, content in vectors().items():
        (HERE / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
