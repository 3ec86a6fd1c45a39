"""The transport card of 交通联合 (T-Union, JT/T 978).

Paying needs a PSAM, so the card only says who it is and the fare is settled on the account. The holder type that it
states (student, elder …) is shown where asked for and never decides a concession: sources disagree on where it lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from drivers.api import Interface
from drivers.cards import decode, tlv
from drivers.cards.apdu import FILE_NOT_FOUND, RECORD_NOT_FOUND, Response, read_binary, read_record, select_by_name
from drivers.cards.api import CardContent, CardSession, Command, Field

AIDS = (bytes.fromhex("A000000632010105"), bytes.fromhex("A000000632010106"))
"""The second is used by some cities."""
FCI_PUBLIC_FILE = 0x9F0C
"""The tag under which the FCI repeats file 15."""
PUBLIC_FILE = 0x15
PUBLIC_FILE_BYTES = 30
CITY_FILE = 0x17
CITY_FILE_BYTES = 11
TRIP_FILE = 0x18
TRIP_BYTES = 23
TRIPS_MAX = 10

_GET_BALANCE = Command(0x80, 0x5C, 0x00, 0x02, le=4)
_HOLDER_TYPES = MappingProxyType({1: "ordinary", 2: "student", 3: "elder", 4: "test", 5: "soldier"})


class TUnion:
    """Reads the public file from the FCI: one command for a gate, two where the FCI does not repeat it."""

    name: ClassVar[str] = "t-union"
    interfaces: ClassVar[Mapping[int, frozenset[Interface]]] = MappingProxyType({1: frozenset({Interface.CONTACTLESS})})

    def read(self, session: CardSession, wanted: frozenset[Field]) -> CardContent | None:
        """As :meth:`CardApplication.read`.

        ``identifier`` is the card number as ten bytes BCD, unique across the country, so that ``issuer`` is empty.
        """
        for aid in AIDS:
            selected = session.send(select_by_name(aid))
            if selected.ok:
                return _content(session, _public_file(session, selected), wanted)
        return None


def _public_file(session: CardSession, selected: Response) -> bytes:
    try:
        repeated = tlv.find(selected.data, FCI_PUBLIC_FILE) or b""
    except tlv.TlvError as error:
        raise decode.garbled(str(error)) from None
    if len(repeated) >= PUBLIC_FILE_BYTES:
        return repeated
    answer = session.send(read_binary(PUBLIC_FILE, PUBLIC_FILE_BYTES))
    if not answer.ok or len(answer.data) < PUBLIC_FILE_BYTES:
        raise decode.garbled(f"file 15, status {answer.sw:04X}")
    return answer.data


def _content(session: CardSession, public: bytes, wanted: frozenset[Field]) -> CardContent:
    number = public[10:20]
    digits = decode.bcd(number, "card number")
    if not digits.strip("0"):
        raise decode.garbled("no card number")
    fields: dict[Field, str | None] = {}
    if Field.CARD_NUMBER in wanted:
        fields[Field.CARD_NUMBER] = digits
    if Field.HOLDER_TYPE in wanted:
        fields[Field.HOLDER_TYPE] = _holder_type(session)
    if Field.BALANCE_FEN in wanted:
        fields[Field.BALANCE_FEN] = _balance_fen(session)
    if Field.TRIPS in wanted:
        fields[Field.TRIPS] = _trips(session)
    return CardContent(
        identifier=number,
        valid_from=decode.date(public[20:24], "issue date"),
        valid_until=decode.date(public[24:28], "expiry"),
        fields={field: value for field, value in fields.items() if value is not None},
    )


def _holder_type(session: CardSession) -> str | None:
    answer = session.send(read_binary(CITY_FILE, CITY_FILE_BYTES))
    if not _given(answer, CITY_FILE_BYTES):
        return None
    return _HOLDER_TYPES.get(answer.data[10])


def _balance_fen(session: CardSession) -> str | None:
    answer = session.send(_GET_BALANCE)
    if not _given(answer, 4):
        return None
    return str(int.from_bytes(answer.data[:4], "big") & 0x7FFFFFFF)


def _trips(session: CardSession) -> str:
    """The last movements, newest first as the card keeps them: ``YYYYMMDDhhmmss type amount_fen``, one a line."""
    lines = []
    for number in range(1, TRIPS_MAX + 1):
        answer = session.send(read_record(number, TRIP_BYTES, TRIP_FILE))
        if not _given(answer, TRIP_BYTES):
            break
        record = answer.data
        time = decode.bcd(record[16:23], "time of a trip")
        lines.append(f"{time} {record[9]:02X} {int.from_bytes(record[5:9], 'big')}")
    return "\n".join(lines)


def _given(answer: Response, size_bytes: int) -> bool:
    """Whether the card has what was asked for; GARBLED where it answers less than that, or a fault."""
    if answer.sw in {FILE_NOT_FOUND, RECORD_NOT_FOUND}:
        return False
    if not answer.ok or len(answer.data) < size_bytes:
        raise decode.garbled(f"{len(answer.data)} bytes, status {answer.sw:04X}")
    return True
