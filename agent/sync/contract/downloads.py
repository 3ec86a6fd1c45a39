"""How bundles come down: an offer of signed manifests, the terminal's wish for chunks, and the chunks.

An offer is a hint and proves nothing: each envelope in it is judged as if it had come on a stick. Chunks are published
for everybody who wants that body; what they add up to must have the size and the SHA-256 that the envelope signed.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from agent.sync.contract.messages import Hash
from agent.sync.contract.wire import Key, Message

MAX_ENVELOPES = 8
MAX_ENVELOPE_BYTES = 1_280
CHUNK_BYTES = 48 * 1024
"""Of a body each chunk holds so much, the last one what is left; with its frame it fits what a terminal takes in."""
MAX_CHUNKS = 1 << 15
MAX_WINDOW = 16
MAX_PATH = 15
"""Hashes from a chunk of so many to the root."""

WANT = "want"

_Name = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,48}\z")]
_Envelope = Annotated[bytes, Field(min_length=1, max_length=MAX_ENVELOPE_BYTES)]
_Number = Annotated[int, Field(ge=0, lt=MAX_CHUNKS)]


class Offer(Message):
    """Down, retained for all or to one terminal: the same version as a full bundle, and as deltas that lead to it."""

    kind: Annotated[Literal["offer"], Key(1)] = "offer"
    envelopes: Annotated[tuple[_Envelope, ...], Field(min_length=1, max_length=MAX_ENVELOPES), Key(2)]


class Want(Message):
    """Up, on ``up/ask``: the chunks from ``first`` on, ``count`` of them, of the body with this SHA-256."""

    kind: Annotated[Literal["want"], Key(1)] = "want"
    name: Annotated[_Name, Key(2)]
    bundle_version: Annotated[int, Field(ge=1, lt=2**53), Key(3)]
    body_sha256: Annotated[Hash, Key(4)]
    first: Annotated[_Number, Key(5)]
    count: Annotated[int, Field(ge=1, le=MAX_WINDOW), Key(6)]


class Chunk(Message):
    """Down, for everybody who is subscribed to this version: one piece of one body."""

    MAX_BYTES: ClassVar[int] = CHUNK_BYTES + 1_024
    kind: Annotated[Literal["chunk"], Key(1)] = "chunk"
    body_sha256: Annotated[Hash, Key(2)]
    number: Annotated[_Number, Key(3)]
    data: Annotated[bytes, Field(min_length=1, max_length=CHUNK_BYTES, repr=False), Key(4)]
    path: Annotated[tuple[Hash, ...] | None, Field(max_length=MAX_PATH, repr=False), Key(5)] = None
    """What leads to the root that the manifest signs, where it signs one."""


def chunk_count(body_bytes: int) -> int:
    """How many chunks a body has."""
    return -(-body_bytes // CHUNK_BYTES)
