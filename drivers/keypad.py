"""Serial keypads for amounts: ASCII digits and a decimal point, ``c`` clears, CR enters."""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import Field

from drivers.api import AmountReading, DriverSettings
from drivers.lines import LineSource
from drivers.serial_port import SerialPort

ENTRY_MAX_BYTES = 64
AMOUNT_MAX_FEN = 10_000_000
_YUAN = re.compile(rb"(?=\.?[0-9])([0-9]*)(?:\.([0-9]{0,2}))?")


class KeypadSettings(DriverSettings):
    """One serial keypad."""

    port: str
    baud: int = Field(default=9600, ge=1200, le=921_600)


class SerialKeypad(LineSource):
    """Yuan as typed to :class:`AmountReading` in fen. Driver ``keypad``. What is no amount, or too much, is dropped."""

    Settings: ClassVar[type[DriverSettings]] = KeypadSettings

    def __init__(self, name: str, settings: KeypadSettings) -> None:
        super().__init__(name, SerialPort(settings.port, settings.baud), ENTRY_MAX_BYTES)

    def parse(self, line: bytes, at_ns: int) -> AmountReading | None:
        """One entered amount; only what follows the last ``c`` counts."""
        amount_fen = fen(line.lower().rpartition(b"c")[2])
        if amount_fen is None or amount_fen > AMOUNT_MAX_FEN:
            return None
        return AmountReading(reader=self.name, at_ns=at_ns, amount_fen=amount_fen)


def fen(yuan: bytes) -> int | None:
    """``b"12.5"`` → 1250; ``None`` unless digits with at most one point and two decimals."""
    typed = _YUAN.fullmatch(yuan)
    if typed is None:
        return None
    return int(typed[1] or b"0") * 100 + int((typed[2] or b"").ljust(2, b"0"))
