"""A T-Union transport card in software."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import Field

from drivers.api import DriverSettings
from drivers.cards import tunion as card
from drivers.cards.apdu import FILE_NOT_FOUND, OK, RECORD_NOT_FOUND, Command
from drivers.cards.tlv import encode
from drivers.virtual.cards.chip import INS_NOT_SUPPORTED, Answer, fci
from drivers.virtual.cards.kinds import Digits


class Trip(DriverSettings):
    """One record of file 18."""

    at: datetime.datetime
    type: Literal["load", "single", "composite"]
    amount_fen: int = Field(ge=0, le=10_000_000)


class TUnionFile(DriverSettings):
    """One transport card. ``aid`` is the last byte of its AID; some cards do not repeat file 15 in the FCI."""

    kind: Literal["t-union"]
    aid: Literal["05", "06"] = "05"
    card_number: Annotated[Digits, Field(min_length=20, max_length=20)]
    issued: datetime.date
    valid_until: datetime.date
    holder_type: int = Field(default=1, ge=0, le=255)
    balance_fen: int = Field(default=0, ge=0, le=10_000_000)
    trips: Annotated[tuple[Trip, ...], Field(max_length=10)] = ()
    file_in_fci: bool = True

    def applets(self) -> tuple[TUnionApplet, ...]:
        """The applet that tells this."""
        return (TUnionApplet(self),)


class TUnionApplet:
    """SELECT, READ BINARY of files 15 and 17, GET BALANCE, READ RECORD of file 18."""

    def __init__(self, data: TUnionFile) -> None:
        self._name = card.AIDS[0][:-1] + bytes.fromhex(data.aid)
        self._file_in_fci = data.file_in_fci
        self._files = {card.PUBLIC_FILE: _public_file(data), card.CITY_FILE: _city_file(data)}
        # The top bit is not part of the amount; some cards set it.
        self._balance = (data.balance_fen | 0x80000000).to_bytes(4, "big")
        self._trips = [_trip(number, trip) for number, trip in enumerate(data.trips, 1)]

    def select(self, name: bytes) -> bytes | None:
        """As :meth:`Applet.select`."""
        if name != self._name:
            return None
        proprietary = encode(card.FCI_PUBLIC_FILE, self._files[card.PUBLIC_FILE]) if self._file_in_fci else b""
        return fci(name, proprietary)

    def answer(self, command: Command) -> Answer:
        """As :meth:`Applet.answer`."""
        if command.ins == 0xB0 and command.p1 & 0x80:
            file = self._files.get(command.p1 & 0x1F)
            return (b"", FILE_NOT_FOUND) if file is None else (file[: command.le], OK)
        if (command.cla, command.ins) == (0x80, 0x5C):
            return self._balance, OK
        if command.ins == 0xB2 and command.p2 == card.TRIP_FILE << 3 | 0x04:
            known = 1 <= command.p1 <= len(self._trips)
            return (self._trips[command.p1 - 1], OK) if known else (b"", RECORD_NOT_FOUND)
        return b"", INS_NOT_SUPPORTED


def _public_file(data: TUnionFile) -> bytes:
    validity = f"{data.issued:%Y%m%d}{data.valid_until:%Y%m%d}"
    return bytes(10) + bytes.fromhex(data.card_number + validity) + bytes(2)


def _city_file(data: TUnionFile) -> bytes:
    return bytes(10) + bytes([data.holder_type])


def _trip(number: int, trip: Trip) -> bytes:
    kind = {"load": 0x02, "single": 0x06, "composite": 0x09}[trip.type]
    amount = trip.amount_fen.to_bytes(4, "big")
    time = bytes.fromhex(f"{trip.at:%Y%m%d%H%M%S}")
    return number.to_bytes(2, "big") + bytes(3) + amount + bytes([kind]) + bytes(6) + time
