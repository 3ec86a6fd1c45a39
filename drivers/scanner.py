"""Serial barcode scanners: each scan arrives as one line of text."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from drivers.api import CodeReading, DriverSettings
from drivers.lines import LineSource
from drivers.serial_port import SerialPort

CODE_MAX_BYTES = 4096


class ScannerSettings(DriverSettings):
    """One serial scanner that scans by itself and ends its codes with CR, LF or CRLF."""

    port: str
    baud: int = Field(default=9600, ge=1200, le=921_600)
    encoding: Literal["utf-8", "gbk"] = "utf-8"


class SerialScanner(LineSource):
    """Lines to :class:`CodeReading`. Driver ``scanner``. What is not text in its encoding is dropped."""

    Settings: ClassVar[type[DriverSettings]] = ScannerSettings

    def __init__(self, name: str, settings: ScannerSettings) -> None:
        super().__init__(name, SerialPort(settings.port, settings.baud), CODE_MAX_BYTES)
        self._encoding = settings.encoding

    def parse(self, line: bytes, at_ns: int) -> CodeReading | None:
        """One scan."""
        try:
            text = line.decode(self._encoding)
        except UnicodeDecodeError:
            return None
        return CodeReading(reader=self.name, at_ns=at_ns, text=text, symbology="serial")
