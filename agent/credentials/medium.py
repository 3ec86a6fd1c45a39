"""The medium id of a card: a keyed hash, so that no list, journal or log holds what the card says (DESIGN §4)."""

from __future__ import annotations

import hmac

from drivers.api import CardReading

MEDIUM_SIZE_BYTES = 16


def medium_of(reading: CardReading, key: bytes) -> bytes:
    """``HMAC-SHA-256(key of the epoch, application ‖ issuer ‖ identifier)[:16]``.

    Each part stands behind its length in two bytes, so that no two cards can share one input.
    """
    parts = (reading.application.encode(), reading.issuer, reading.identifier)
    message = b"".join(len(part).to_bytes(2, "big") + part for part in parts)
    return hmac.digest(key, message, "sha256")[:MEDIUM_SIZE_BYTES]
