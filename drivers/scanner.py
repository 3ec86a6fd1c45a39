"""Serial barcode scanners: each scan arrives as text, framed, marked and encoded as the scanner was set up."""

from __future__ import annotations

import re
import time
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from drivers.api import CodeReading, DriverSettings, Reading
from drivers.lines import LINE_END, LineSource
from drivers.serial_port import SerialPort

CODE_MAX_BYTES = 4096
STX, ETX = b"\x02", b"\x03"
_STX_ETX_END = re.compile(re.escape(ETX))
_AIM = re.compile(r"\]([A-Za-z])[0-9A-Za-z]")
_AIM_SYMBOLOGIES = {
    "A": "code-39",
    "C": "code-128",
    "E": "ean-13",
    "F": "codabar",
    "I": "itf",
    "Q": "qr",
    "d": "data-matrix",
}
"""Code characters of ISO/IEC 15424 (AIM symbology identifiers), for the symbologies that are met here."""


class Trigger(NamedTuple):
    """How one make is told to scan. Its acknowledgement comes on the same line as the codes and is filtered out."""

    command: bytes
    acknowledgement: bytes


TRIGGERS = {
    "gm65": Trigger(bytes.fromhex("7E000801000201ABCD"), bytes.fromhex("02000001003331")),
    "honeywell": Trigger(b"\x16T\r", b""),
    "newland": Trigger(b"~\x010000@SCNTRG1;\x03", b"\x02\x010000@SCNTRG1\x06;\x03"),
}


class ScannerSettings(DriverSettings):
    """One serial scanner. As it stands: it scans by itself, and ends its codes with CR, LF or CRLF."""

    port: str
    baud: int = Field(default=9600, ge=1200, le=921_600)
    framing: Literal["line", "stx-etx", "gap"] = Field(
        default="line", description="a code ends with CR, LF or CRLF; stands between STX and ETX; or ends with silence"
    )
    gap_ms: int = Field(default=50, ge=5, le=1000, description="how much silence ends a code, where framing is gap")
    prefix: str = Field(default="", max_length=32, description="stands before every code; what lacks it is dropped")
    aim: bool = Field(default=False, description="an AIM identifier (]Q1, ]C0 …) stands before every code")
    encoding: Literal["utf-8", "gbk"] = "utf-8"
    trigger: Literal["none", "gm65", "honeywell", "newland"] = Field(
        default="none", description="whose command starts a scan; none: the scanner scans by itself"
    )
    trigger_ms: int = Field(default=5000, ge=500, le=60_000, description="a scan that brought nothing is started again")


class SerialScanner(LineSource):
    """Scans to :class:`CodeReading`. Driver ``scanner``. What is not as the settings say is dropped and counted."""

    Settings: ClassVar[type[DriverSettings]] = ScannerSettings

    def __init__(self, name: str, settings: ScannerSettings) -> None:
        self._settings = settings
        self._serial = SerialPort(settings.port, settings.baud)
        self._trigger = TRIGGERS.get(settings.trigger)
        self._trigger_due_ns = 0
        super().__init__(
            name,
            self._serial,
            CODE_MAX_BYTES,
            end={"line": LINE_END, "stx-etx": _STX_ETX_END, "gap": None}[settings.framing],
            gap_ms=settings.gap_ms,
            ignored=self._trigger.acknowledgement if self._trigger else b"",
        )

    def open(self) -> None:
        """Open the port; a scan is started with the next :meth:`read`."""
        super().open()
        self._trigger_due_ns = 0

    def read(self, timeout_s: float) -> Reading | None:
        """The next scan; starts one if the last one is over, or has brought nothing for long."""
        if self._trigger is not None and time.monotonic_ns() >= self._trigger_due_ns:
            self._trigger_due_ns = time.monotonic_ns() + self._settings.trigger_ms * 1_000_000
            self._serial.write(self._trigger.command)
        reading = super().read(timeout_s)
        if reading is not None:
            self._trigger_due_ns = 0
        return reading

    def makes_sense(self, line: bytes) -> bool:
        """A text that the settings do not want may lie before a scanner for long."""
        return self._text(line) is not None

    def _text(self, line: bytes) -> str | None:
        if self._settings.framing == "stx-etx":
            _, start, line = line.rpartition(STX)
            if not start:
                return None
        try:
            return line.decode(self._settings.encoding)
        except UnicodeDecodeError:
            return None

    def parse(self, line: bytes, at_ns: int) -> CodeReading | None:
        """One scan."""
        text = self._text(line)
        if text is None:
            return None
        if not text.startswith(self._settings.prefix):
            return None
        text = text.removeprefix(self._settings.prefix)
        symbology = "serial"
        if self._settings.aim:
            identifier = _AIM.match(text)
            if identifier is None:
                return None
            text = text[identifier.end() :]
            symbology = _AIM_SYMBOLOGIES.get(identifier[1], "serial")
        return CodeReading(reader=self.name, at_ns=at_ns, text=text, symbology=symbology) if text else None
