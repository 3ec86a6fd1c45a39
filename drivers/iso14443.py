"""Contactless cards as a reader lists them (ISO/IEC 14443-3, -4) and the ATR that PC/SC gives them."""

from __future__ import annotations

from dataclasses import dataclass

_SAK_ISO_DEP = 0x20
_RANDOM_UID_MARK = 0x08
_ATS_OPTIONAL = (0x10, 0x20, 0x40)
_MAX_HISTORICAL_BYTES = 15
_ATQB_BYTES = 12


class ListingError(ValueError):
    """The reader's list of cards breaks its format; the message shows none of its bytes."""


@dataclass(frozen=True, slots=True)
class TypeA:
    """A type A card: SAK and UID (ISO/IEC 14443-3 §6.5), and the ATS with its length byte once ISO-DEP is active."""

    sak: int
    uid: bytes
    ats: bytes = b""

    @property
    def iso_dep(self) -> bool:
        """Whether the card speaks ISO/IEC 14443-4, hence APDUs (ISO/IEC 14443-3 §6.5.3.4)."""
        return bool(self.sak & _SAK_ISO_DEP)

    @property
    def activated(self) -> bool:
        """Whether it answered RATS (ISO/IEC 14443-4 §5)."""
        return bool(self.ats)

    @property
    def fixed_id(self) -> bytes | None:
        """What is the same whenever the card is powered; ``None`` for a random UID (ISO/IEC 14443-3 §6.5.4)."""
        return None if len(self.uid) == 4 and self.uid[0] == _RANDOM_UID_MARK else self.uid

    @property
    def atr(self) -> bytes:
        """PC/SC part 3 §3.1.3.2.3.1: the ATS's historical bytes."""
        return _atr(historical_bytes(self.ats))


@dataclass(frozen=True, slots=True)
class TypeB:
    """A type B card: ``atqb``, 12 bytes from ``50`` on (ISO/IEC 14443-3 §7.9), and the answer to ATTRIB (§7.11)."""

    atqb: bytes
    attrib: bytes

    @property
    def iso_dep(self) -> bool:
        """Whether the card speaks ISO/IEC 14443-4: bit 1 of the protocol type (ISO/IEC 14443-3 §7.9.4)."""
        return bool(self.atqb[10] & 0x01)

    @property
    def activated(self) -> bool:
        """Whether it answered ATTRIB (ISO/IEC 14443-3 §7.11)."""
        return bool(self.attrib)

    @property
    def fixed_id(self) -> bytes | None:
        """Always ``None``: a PUPI may be drawn anew at each power-on (ISO/IEC 14443-3 §7.9.2)."""
        return None

    @property
    def atr(self) -> bytes:
        """PC/SC part 3 §3.1.3.2.3.1: application data, protocol information, MBLI of the answer to ATTRIB."""
        buffer_index = self.attrib[0] & 0xF0 if self.attrib else 0
        return _atr(self.atqb[5:12] + bytes((buffer_index,)))


Target = TypeA | TypeB


def historical_bytes(ats: bytes) -> bytes:
    """The historical bytes of an ATS (ISO/IEC 14443-4 §5.2), at most 15; empty when it has none."""
    if len(ats) < 2:
        return b""
    interface_bytes = sum(bool(ats[1] & mark) for mark in _ATS_OPTIONAL)
    return ats[2 + interface_bytes :][:_MAX_HISTORICAL_BYTES]


def parse_type_a(listing: bytes) -> tuple[TypeA, ...]:
    """The cards of an InListPassiveTarget answer at 106 kbit/s type A, from ``NbTg`` on (UM0701-02 §7.3.5).

    Raises :class:`ListingError`.
    """
    fields = _Fields(listing)
    found = []
    for _ in range(fields.byte()):
        fields.take(3)  # target number and SENS_RES
        sak = fields.byte()
        uid = fields.take(fields.byte())
        ats = fields.take_self_counted() if sak & _SAK_ISO_DEP else b""
        found.append(TypeA(sak, uid, ats))
    fields.end()
    return tuple(found)


def parse_type_b(listing: bytes) -> tuple[TypeB, ...]:
    """The cards of an InListPassiveTarget answer at 106 kbit/s type B, as :func:`parse_type_a`."""
    fields = _Fields(listing)
    found = []
    for _ in range(fields.byte()):
        fields.take(1)  # target number
        atqb = fields.take(_ATQB_BYTES)
        found.append(TypeB(atqb, fields.take(fields.byte())))
    fields.end()
    return tuple(found)


def _atr(historical: bytes) -> bytes:
    atr = bytes((0x3B, 0x80 | len(historical), 0x80, 0x01)) + historical
    check = 0
    for byte in atr[1:]:
        check ^= byte
    return atr + bytes((check,))


class _Fields:
    """Reads fields off the front; a missing byte is a :class:`ListingError`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        piece = self._data[self._at : self._at + size]
        if len(piece) < size:
            raise ListingError("the list of cards is cut short")
        self._at += size
        return piece

    def byte(self) -> int:
        return self.take(1)[0]

    def take_self_counted(self) -> bytes:
        """A field whose first byte counts itself too, as an ATS; empty at the end and for a count of 0."""
        if self._at == len(self._data):
            return b""
        size = self.byte()
        return bytes((size,)) + self.take(size - 1) if size else b""

    def end(self) -> None:
        if self._at != len(self._data):
            raise ListingError("bytes behind the list of cards")
