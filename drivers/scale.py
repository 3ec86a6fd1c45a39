"""Serial scales that send what lies on them all the time, as lines of ASCII: ``ST,GS,+  0.350kg``.

The form is that of A&D's standard format (GH series manual, §10.6: ``ST,+00018.72  g``) and of the many indicators that
add whether it is gross or net (Tiger TI-02-P manual, §7.1): stable ``ST``, moving ``US`` or too heavy ``OL``; ``GS`` or
``NT``, or neither; a sign, a decimal number, ``kg`` or ``g``. Only what lies still has a weight; it is said when it
changes, and again every :data:`AGAIN_S` while it stays, so that a scale that falls silent weighs nothing.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import ClassVar

from pydantic import Field

from drivers.api import MAX_WEIGHT_GRAMS, DriverSettings, WeightReading
from drivers.lines import LineSource
from drivers.serial_port import SerialPort

LINE_MAX_BYTES = 64
AGAIN_S = 2
_LINE = re.compile(rb"(ST|US|OL)(?:,(?:GS|NT))?,([+-]?) *([0-9]{1,8}(?:\.[0-9]{0,4})?)(?:E[+-]?[0-9]{1,2})?,? *(kg|g)?")
_GRAMS = {b"kg": 1_000, b"g": 1}


class ScaleSettings(DriverSettings):
    """One serial scale, set up to send continuously."""

    port: str
    baud: int = Field(default=9600, ge=1200, le=921_600)


class SerialScale(LineSource):
    """What lies still on it, in whole grams, to :class:`WeightReading`. Driver ``scale``."""

    Settings: ClassVar[type[DriverSettings]] = ScaleSettings

    def __init__(self, name: str, settings: ScaleSettings) -> None:
        super().__init__(name, SerialPort(settings.port, settings.baud), LINE_MAX_BYTES)
        self._said_grams = 0
        self._said_ns = 0

    def open(self) -> None:
        """Open the port; what was said before it was closed counts no more."""
        super().open()
        self._said_grams = self._said_ns = 0

    def parse(self, line: bytes, at_ns: int) -> WeightReading | None:
        """A weight that is new, or is to be said again; an empty scale is said once."""
        weight = grams(line)
        if weight is None or (weight == self._said_grams and (weight == 0 or not self._is_old(at_ns))):
            return None
        self._said_grams, self._said_ns = weight, at_ns
        return WeightReading(reader=self.name, at_ns=at_ns, grams=weight)

    def makes_sense(self, line: bytes) -> bool:
        """It says the same all the time."""
        return grams(line) is not None

    def _is_old(self, at_ns: int) -> bool:
        return at_ns - self._said_ns >= AGAIN_S * 1_000_000_000


def grams(line: bytes) -> int | None:
    """``b"ST,GS,+  0.350kg"`` → 350; 0 for what moves, is too heavy or less than nothing; ``None`` for another line."""
    told = _LINE.fullmatch(line.strip())
    if told is None:
        return None
    state, sign, number, unit = told.groups()
    if state != b"ST" or sign == b"-":
        return 0
    if unit is None:
        return None
    weight = Decimal(number.decode()) * _GRAMS[unit]
    whole = int(weight.to_integral_value(ROUND_HALF_UP))
    return whole if whole <= MAX_WEIGHT_GRAMS else 0
