"""Checkpoints: records in which the terminal's own key signs the chain, so that nobody can write another one.

A hash chain alone shows that something was altered only to whoever has a later hash: who has the whole disk could
write it anew from any record on. A checkpoint signs the head before it; what stands before a checkpoint that holds is
what the terminal wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cbor2

from offline_store.errors import RecordInvalid
from offline_store.record import Record, Value

CHECKPOINT = "checkpoint"
EVERY_RECORDS = 500
EVERY_MS = 600_000
_CONTEXT = "onecard checkpoint 1"
_KID_BYTES, _SIGNATURE_BYTES = 8, 64

Proof = Callable[[bytes, bytes, bytes], bool | None]
"""Told ``kid``, statement and signature: whether that key signed it; ``None`` if the key is not known."""


class Signer(Protocol):
    """The terminal's own key; it signs whenever it is asked."""

    @property
    def kid(self) -> bytes:
        """The name of the key, 8 bytes."""

    def sign(self, data: bytes) -> bytes:
        """The signature over ``data``: ES256, r‖s, 64 bytes (RFC 9053 §2.1)."""


@dataclass(frozen=True, slots=True)
class Signatory:
    """Whose chain is signed, by which key, and how often: after so many records, or so much time with any."""

    terminal: str
    signer: Signer
    every_records: int = EVERY_RECORDS
    every_ms: int = EVERY_MS

    def public(self, chain_id: bytes, seq: int, head_hash: bytes) -> dict[str, Value]:
        """The public fields of the checkpoint that follows record ``seq`` with ``head_hash``."""
        signature = self.signer.sign(statement(self.terminal, chain_id, seq, head_hash))
        return {"terminal": self.terminal, "kid": self.signer.kid, "signature": signature}


def statement(terminal: str, chain_id: bytes, seq: int, head_hash: bytes) -> bytes:
    """What is signed: deterministic CBOR of context, terminal, chain id, and the seq and hash of the record before."""
    return cbor2.dumps([_CONTEXT, terminal, chain_id, seq, head_hash])


def holds(record: Record, chain_id: bytes, proof: Proof) -> bool | None:
    """Whether a checkpoint's signature is right; ``None`` where its key is not known.

    Raises :class:`RecordInvalid` for a record that is no whole checkpoint.
    """
    public = record.entry.public
    terminal, kid, signature = (public.get(name) for name in ("terminal", "kid", "signature"))
    if not (
        isinstance(terminal, str)
        and isinstance(kid, bytes)
        and isinstance(signature, bytes)
        and (len(kid), len(signature)) == (_KID_BYTES, _SIGNATURE_BYTES)
    ):
        raise RecordInvalid.at("checkpoint", "终端、密钥编号和签名", "terminal, kid and signature")
    return proof(kid, statement(terminal, chain_id, record.seq - 1, record.prev_hash), signature)
