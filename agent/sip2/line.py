"""One message on the wire: its text, sequence number and checksum, ended by CR (3M SIP 2.00, "Error detection").

``AY`` and a digit, then ``AZ`` and four hex digits stand at the end. The checksum is the two's complement of the sum
of all bytes before its own digits, modulo 2^16, so that both make 0. Whoever answers repeats the digit of ``AY``.

A line is split into fields only after it was decoded: the second byte of a GBK character may be ``|``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from agent.sip2.errors import Sip2Error, Sip2Fault

MAX_LINE_BYTES = 32_768
"""The longest honest answer, the items of a reader with a hundred loans, is a tenth of this."""
END = b"\r"
_ENDS = re.compile(rb"[\r\n]")
_TRAILER = re.compile(rb"(?:AY(?P<sequence>[0-9]))?AZ(?P<checksum>[0-9A-Fa-f]{4})\Z")
_SEQUENCE_ALONE = re.compile(rb"AY(?P<sequence>[0-9])\Z")


@dataclass(frozen=True, slots=True)
class Line:
    """What one line held."""

    text: str = field(repr=False)
    sequence: int | None = None
    checked: bool = False
    """Whether it bore a checksum, which was right."""


def checksum(data: bytes) -> bytes:
    """Four hex digits."""
    return b"%04X" % (-sum(data) & 0xFFFF)


def to_bytes(line: Line, encoding: str, *, checked: bool = True) -> bytes:
    """The line as it is sent, CR included. Raises :class:`Sip2Error` for what the encoding has no place for."""
    try:
        data = line.text.encode(encoding)
    except UnicodeEncodeError:
        raise Sip2Error(Sip2Fault.MALFORMED, encoding) from None
    if line.sequence is not None:
        data += b"AY%d" % line.sequence
    if checked:
        data += b"AZ"
        data += checksum(data)
    return data + END


def from_bytes(data: bytes, encoding: str) -> Line:
    """Read a line without its end. Raises :class:`Sip2Error` (checksum, malformed)."""
    trailer, checked = _TRAILER.search(data), True
    if trailer is None:
        trailer, checked = _SEQUENCE_ALONE.search(data), False
    elif checksum(data[: trailer.start("checksum")]) != trailer["checksum"].upper():
        raise Sip2Error(Sip2Fault.CHECKSUM)
    sequence = None
    if trailer is not None:
        sequence = None if trailer["sequence"] is None else int(trailer["sequence"])
        data = data[: trailer.start()]
    try:
        return Line(data.decode(encoding), sequence, checked)
    except UnicodeDecodeError:
        raise Sip2Error(Sip2Fault.MALFORMED, encoding) from None


class LineBuffer:
    """Bytes in, split anywhere; lines out. Systems end them with CR, CRLF or LF."""

    def __init__(self, max_bytes: int = MAX_LINE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._held = b""

    def feed(self, data: bytes) -> None:
        """Take what came. Raises :class:`Sip2Error` once a line is longer than the bound, ended or not."""
        self._held += data
        longest = max(map(len, _ENDS.split(self._held)))
        if longest > self._max_bytes:
            self._held = b""
            raise Sip2Error(Sip2Fault.TOO_LONG, f"> {self._max_bytes} B")

    def next(self) -> bytes | None:
        """The next line that is whole, without its end; empty ones are skipped."""
        while (end := _ENDS.search(self._held)) is not None:
            line, self._held = self._held[: end.start()], self._held[end.end() :]
            if line:
                return line
        return None
