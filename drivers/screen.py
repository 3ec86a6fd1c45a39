"""Text screens on a serial line, cleared as ECMA-48 says (``CSI 2 J``, ``CSI H``); or a file in a screen's place.

A file holds what stands on the screen now, and nothing else: what stood there is overwritten before it is cut off. Let
it lie where nothing reaches a disk, as ``port: ${virtual}/screen.txt`` does where ``/run/user`` is in memory.
"""

from __future__ import annotations

import os
from typing import ClassVar, Literal

from pydantic import Field

from drivers.api import DriverSettings
from drivers.serial_port import open_fault
from drivers.text_out import TextOut, printable

CLEAR = b"\x1b[2J\x1b[H"


class ScreenSettings(DriverSettings):
    """One text screen."""

    shows: ClassVar[bool] = True
    port: str = Field(description="the serial port; or a file that holds what is on the screen")
    baud: int = Field(default=9600, ge=1200, le=921_600)
    encoding: Literal["gb18030", "utf-8"] = Field(default="utf-8", description="what the screen reads")


class TextScreen(TextOut):
    """Driver ``screen``. Implements :class:`drivers.api.TextScreenDevice`."""

    Settings: ClassVar[type[DriverSettings]] = ScreenSettings

    def __init__(self, name: str, settings: ScreenSettings) -> None:
        super().__init__(name, settings.port, settings.baud)
        self._settings = settings

    def open(self) -> None:
        """Open the port, or see that the file can be written, and clear it. Raises :class:`ReaderError`."""
        super().open()
        self.show_lines(())

    def show_lines(self, lines: tuple[str, ...]) -> None:
        """Show these lines instead of what is there; none: an empty screen. Raises :class:`ReaderError`."""
        text = [printable(line) for line in lines]
        if self._port is not None:
            self._port.write(CLEAR + "\r\n".join(text).encode(self._settings.encoding, "replace"))
        elif self._file is not None:
            self._replace("".join(f"{line}\n" for line in text).encode())
        else:
            raise self._not_open()

    def _replace(self, text: bytes) -> None:
        try:
            descriptor = os.open(self._settings.port, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, text, 0)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise open_fault(self._settings.port, error) from error
