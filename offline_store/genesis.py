"""Record 1 of a chain: which chain this is, and which record of which chain it continues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from offline_store.errors import RecordInvalid
from offline_store.record import HASH_BYTES, ID_BYTES, Record, Value

GENESIS = "genesis"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The last record of the chain before: its chain's id (16 bytes), its seq, its hash (32 bytes)."""

    chain_id: bytes
    seq: int
    hash: bytes

    def __post_init__(self) -> None:
        if not (_is_octets(self.chain_id, ID_BYTES) and _is_octets(self.hash, HASH_BYTES)):
            raise RecordInvalid.at(
                "genesis predecessor", "16 字节的链编号和 32 字节的摘要", "a chain id of 16 and a hash of 32 bytes"
            )
        if type(self.seq) is not int or self.seq < 1:
            raise RecordInvalid.at("genesis predecessor", "从 1 起的序号", "a seq from 1")


@dataclass(frozen=True, slots=True)
class Genesis:
    """The public fields of record 1. ``chain_id`` is 16 random bytes."""

    chain_id: bytes
    predecessor: Predecessor | None = None
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        if not _is_octets(self.chain_id, ID_BYTES):
            raise RecordInvalid.at("genesis chain_id", "16 字节", "16 bytes")
        if self.format_version != FORMAT_VERSION:
            raise RecordInvalid.at(
                "genesis format", f"唯一已知的 {FORMAT_VERSION}", f"{FORMAT_VERSION}, the only format known,"
            )

    def to_public(self) -> dict[str, Value]:
        """``chain_id``, ``format``, and ``predecessor`` (map: ``chain_id``, ``seq``, ``hash``) if there was one."""
        public: dict[str, Value] = {"chain_id": self.chain_id, "format": self.format_version}
        if self.predecessor is not None:
            before = self.predecessor
            public["predecessor"] = {"chain_id": before.chain_id, "seq": before.seq, "hash": before.hash}
        return public

    @classmethod
    def of(cls, record: Record) -> Self:
        """Read record 1; raises :class:`RecordInvalid` when it is not a genesis."""
        public = record.entry.public
        if record.entry.kind != GENESIS or record.seq != 1:
            raise RecordInvalid.at("record 1", "类别为 genesis 的记录", "a record of kind genesis")
        before = public.get("predecessor")
        if before is not None and not isinstance(before, Mapping):
            raise RecordInvalid.at("genesis predecessor", "映射", "a map")
        return cls(
            chain_id=public.get("chain_id"),  # type: ignore[arg-type]  # the constructors check what arrived
            predecessor=None if before is None else Predecessor(*map(before.get, ("chain_id", "seq", "hash"))),  # type: ignore[arg-type]
            format_version=public.get("format"),  # type: ignore[arg-type]
        )


def _is_octets(value: object, size_bytes: int) -> bool:
    return isinstance(value, bytes) and len(value) == size_bytes
