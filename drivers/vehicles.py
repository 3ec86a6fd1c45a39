"""Vehicles that are read from afar: number plates from a camera that recognises them, and tags of a long-range reader.

Both send one line a reading over a serial port. A plate is normalised (no spaces, no dot, capitals) and must have the
form of GA 36-2018: province, letter, five places, or six of a new-energy vehicle; a tag is hexadecimal, 8 to 64 digits.
What has another form is dropped and counted: it is noise of the camera. A vehicle that stands there is read again and
again, and is one presentation.
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from pydantic import Field

from drivers.api import CardReading, DriverSettings, Interface
from drivers.lines import LineSource
from drivers.serial_port import SerialPort

LINE_MAX_BYTES = 96
_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_LAST = "挂学警港澳领试超"
_PLACE = "[A-HJ-NP-Z0-9]"
_FORMS = {
    "plate": re.compile(f"[{_PROVINCES}][A-HJ-NP-Z]{_PLACE}{{4}}(?:{_PLACE}{{1,2}}|[{_LAST}])"),
    "vehicle-tag": re.compile("(?:[0-9A-F]{2}){4,32}"),
}
_BETWEEN = str.maketrans("", "", " ·•.-")


class VehicleSettings(DriverSettings):
    """One camera or long-range reader."""

    port: str
    baud: int = Field(default=9600, ge=1200, le=921_600)
    reads: Literal["plate", "vehicle-tag"] = Field(default="plate", description="number plates, or tags (EPC)")
    encoding: Literal["utf-8", "gbk"] = "utf-8"
    again_ms: int = Field(
        default=10_000, ge=0, le=600_000, description="the same vehicle within it after it was last read is still there"
    )


class VehicleReader(LineSource):
    """Lines to :class:`CardReading` of the application ``plate`` or ``vehicle-tag``. Driver ``vehicles``."""

    Settings: ClassVar[type[DriverSettings]] = VehicleSettings

    def __init__(self, name: str, settings: VehicleSettings) -> None:
        super().__init__(name, SerialPort(settings.port, settings.baud), LINE_MAX_BYTES)
        self._settings = settings
        self._standing: tuple[str, int] | None = None

    def parse(self, line: bytes, at_ns: int) -> CardReading | None:
        """The vehicle in one line, unless it still stands there."""
        seen = self._seen(line)
        if seen is None:
            return None
        before, self._standing = self._standing, (seen, at_ns)
        if before is not None and before[0] == seen and at_ns - before[1] < self._settings.again_ms * 1_000_000:
            return None
        return CardReading(
            reader=self.name,
            at_ns=at_ns,
            application=self._settings.reads,
            interface=Interface.CONTACTLESS,
            issuer=b"",
            identifier=seen.encode(),
        )

    def makes_sense(self, line: bytes) -> bool:
        """A vehicle that stands there is read again and again."""
        return self._seen(line) is not None

    def _seen(self, line: bytes) -> str | None:
        try:
            seen = line.decode(self._settings.encoding).upper().translate(_BETWEEN)
        except UnicodeDecodeError:
            return None
        return None if _FORMS[self._settings.reads].fullmatch(seen) is None else seen
