"""The medium id of a card: a keyed hash, so that no list, journal or log holds what the card says."""

from __future__ import annotations

from collections.abc import Callable

from drivers.api import CardReading

MEDIUM_SIZE_BYTES = 16

Mac = Callable[[bytes], bytes]
"""HMAC-SHA-256 under the medium key of the epoch, which never leaves its key store."""


def medium_of(reading: CardReading, mac: Mac) -> bytes:
    """``HMAC(medium key, application ‖ issuer ‖ identifier)[:16]``.

    Each part stands behind its length in two bytes, so that no two cards can share one input.
    """
    parts = (reading.application.encode(), reading.issuer, reading.identifier)
    return mac(b"".join(len(part).to_bytes(2, "big") + part for part in parts))[:MEDIUM_SIZE_BYTES]
