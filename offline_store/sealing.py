"""Sealed fields: what a record holds for the platform alone, and the record that hands the platform the key.

A sealed field is ``key ‖ nonce ‖ ciphertext ‖ tag``, binary:

=======  ==============================================================================================
bytes    what
=======  ==============================================================================================
16       ``id`` of the ``sealing-key`` record that hands the key over; it precedes the field in the journal
12       nonce: a counter of that key, big-endian, which never goes back and is used once
n        AES-256-GCM (NIST SP 800-38D) of the secret; its additional data bind terminal, key and record
16       authentication tag
=======  ==============================================================================================

The public fields of a ``sealing-key`` record are ``terminal`` and ``for``: an array of two-element arrays, ``kid`` of a
platform key (8 bytes) and the key sealed for it (HPKE, RFC 9180, 113 bytes). Which cryptography makes all that is the
agent's affair (:mod:`agent.day_keys`); the store knows the order only: the key first, and in the same commit at the
latest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from offline_store.record import ID_BYTES, Value

SEALING_KEY = "sealing-key"
NONCE_BYTES = 12
TAG_BYTES = 16
OVERHEAD_BYTES = ID_BYTES + NONCE_BYTES + TAG_BYTES


class SealingKey(Protocol):
    """One key, in memory only: after a restart this terminal cannot read what it has sealed."""

    @property
    def id(self) -> bytes:
        """Of the record that hands it over: a UUIDv7, 16 bytes."""

    @property
    def public(self) -> Mapping[str, Value]:
        """The public fields of that record."""

    def seal(self, secret: bytes, record_id: bytes) -> bytes:
        """A sealed field for the record with this id; never the same bytes twice."""


class Sealer(Protocol):
    """Makes keys: a fresh one for each start of the agent and each day."""

    def ready(self) -> bool:
        """Whether a platform's key is known that keys can be sealed for; from any thread."""

    def key(self, now_ms: int) -> SealingKey:
        """The key of now. Call it only when :meth:`ready`."""
