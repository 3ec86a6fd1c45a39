"""A file of parts: a CBOR sequence (RFC 8742) of byte strings (RFC 8949 §3.1), each of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

_BYTES = 0x40
_ARGUMENT_SIZES = {24: 1, 25: 2, 26: 4}
"""RFC 8949 §3: how many bytes of length follow the first; shorter ones stand in it."""


class SequenceBroken(ValueError):
    """What follows is no byte string of an allowed size."""


class CutShort(SequenceBroken):
    """The file ends within one."""


def parts(stream: IO[bytes], max_bytes: int) -> Iterator[bytes]:
    """One after another, until the file's end. Raises :class:`SequenceBroken`, and ``OSError``."""
    while first := stream.read(1):
        size = first[0] & 0x1F
        if first[0] & 0xE0 != _BYTES or (size > 23 and size not in _ARGUMENT_SIZES):
            raise SequenceBroken
        if size in _ARGUMENT_SIZES:
            argument = stream.read(_ARGUMENT_SIZES[size])
            if len(argument) < _ARGUMENT_SIZES[size]:
                raise CutShort
            size = int.from_bytes(argument, "big")
        if size > max_bytes:
            raise SequenceBroken
        part = stream.read(size)
        if len(part) < size:
            raise CutShort
        yield part
