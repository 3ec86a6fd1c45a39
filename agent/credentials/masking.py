"""Masking: token and entitlements are for terminals with the reading key, not for any stranger's scanner.

``mask = HMAC-SHA-256(reading key, head ‖ device key)[:20]``, where ``head`` is suite, issuer, kid, iat, ttl and status
index as they stand on the wire, 14 bytes. Two credentials of an issuer never share a status
index at one time, so no mask is used twice. What the issuer signs is the unmasked claim: a changed mask fails there.
"""

from __future__ import annotations

import hmac

MASKED_BYTES = 20


def masked(fields: bytes, reading_key: bytes, head: bytes, device_key: bytes) -> bytes:
    """``token ‖ entitlements`` (20 bytes) masked, or unmasked: the operation is its own inverse."""
    mask = hmac.digest(reading_key, head + device_key, "sha256")[:MASKED_BYTES]
    return (int.from_bytes(fields, "big") ^ int.from_bytes(mask, "big")).to_bytes(MASKED_BYTES, "big")
