"""Serial keypads: ASCII digits and a decimal point, ``c`` clears, CR enters; a letter before it is a function key.

``12v`` and Enter is the function key *void* with the number 12. A keypad whose keys send other letters has its own
``functions``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from drivers.api import AmountProblem, AmountReading, DriverSettings, FunctionKey, KeyReading, NoAmount, PinReading
from drivers.lines import LineSource
from drivers.serial_port import SerialPort

ENTRY_MAX_BYTES = 64
AMOUNT_MAX_FEN = 10_000_000
_KEYS = b"0123456789.c"
FUNCTIONS = MappingProxyType(
    {
        "d": FunctionKey.DISH,
        "w": FunctionKey.WEIGHT,
        "g": FunctionKey.GUESTS,
        "p": FunctionKey.PAY,
        "l": FunctionKey.SALES,
        "q": FunctionKey.RECEIPT,
        "v": FunctionKey.VOID,
        "r": FunctionKey.REFUND,
        "o": FunctionKey.OPERATOR,
        "s": FunctionKey.SHIFT,
        "t": FunctionKey.STATION,
        "i": FunctionKey.CHECK,
        "n": FunctionKey.NEXT,
        "a": FunctionKey.ACCOUNT,
        "b": FunctionKey.BILL,
        "k": FunctionKey.REGISTER,
        "m": FunctionKey.MEDICINE,
        "e": FunctionKey.SETTLE,
        "h": FunctionKey.ASSIST,
    }
)
_NUMBERED = re.compile(rb"([0-9]{0,32})([a-z])")
_NUMBER_DIGITS = 8
_NAMES = frozenset({FunctionKey.BILL})
"""The keys before which a number is a name: its zeros count, and it may be long."""
_PIN = re.compile(rb"[0-9]{4,12}")
_YUAN = re.compile(rb"(?=\.?[0-9])([0-9]*)(?:\.([0-9]{0,2}))?")


class KeypadSettings(DriverSettings):
    """One serial keypad."""

    port: str
    baud: int = Field(default=9600, ge=1200, le=921_600)
    functions: Mapping[Annotated[str, StringConstraints(pattern=r"^[abd-z]$")], FunctionKey] = Field(
        default_factory=lambda: dict(FUNCTIONS), description="which letter is which function key; c clears"
    )
    pins: bool = Field(default=False, description="four to twelve digits are a PIN, and no amount")


class SerialKeypad(LineSource):
    """Yuan as typed to :class:`AmountReading` in fen, function keys, or :class:`NoAmount`. Driver ``keypad``."""

    Settings: ClassVar[type[DriverSettings]] = KeypadSettings

    def __init__(self, name: str, settings: KeypadSettings) -> None:
        super().__init__(name, SerialPort(settings.port, settings.baud), ENTRY_MAX_BYTES)
        self._pins = settings.pins
        self._functions = {letter.encode(): key for letter, key in settings.functions.items()}

    def parse(self, line: bytes, at_ns: int) -> AmountReading | KeyReading | NoAmount | PinReading | None:
        """What was entered; only what follows the last ``c`` counts, and if that is nothing, nothing was."""
        typed = line.lower().rpartition(b"c")[2]
        if not typed and not line.lower().strip(_KEYS):
            return None
        if self._pins and _PIN.fullmatch(typed):
            return PinReading(reader=self.name, at_ns=at_ns, digits=typed.decode())
        pressed = _NUMBERED.fullmatch(typed)
        if pressed is not None and (key := self._functions.get(pressed[2])) is not None:
            if key in _NAMES:
                return KeyReading(reader=self.name, at_ns=at_ns, key=key, digits=pressed[1].decode())
            if len(pressed[1]) <= _NUMBER_DIGITS:
                number = int(pressed[1]) if pressed[1] else None
                return KeyReading(reader=self.name, at_ns=at_ns, key=key, number=number)
        amount_fen = fen(typed)
        if amount_fen is None:
            return NoAmount(reader=self.name, at_ns=at_ns, problem=AmountProblem.UNREADABLE)
        if amount_fen > AMOUNT_MAX_FEN:
            return NoAmount(reader=self.name, at_ns=at_ns, problem=AmountProblem.TOO_MUCH)
        return AmountReading(reader=self.name, at_ns=at_ns, amount_fen=amount_fen)

    def too_long(self, at_ns: int) -> NoAmount:
        """Nobody types so many keys for an amount."""
        return NoAmount(reader=self.name, at_ns=at_ns, problem=AmountProblem.UNREADABLE)


def fen(yuan: bytes) -> int | None:
    """``b"12.5"`` → 1250; ``None`` unless digits with at most one point and two decimals."""
    typed = _YUAN.fullmatch(yuan)
    if typed is None:
        return None
    return int(typed[1] or b"0") * 100 + int((typed[2] or b"").ljust(2, b"0"))
