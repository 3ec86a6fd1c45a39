"""Receipt printers on a serial line, by lines of text and ESC/POS; or a file in a printer's place, to read instead.

Of ESC/POS only what every such printer has is used: ``ESC @`` (begin anew) and ``GS V 66 0`` (feed and cut). A file
holds the latest slips, each ended by a line of dashes, and begins anew when it is full: so a desk without a printer is
tried, with ``port: ${virtual}/paper.txt``.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from drivers.api import DriverSettings
from drivers.text_out import TextOut, printable

BEGIN = b"\x1b@"
CUT = b"\x1dV\x42\x00"
END_OF_SLIP = "-" * 24


class PrinterSettings(DriverSettings):
    """One receipt printer."""

    prints: ClassVar[bool] = True
    port: str = Field(description="the serial port; or a file that slips are written to")
    baud: int = Field(default=9600, ge=1200, le=921_600)
    encoding: Literal["gb18030", "utf-8"] = Field(default="gb18030", description="what the printer reads")
    cut: bool = Field(default=True, description="whether it cuts the paper after each slip")


class TextPrinter(TextOut):
    """Driver ``printer``. Implements :class:`drivers.api.Printer`."""

    Settings: ClassVar[type[DriverSettings]] = PrinterSettings

    def __init__(self, name: str, settings: PrinterSettings) -> None:
        super().__init__(name, settings.port, settings.baud)
        self._settings = settings

    def open(self) -> None:
        """Open the port, or see that the file can be written. Raises :class:`ReaderError`."""
        super().open()
        if self._file is not None:
            self._append("")

    def print_lines(self, lines: tuple[str, ...]) -> None:
        """Print and cut. Raises :class:`ReaderError`."""
        if self._port is not None:
            text = "".join(f"{printable(line)}\r\n" for line in lines).encode(self._settings.encoding, "replace")
            self._port.write(BEGIN + text + (CUT if self._settings.cut else b"\r\n\r\n"))
        elif self._file is not None:
            self._append("".join(f"{printable(line)}\n" for line in (*lines, END_OF_SLIP)))
        else:
            raise self._not_open()
