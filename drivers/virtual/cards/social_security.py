"""A social security card in software: what its file says, told as cards of its generation tell it."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from drivers.api import DriverSettings
from drivers.cards import social_security as card
from drivers.cards.apdu import FILE_NOT_FOUND, OK, RECORD_NOT_FOUND, SECURITY_STATUS_NOT_SATISFIED, Command
from drivers.cards.tlv import encode
from drivers.virtual.cards.chip import INS_NOT_SUPPORTED, WRONG_P1_P2, Answer, fci
from drivers.virtual.cards.kinds import Digits, Hex

VERSIONS = {1: "1.00", 2: "2.0", 3: "3.00"}
_BY_TAG, _BY_NUMBER, _ALL_FROM = 0, 4, 5


class SocialSecurityFile(DriverSettings):
    """One social security card. ``pin_first`` and ``by_tag: false`` are habits of some cities' cards."""

    kind: Literal["social-security"]
    generation: Literal[1, 2, 3]
    identifier: Annotated[Hex, Field(min_length=32, max_length=32)]
    issuer: Annotated[Digits, Field(min_length=24, max_length=24)]
    card_number: str = Field(pattern=r"^[A-Z0-9]{9}$")
    id_number: str = Field(pattern=r"^[0-9]{17}[0-9X]$")
    name: str = Field(min_length=1, max_length=25)
    birth_date: datetime.date
    issued: datetime.date
    valid_until: datetime.date
    dates: Literal["bcd", "ascii"] = "bcd"
    name_extension: bool = True
    by_tag: bool = True
    pin_first: bool = False

    @model_validator(mode="after")
    def _name_fits(self) -> Self:
        room = card.SIZES_BYTES[card.NAME] + (card.SIZES_BYTES[card.NAME_EXTENSION] if self.name_extension else 0)
        if len(self.name.encode("gb18030")) > room:
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": f"姓名按 GB18030 超过 {room} 字节",
                    "en": f"the name is longer than {room} bytes in GB18030",
                },
            )
        return self

    def applets(self) -> tuple[SocialSecurityApplet, ...]:
        """The applet that tells this."""
        return (SocialSecurityApplet(self),)


class SocialSecurityApplet:
    """SELECT, SELECT of EF05 and EF06, READ RECORD by tag, by number and all at once; the PIN is never given to it."""

    def __init__(self, data: SocialSecurityFile) -> None:
        self._data = data
        self._files = {card.EF05: _ef05(data), card.EF06: _ef06(data)}
        self._file: int | None = None

    def select(self, name: bytes) -> bytes | None:
        """As :meth:`Applet.select`, with the FCI of a real card's log."""
        if name != card.APPLICATION_NAME:
            return None
        self._file = None
        return fci(name, bytes.fromhex("88011E"))

    def answer(self, command: Command) -> Answer:
        """As :meth:`Applet.answer`."""
        if command.ins == 0xA4:
            self._file = int.from_bytes(command.data, "big")
            return b"", OK if self._file in self._files else FILE_NOT_FOUND
        if command.ins == 0xB2:
            return self._read_record(command)
        return b"", INS_NOT_SUPPORTED

    def _read_record(self, command: Command) -> Answer:
        sfi = command.p2 >> 3
        file = 0xEF00 | sfi if sfi else self._file
        if file not in self._files:
            return b"", FILE_NOT_FOUND
        found = self._find(self._files[file], command.p1, command.p2 & 0x07)
        if isinstance(found, int):
            return b"", found
        if self._data.pin_first or any(self._closed(file, tag) for tag in found):
            return b"", SECURITY_STATUS_NOT_SATISFIED
        return b"".join(encode(tag, value) for tag, value in found.items()), OK

    def _find(self, records: dict[int, bytes], p1: int, mode: int) -> dict[int, bytes] | int:
        """The records asked for, or the status word that refuses."""
        if mode == _BY_TAG and self._data.by_tag:
            return {p1: records[p1]} if p1 in records else RECORD_NOT_FOUND
        if mode not in {_BY_NUMBER, _ALL_FROM}:
            return WRONG_P1_P2
        chosen = list(records.items())[p1 - 1 : p1 if mode == _BY_NUMBER else None] if p1 else []
        return dict(chosen) or RECORD_NOT_FOUND

    def _closed(self, file: int, tag: int) -> bool:
        """Generation 3 keeps the person to itself."""
        return self._data.generation == 3 and (file == card.EF06 or tag == card.CARD_NUMBER)


def _ef05(data: SocialSecurityFile) -> dict[int, bytes]:
    return {
        card.CARD_IDENTIFIER: bytes.fromhex(data.identifier),
        0x02: b"1",
        card.VERSION: VERSIONS[data.generation].encode().ljust(4, b"\0"),
        card.ISSUER: bytes.fromhex(data.issuer),
        card.VALID_FROM: _date(data, data.issued),
        card.VALID_UNTIL: _date(data, data.valid_until),
        card.CARD_NUMBER: data.card_number.encode(),
    }


def _ef06(data: SocialSecurityFile) -> dict[int, bytes]:
    size = card.SIZES_BYTES[card.NAME]
    name = data.name.encode("gb18030")
    records = {card.ID_NUMBER: data.id_number.encode(), card.NAME: name[:size].ljust(size, b"\0")}
    if data.name_extension:
        records[card.NAME_EXTENSION] = name[size:].ljust(card.SIZES_BYTES[card.NAME_EXTENSION], b"\0")
    return records | {
        0x0A: b"9",
        0x0B: b"\x97",
        0x0C: b"\x00\x00\x00",
        card.BIRTH_DATE: _date(data, data.birth_date),
    }


def _date(data: SocialSecurityFile, day: datetime.date) -> bytes:
    digits = f"{day:%Y%m%d}"
    return bytes.fromhex(digits) if data.dates == "bcd" else digits.encode()
