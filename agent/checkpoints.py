"""Whether checkpoints were signed by a terminal's key: what :mod:`offline_store` asks, answered with our signatures."""

from __future__ import annotations

from collections.abc import Mapping

from agent import cose
from offline_store.checkpoint import Proof


def proof(keys: Mapping[bytes, cose.VerifyKey]) -> Proof:
    """Proves by these keys; of a key that is not among them it says ``None``."""

    def proves(kid: bytes, statement: bytes, signature: bytes) -> bool | None:
        key = keys.get(kid)
        return None if key is None else key.verify(signature, statement)

    return proves
