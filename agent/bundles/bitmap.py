"""The content of a ``status`` bundle: the bitmap itself, entry 0 first (:mod:`agent.credentials.status`); its deltas.

A delta is two lists of entries, those that become revoked and those that are valid again: each list is its length and
then the entries, all as 32 bits little-endian. Entries change; the bitmap's size changes by full bundles.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from typing import BinaryIO

from agent.bundles.errors import BundleError, BundleFault
from profiles.reasons import Sentence

MAX_BITMAP_BYTES = 64 * 1024 * 1024
MAX_CHANGES = 1 << 22
_ENTRY_BYTES = 4
_MASKS = tuple(1 << bit for bit in range(8))


def encode_delta(revoked: Iterable[int], restored: Iterable[int]) -> bytes:
    """The body of a delta, before compression."""
    return b"".join(_encode(entries) for entries in (revoked, restored))


def apply(content: bytes, body: BinaryIO) -> bytes:
    """The bitmap that a delta leads to. Raises :class:`BundleError`; a change that changes nothing is refused."""
    bits = bytearray(content)
    for revokes in (True, False):
        entries = _read(body)
        if entries and max(entries) >= 8 * len(bits):
            raise BundleError(BundleFault.CONTENT, Sentence("改动超出名单范围", "a change is beyond the list"))
        for entry in entries:  # a hundred thousand of them: the terminal serves people meanwhile
            byte = bits[entry >> 3]
            bits[entry >> 3] = changed = byte ^ _MASKS[entry & 7]
            if (changed > byte) is not revokes:
                raise BundleError(
                    BundleFault.CONTENT, Sentence("有一处改动没有改变任何内容", "a change changes nothing")
                )
    return bytes(bits)


def check(size_bytes: int) -> None:
    """Whether this is the size of a bitmap. Raises :class:`BundleError`."""
    if not 0 < size_bytes <= MAX_BITMAP_BYTES:
        raise BundleError(
            BundleFault.CONTENT,
            Sentence(
                f"状态名单应为 1 至 {MAX_BITMAP_BYTES} 字节，而不是 {size_bytes}",
                f"a status list has 1 to {MAX_BITMAP_BYTES} bytes, not {size_bytes}",
            ),
        )


def _encode(entries: Iterable[int]) -> bytes:
    words = array("I", sorted(entries))
    words.insert(0, len(words))
    return _little_endian(words).tobytes()


def _read(body: BinaryIO) -> array[int]:
    length = int.from_bytes(_exactly(body, _ENTRY_BYTES), "little")
    if length > MAX_CHANGES:
        raise BundleError(
            BundleFault.CONTENT,
            Sentence(f"{length} 处改动，最多 {MAX_CHANGES} 处", f"{length} changes, at most {MAX_CHANGES} are allowed"),
        )
    words = array("I")
    words.frombytes(_exactly(body, length * _ENTRY_BYTES))
    return _little_endian(words)


def _exactly(body: BinaryIO, size_bytes: int) -> bytes:
    data = body.read(size_bytes)
    if len(data) != size_bytes:
        raise BundleError(BundleFault.CONTENT, Sentence("增量提前结束", "the delta ends early"))
    return data


def _little_endian(words: array[int]) -> array[int]:
    if sys.byteorder == "big":
        words.byteswap()
    return words
