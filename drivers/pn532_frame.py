"""The frames of the PN532's host link (NXP UM0701-02 §6.2.1): a codec and an incremental parser, without I/O."""

from __future__ import annotations

from dataclasses import dataclass

PREAMBLE = b"\x00"
START = b"\x00\xff"
POSTAMBLE = 0x00
MAX_BODY_BYTES = 265
"""§6.2.1.2: the frame identifier (TFI), the command code and up to 263 bytes of data."""

_ACK_MARK = b"\x00\xff"
_NACK_MARK = b"\xff\x00"
_EXTENDED_MARK = b"\xff\xff"
_ERROR_BODY = b"\x7f"


class FrameError(ValueError):
    """The bytes are no frame; the message says where they break the format and shows none of them."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. ``to_bytes`` includes preamble and postamble."""

    def to_bytes(self) -> bytes:
        raise NotImplementedError

    @staticmethod
    def from_bytes(raw: bytes) -> Frame:
        """Decode exactly one frame with its preamble. Raises :class:`FrameError`."""
        if not raw.startswith(PREAMBLE + START):
            raise FrameError("no preamble and start code")
        found = _decode(raw, len(PREAMBLE))
        if found is None or found[1] != len(raw):
            raise FrameError("not exactly one frame long")
        return found[0]


@dataclass(frozen=True, slots=True)
class Information(Frame):
    """A normal frame (§6.2.1.1), or an extended one (§6.2.1.2) where ``body`` is longer than 255 bytes.

    ``body``: identifier ``D4`` (from the host) or ``D5`` (from the PN532), then the packet data; 1 to 265 bytes.
    """

    body: bytes

    def __post_init__(self) -> None:
        if not 1 <= len(self.body) <= MAX_BODY_BYTES:
            raise FrameError(f"a body of {len(self.body)} bytes")

    def to_bytes(self) -> bytes:
        size = len(self.body)
        if size <= 0xFF:
            length = bytes((size, -size & 0xFF))
        else:
            high, low = divmod(size, 0x100)
            length = _EXTENDED_MARK + bytes((high, low, -(high + low) & 0xFF))
        checksum = -sum(self.body) & 0xFF
        return PREAMBLE + START + length + self.body + bytes((checksum, POSTAMBLE))


@dataclass(frozen=True, slots=True)
class Ack(Frame):
    """§6.2.1.3: the frame before was received; from the host it also aborts the command under way."""

    def to_bytes(self) -> bytes:
        return PREAMBLE + START + _ACK_MARK + bytes((POSTAMBLE,))


@dataclass(frozen=True, slots=True)
class Nack(Frame):
    """§6.2.1.4: from the host only: send the last answer once more."""

    def to_bytes(self) -> bytes:
        return PREAMBLE + START + _NACK_MARK + bytes((POSTAMBLE,))


@dataclass(frozen=True, slots=True)
class ApplicationError(Frame):
    """§6.2.1.5: from the PN532 only: the command has a syntax that it does not know."""

    def to_bytes(self) -> bytes:
        return Information(_ERROR_BODY).to_bytes()


def _decode(buffer: bytes | bytearray, start: int) -> tuple[Frame, int] | None:
    """The frame whose start code is at ``start`` and the index behind it; ``None`` while bytes are missing."""
    at = start + len(START)
    mark = bytes(buffer[at : at + 2])
    if len(mark) < 2:
        return None
    at += 2
    if mark in (_ACK_MARK, _NACK_MARK):
        if len(buffer) <= at:
            return None
        if buffer[at] != POSTAMBLE:
            raise FrameError("no postamble")
        return (Ack() if mark == _ACK_MARK else Nack()), at + 1
    if mark == _EXTENDED_MARK:
        if len(buffer) < at + 3:
            return None
        high, low, checksum = buffer[at : at + 3]
        size, at = high * 0x100 + low, at + 3
        length_sum = high + low + checksum
    else:
        size, length_sum = mark[0], sum(mark)
    if length_sum & 0xFF or not 1 <= size <= MAX_BODY_BYTES:
        raise FrameError("wrong length")
    end = at + size
    if len(buffer) < end + 2:
        return None
    body = bytes(buffer[at:end])
    # Without a look at the postamble, a frame that lost a zero byte would pass: its checksum then counts as data.
    if sum(buffer[at : end + 1]) & 0xFF or buffer[end + 1] != POSTAMBLE:
        raise FrameError("wrong checksum or postamble")
    return (ApplicationError() if body == _ERROR_BODY else Information(body)), end + 2


_EMPTY_FIELD = {
    b"".join(frame.to_bytes() for frame in frames): frames
    # RFConfiguration (§7.3.1) is done; InListPassiveTarget (§7.3.5) found no target.
    for frames in ((Ack(), Information(b"\xd5\x33")), (Ack(), Information(b"\xd5\x4b\x00")))
}


class FrameParser:
    """Finds frames in a stream that is split anywhere and may hold noise. Never raises, holds at most one frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.dropped_bytes = 0
        """What was no part of a frame, fill bytes ``00`` not counted."""

    def feed(self, data: bytes) -> list[Frame]:
        """Take what arrived and return the frames that it completes, in order.

        An empty field gives the same two answers all day: they are compared, not parsed.
        """
        if not self._buffer and data in _EMPTY_FIELD:
            return list(_EMPTY_FIELD[data])
        self._buffer += data
        frames: list[Frame] = []
        while True:
            start = self._buffer.find(START)
            if start < 0:
                half = self._buffer.endswith(START[:1])
                self._drop(len(self._buffer) - half)
                return frames
            self._drop(start)
            try:
                found = _decode(self._buffer, 0)
            except FrameError:
                # The true start code may be anywhere behind the false one, so only its first byte goes.
                self._drop(1)
                continue
            if found is None:
                return frames
            frame, end = found
            frames.append(frame)
            del self._buffer[:end]

    @property
    def pending_bytes(self) -> int:
        """How much of an unfinished frame is held."""
        return len(self._buffer)

    def reset(self) -> None:
        """Give up the frame that was begun."""
        self._drop(len(self._buffer))

    def _drop(self, size: int) -> None:
        self.dropped_bytes += sum(byte != 0 for byte in self._buffer[:size])
        del self._buffer[:size]
