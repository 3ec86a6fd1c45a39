"""BER-TLV data objects as cards use them (ISO/IEC 7816-4 §5.2.2), with every count and depth bounded."""

from __future__ import annotations

from collections.abc import Iterator

ITEMS_MAX = 64
DEPTH_MAX = 6
"""The deepest that these cards go is five: an AID in a PPSE directory (6F, A5, BF0C, 61, 4F)."""
TAG_MAX_BYTES = 3


class TlvError(ValueError):
    """The bytes are no sequence of data objects."""


def objects(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The data objects of one level as ``(tag, value)``, with ``00`` padding between them skipped.

    Raises :class:`TlvError` for a tag of over three bytes, a length that is cut or beyond the data, or over 64 objects.
    """
    at = count = 0
    while at < len(data):
        if data[at] == 0x00:
            at += 1
            continue
        count += 1
        if count > ITEMS_MAX:
            raise TlvError("too many data objects")
        tag, at = _tag(data, at)
        length, at = _length(data, at)
        if at + length > len(data):
            raise TlvError("a value is cut")
        yield tag, data[at : at + length]
        at += length


def find(data: bytes, wanted: int, depth: int = DEPTH_MAX) -> bytes | None:
    """The first value with the tag, searched through constructed objects down to ``depth`` levels; ``None`` if absent.

    Raises :class:`TlvError`.
    """
    return next(find_all(data, wanted, depth), None)


def find_all(data: bytes, wanted: int, depth: int = DEPTH_MAX) -> Iterator[bytes]:
    """Every value with the tag, in the card's order; as :func:`find`."""
    for tag, value in objects(data):
        if tag == wanted:
            yield value
        elif depth > 1 and _constructed(tag):
            yield from find_all(value, wanted, depth - 1)


def encode(tag: int, value: bytes) -> bytes:
    """One data object; a value of up to 255 bytes, as much as a short APDU carries."""
    long_form = b"\x81" if len(value) >= 0x80 else b""
    return tag.to_bytes((tag.bit_length() + 7) // 8, "big") + long_form + bytes([len(value)]) + value


def tag_and_length_list(data: bytes) -> Iterator[tuple[int, int]]:
    """A data object list such as the PDOL (EMV Book 3 §5.4): tags, each with a length of one byte, without values.

    Raises :class:`TlvError`.
    """
    at = count = 0
    while at < len(data):
        count += 1
        if count > ITEMS_MAX:
            raise TlvError("too many data objects")
        tag, at = _tag(data, at)
        if at >= len(data):
            raise TlvError("a length is missing")
        yield tag, data[at]
        at += 1


def _constructed(tag: int) -> bool:
    """Bit 6 of the tag's first byte."""
    return bool(tag >> 8 * ((tag.bit_length() + 7) // 8 - 1) & 0x20)


def _tag(data: bytes, at: int) -> tuple[int, int]:
    start = at
    more = data[at] & 0x1F == 0x1F
    at += 1
    while more:
        if at >= len(data):
            raise TlvError("a tag is cut")
        if at - start >= TAG_MAX_BYTES:
            raise TlvError("a tag is too long")
        more = bool(data[at] & 0x80)
        at += 1
    return int.from_bytes(data[start:at], "big"), at


def _length(data: bytes, at: int) -> tuple[int, int]:
    if at >= len(data):
        raise TlvError("a length is missing")
    first = data[at]
    if first < 0x80:
        return first, at + 1
    size = first & 0x7F
    if not 1 <= size <= 2 or at + 1 + size > len(data):
        raise TlvError("a length is cut or too long")
    return int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size
