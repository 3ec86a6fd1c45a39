"""What can be told of a record whose content is not understood: its place in the chain.

A later version may add fields and kinds. Whoever keeps records for others must not lose such a one, nor hold up those
behind it: its bytes, its number and what it continues are enough to keep it in its place, until somebody can read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import cbor2

from offline_store.errors import RecordInvalid, UnknownSuite
from offline_store.record import HASH_BYTES, ID_BYTES, MAX_INTEGER, MAX_RECORD_BYTES, SUITE

_SUITE, _SEQ, _ID, _PREV_HASH = 0, 1, 2, 17
_MAX_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Outline:
    """The fields of every record of this suite, in whatever version: see :mod:`offline_store.record`."""

    seq: int
    id: bytes
    prev_hash: bytes = field(repr=False)

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Read the place; raises :class:`RecordInvalid`, and :class:`UnknownSuite` where the hash is another one."""
        if len(data) > MAX_RECORD_BYTES:
            raise RecordInvalid.at("record", f"至多 {MAX_RECORD_BYTES} 字节", f"at most {MAX_RECORD_BYTES} bytes")
        try:
            fields = cbor2.loads(data, max_depth=_MAX_DEPTH, allow_indefinite=False, allow_duplicate_keys=False)
        except cbor2.CBORDecodeError as error:
            raise RecordInvalid.at("record", "确定性 CBOR 编码", "deterministic CBOR") from error
        if not isinstance(fields, dict) or not all(type(key) is int for key in fields):
            raise RecordInvalid.at("record", "整数键的 CBOR 映射", "a CBOR map with integer keys")
        if fields.get(_SUITE) != SUITE:
            raise UnknownSuite(
                f"这条记录所用的算法组不是 {SUITE}，无法核对它在链中的位置",
                f"this record names a suite that is not {SUITE}: its place in the chain cannot be proved",
            )
        seq, record_id, prev_hash = fields.get(_SEQ), fields.get(_ID), fields.get(_PREV_HASH)
        if type(seq) is not int or not 1 <= seq <= MAX_INTEGER:
            raise RecordInvalid.at("record field seq", "从 1 起的序号", "a seq from 1")
        return cls(seq, _octets("id", record_id, ID_BYTES), _octets("prev_hash", prev_hash, HASH_BYTES))


def _octets(name: str, value: object, size_bytes: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != size_bytes:
        raise RecordInvalid.at(f"record field {name}", f"正好 {size_bytes} 字节", f"exactly {size_bytes} bytes")
    return value
