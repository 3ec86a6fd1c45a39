"""The bank card (PBOC / UnionPay, EMV Books 1 and 3), read for its number alone; a lane must ask for it by name.

The number is payment data: it leaves this module as the identifier, of which the agent keeps a keyed hash, and as a
field with all but its first six and last four digits masked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import ClassVar

from drivers.api import Interface
from drivers.cards import decode, tlv
from drivers.cards.apdu import LE_MAX, Response, read_record, select_by_name
from drivers.cards.api import CardContent, CardSession, Command, Field

PPSE = b"2PAY.SYS.DDF01"
UNIONPAY = bytes.fromhex("A000000333")
AIDS = tuple(UNIONPAY + bytes.fromhex(suffix) for suffix in ("010101", "010102", "010103"))
"""Debit, credit, quasi-credit: tried where the card has no directory of its contactless applications."""

_AID = 0x4F
_PDOL = 0x9F38
_TRACK_2 = 0x57
_PAN = 0x5A
_EXPIRY = 0x5F24
_AFL = 0x94
_FORMAT_1 = 0x80

_TERMINAL_DATA: Mapping[int, bytes] = MappingProxyType(
    {
        0x9F66: bytes.fromhex("26000000"),  # qPBOC over contactless, online PIN and signature known
        0x9F1A: bytes.fromhex("0156"),  # China
        0x5F2A: bytes.fromhex("0156"),  # yuan
    }
)
_PDOL_MAX_BYTES = 250
_RECORDS_MAX = 16
_NO_LOCATOR = bytes.fromhex("10010100")
"""A contact card that names no file keeps its number in record 1 of file 2 (``00B2011400``)."""


class Pboc:
    """Directory, application, processing options, and records until the number is found."""

    name: ClassVar[str] = "pboc"
    interfaces: ClassVar[Mapping[int, frozenset[Interface]]] = MappingProxyType(
        {1: frozenset({Interface.CONTACT, Interface.CONTACTLESS})}
    )

    def read(self, session: CardSession, wanted: frozenset[Field]) -> CardContent | None:
        """As :meth:`CardApplication.read`: ``identifier`` is the number's digits in ASCII, ``issuer`` its first six."""
        for aid in _candidates(session):
            selected = session.send(select_by_name(aid))
            if selected.ok:
                break
        else:
            return None
        try:
            pan, valid_until = _number_and_expiry(_answers(session, selected))
        except tlv.TlvError as error:
            raise decode.garbled(str(error)) from None
        masked = pan[:6] + "*" * (len(pan) - 10) + pan[-4:]
        return CardContent(
            identifier=pan.encode(),
            issuer=pan[:6].encode(),
            valid_until=valid_until,
            fields={Field.CARD_NUMBER: masked} if Field.CARD_NUMBER in wanted else {},
        )


def _candidates(session: CardSession) -> tuple[bytes, ...]:
    """The card's own UnionPay applications by its directory, in its order, or the known ones."""
    directory = session.send(select_by_name(PPSE))
    if not directory.ok:
        return AIDS
    try:
        named = [aid for aid in tlv.find_all(directory.data, _AID) if aid.startswith(UNIONPAY) and len(aid) <= 16]
    except tlv.TlvError as error:
        raise decode.garbled(str(error)) from None
    return tuple(named[: len(AIDS)])


def _answers(session: CardSession, selected: Response) -> Iterator[bytes]:
    """The answer to GET PROCESSING OPTIONS, then the records that its file locator (AFL) names."""
    asked = b"".join(_fill(tag, length) for tag, length in _pdol(selected.data))
    if len(asked) > _PDOL_MAX_BYTES:
        raise decode.garbled("PDOL too long")
    options = session.send(Command(0x80, 0xA8, 0x00, 0x00, tlv.encode(0x83, asked), LE_MAX))
    if not options.ok:
        raise decode.garbled(f"GET PROCESSING OPTIONS, status {options.sw:04X}")
    yield options.data
    for sfi, number in _records(_locator(options.data)):
        answer = session.send(read_record(number, LE_MAX, sfi))
        if answer.ok:
            yield answer.data


def _pdol(fci: bytes) -> Iterator[tuple[int, int]]:
    return tlv.tag_and_length_list(tlv.find(fci, _PDOL) or b"")


def _fill(tag: int, length: int) -> bytes:
    """What the terminal says of itself; zeros for all that a reading needs not (EMV Book 3 §5.4)."""
    return _TERMINAL_DATA.get(tag, b"")[:length].ljust(length, b"\0")


def _locator(options: bytes) -> bytes:
    """The AFL of either answer format (EMV Book 3 §6.5.8.4)."""
    plain = tlv.find(options, _FORMAT_1)
    afl = plain[2:] if plain is not None else tlv.find(options, _AFL)
    return afl or _NO_LOCATOR


def _records(afl: bytes) -> list[tuple[int, int]]:
    """``(sfi, record number)`` of each record, in order (EMV Book 3 §10.2)."""
    if len(afl) % 4:
        raise decode.garbled("AFL")
    entries = (afl[at : at + 4] for at in range(0, len(afl), 4))
    named = ((entry[0] >> 3, number) for entry in entries for number in range(entry[1], entry[2] + 1))
    records = list(islice(named, _RECORDS_MAX + 1))
    if len(records) > _RECORDS_MAX:
        raise decode.garbled("AFL too long")
    return records


def _number_and_expiry(answers: Iterator[bytes]) -> tuple[str, str | None]:
    """The card number and its last valid day, from the first answer that holds the number."""
    for data in answers:
        track_2 = tlv.find(data, _TRACK_2)
        if track_2 is not None:
            pan, separator, rest = track_2.hex().partition("d")
            return _pan(pan), _month(rest[:4]) if separator else None
        number = tlv.find(data, _PAN)
        if number is not None:
            expiry = tlv.find(data, _EXPIRY)
            return _pan(number.hex().rstrip("f")), None if expiry is None else _month(expiry.hex()[:4])
    raise decode.garbled("no card number")


def _pan(digits: str) -> str:
    """ISO/IEC 7812-1 §4.1: up to 19 digits; under 12 the mask would hide nothing."""
    if not digits.isdecimal() or not 12 <= len(digits) <= 19:
        raise decode.garbled("card number")
    return digits


def _month(digits: str) -> str:
    if len(digits) != 4 or not digits.isdecimal():
        raise decode.garbled("expiry")
    return decode.last_day_of(digits, "expiry")
