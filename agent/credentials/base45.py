"""Base45 (RFC 9285), strictly: one text for every byte string, and no text that the encoder would not write."""

from __future__ import annotations

import struct

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
"""The QR alphanumeric mode's characters, in the order of their values (RFC 9285 §4.2)."""

_NONE = 0xFF
_VALUE_OF = bytes(ALPHABET.find(chr(code)) & _NONE for code in range(256))


class Base45Error(ValueError):
    """The text is not Base45; the message quotes none of it."""


def encode(data: bytes) -> str:
    """Three characters for two bytes, two for a last single byte (RFC 9285 §4)."""
    values: list[int] = []
    for (pair,) in struct.iter_unpack(">H", data[: len(data) & ~1]):
        high, rest = divmod(pair, 45 * 45)
        values += (rest % 45, rest // 45, high)
    if len(data) % 2:
        values += (data[-1] % 45, data[-1] // 45)
    return "".join(map(ALPHABET.__getitem__, values))


def decode(text: str) -> bytes:
    """The bytes of a text. Raises :class:`Base45Error` for a foreign character, a cut group or a group's overflow."""
    if len(text) % 3 == 1:
        raise Base45Error("a group is cut")
    try:
        values = text.encode("latin-1").translate(_VALUE_OF)
    except UnicodeEncodeError:
        raise Base45Error("a character is not in the alphabet") from None  # the cause would quote the text
    if _NONE in values:
        raise Base45Error("a character is not in the alphabet")
    whole = len(values) // 3 * 3
    each = iter(values[:whole])
    pairs = [a + 45 * b + 2025 * c for a, b, c in zip(each, each, each, strict=True)]
    last = [values[whole] + 45 * values[whole + 1]] if whole < len(values) else []
    try:
        return struct.pack(f">{len(pairs)}H{len(last)}B", *pairs, *last)
    except struct.error as error:
        raise Base45Error("a group is larger than its bytes") from error
