"""A bank card in software, as far as its number can be read."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import Field

from drivers.api import DriverSettings
from drivers.cards import pboc as card
from drivers.cards.apdu import OK, RECORD_NOT_FOUND, Command
from drivers.cards.tlv import encode
from drivers.virtual.cards.chip import INS_NOT_SUPPORTED, WRONG_LENGTH, Answer, fci
from drivers.virtual.cards.kinds import Digits

_PDOL = bytes.fromhex("9F66049F02069F37045F2A02")
_PDOL_VALUE_BYTES = 4 + 6 + 4 + 2
_NUMBER_RECORD = bytes.fromhex("0114")
"""P1 and P2 of the record that holds the number: record 1 of file 2."""


class PbocFile(DriverSettings):
    """One bank card. ``tells`` is where it gives its number: with the processing options, or in a record."""

    kind: Literal["pboc"]
    card_number: Annotated[Digits, Field(min_length=12, max_length=19)]
    valid_until: datetime.date
    tells: Literal["options", "record"] = "options"
    directory: bool = True

    def applets(self) -> tuple[PbocApplet, ...]:
        """The applet that tells this."""
        return (PbocApplet(self),)


class PbocApplet:
    """PPSE, the debit application, GET PROCESSING OPTIONS that checks the PDOL's length, and one record."""

    def __init__(self, data: PbocFile) -> None:
        self._data = data

    def select(self, name: bytes) -> bytes | None:
        """As :meth:`Applet.select`."""
        if name == card.PPSE and self._data.directory:
            entry = encode(0x61, encode(0x4F, card.AIDS[0]) + encode(0x87, b"\x01"))
            return fci(name, encode(0xBF0C, entry))
        if name == card.AIDS[0]:
            return fci(name, encode(0x9F38, _PDOL))
        return None

    def answer(self, command: Command) -> Answer:
        """As :meth:`Applet.answer`."""
        if (command.cla, command.ins) == (0x80, 0xA8):
            return self._options(command.data)
        if command.ins == 0xB2:
            asked_for_number = bytes([command.p1, command.p2]) == _NUMBER_RECORD and self._data.tells == "record"
            return (self._record(), OK) if asked_for_number else (b"", RECORD_NOT_FOUND)
        return b"", INS_NOT_SUPPORTED

    def _options(self, asked: bytes) -> Answer:
        if asked[:2] != bytes([0x83, _PDOL_VALUE_BYTES]) or len(asked) != 2 + _PDOL_VALUE_BYTES:
            return b"", WRONG_LENGTH
        if self._data.tells == "record":
            return encode(0x80, bytes.fromhex("7C00") + bytes.fromhex("10010100")), OK
        track_2 = f"{self._data.card_number}D{self._data.valid_until:%y%m}2200000"
        padded = track_2 + "F" * (len(track_2) % 2)
        return encode(0x77, encode(0x82, bytes.fromhex("7C00")) + encode(0x57, bytes.fromhex(padded))), OK

    def _record(self) -> bytes:
        number = self._data.card_number
        pan = bytes.fromhex(number + "F" * (len(number) % 2))
        return encode(0x70, encode(0x5A, pan) + encode(0x5F24, bytes.fromhex(f"{self._data.valid_until:%y%m%d}")))
