"""Command and response APDUs in the short form (ISO/IEC 7816-4 §5.1)."""

from __future__ import annotations

from dataclasses import dataclass, field

OK = 0x9000
SECURITY_STATUS_NOT_SATISFIED = 0x6982
FILE_NOT_FOUND = 0x6A82
RECORD_NOT_FOUND = 0x6A83

DATA_MAX = 255
LE_MAX = 256


@dataclass(frozen=True, slots=True)
class Command:
    """One command: header, up to 255 bytes of data, and ``le``, the bytes expected (1 to 256; ``None``: none).

    ``data`` stays out of ``repr``: it may hold a PIN or a cryptogram.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = field(default=b"", repr=False)
    le: int | None = None

    def __post_init__(self) -> None:
        """Raises ``ValueError`` for what the short form cannot say."""
        if not all(0 <= byte <= 0xFF for byte in (self.cla, self.ins, self.p1, self.p2)):
            raise ValueError("a header byte is out of range")
        if len(self.data) > DATA_MAX:
            raise ValueError(f"{len(self.data)} bytes of data, at most {DATA_MAX} fit")
        if self.le is not None and not 1 <= self.le <= LE_MAX:
            raise ValueError(f"Le {self.le} is not within 1 to {LE_MAX}")

    def to_bytes(self) -> bytes:
        """The APDU as sent: cases 1 to 4 of §5.1."""
        body = bytes([len(self.data)]) + self.data if self.data else b""
        le = b"" if self.le is None else bytes([self.le & 0xFF])
        return bytes([self.cla, self.ins, self.p1, self.p2]) + body + le

    @classmethod
    def from_bytes(cls, apdu: bytes) -> Command:
        """Read a short APDU. Raises ``ValueError`` when lengths do not agree."""
        if len(apdu) < 4:
            raise ValueError("an APDU has at least four bytes")
        header, body = apdu[:4], apdu[4:]
        data, le = b"", None
        if len(body) == 1:
            le = body[0] or LE_MAX
        elif body:
            data, rest = body[1 : 1 + body[0]], body[1 + body[0] :]
            if not body[0] or len(data) != body[0] or len(rest) > 1:
                raise ValueError("Lc does not agree with the data")
            le = (rest[0] or LE_MAX) if rest else None
        return cls(header[0], header[1], header[2], header[3], data, le)


@dataclass(frozen=True, slots=True)
class Response:
    """One complete answer: data of all its parts, and the last status word (§5.6). ``data`` stays out of ``repr``."""

    data: bytes = field(repr=False)
    sw: int

    @property
    def ok(self) -> bool:
        """Whether the card did what it was asked: ``9000``, no warning."""
        return self.sw == OK


def select_by_name(name: bytes) -> Command:
    """SELECT an application by its name (§11.2.2, ``00A40400``)."""
    return Command(0x00, 0xA4, 0x04, 0x00, name)


def read_record(number: int, le: int, sfi: int = 0) -> Command:
    """READ RECORD by number (§11.4.3, P2 ends in ``100``); ``sfi`` 0 means the selected file."""
    return Command(0x00, 0xB2, number, sfi << 3 | 0x04, le=le)


def read_tagged_record(tag: int, le: int) -> Command:
    """READ RECORD by identifier (§11.4.3, P2 ``00``: first occurrence) in the selected file."""
    return Command(0x00, 0xB2, tag, 0x00, le=le)


def read_binary(sfi: int, le: int) -> Command:
    """READ BINARY from the start of a file named by its short identifier (§11.3.3)."""
    return Command(0x00, 0xB0, 0x80 | sfi, 0x00, le=le)
