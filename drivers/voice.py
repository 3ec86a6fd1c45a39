"""Speech modules on a serial line (语音合成模块), which say a text; or a file in a module's place, to read instead.

Two frames are spoken, both ``FD``, a length of two bytes with the high one first, a command (1 says, 2 stops), the
text's encoding (1: GBK) and the text: that of XFS5152CE and SYN6658, and that of SYN6288, whose length counts a last
byte that is all others by exclusive or. A module says what came last: a new text breaks off the old one. ``[v5]`` and
the like are commands to it, so no bracket of a text is sent. What it answers is not waited for.
"""

from __future__ import annotations

from functools import reduce
from operator import xor
from typing import ClassVar, Literal

from pydantic import Field

from drivers.api import DriverSettings
from drivers.text_out import TextOut, printable

MAX_TEXT_BYTES = 200
"""What a SYN6288 takes at once; more than any sentence here has."""
_SAY = 1
_STOP = 2
_GBK = 1
_NO_COMMANDS = str.maketrans("[]", "  ")


class VoiceSettings(DriverSettings):
    """One speech module."""

    speaks: ClassVar[bool] = True
    port: str = Field(description="the serial port; or a file that what is said is written to")
    baud: int = Field(default=9600, ge=1200, le=921_600)
    module: Literal["xfs5152", "syn6288"] = Field(default="xfs5152", description="whose frames it reads")
    languages: tuple[Literal["zh", "en"], ...] = Field(
        default=("zh",), min_length=1, max_length=2, description="what it says, one after the other"
    )


class SerialVoice(TextOut):
    """Driver ``voice``. Implements :class:`drivers.api.Voice`."""

    Settings: ClassVar[type[DriverSettings]] = VoiceSettings

    def __init__(self, name: str, settings: VoiceSettings) -> None:
        super().__init__(name, settings.port, settings.baud)
        self._settings = settings

    def open(self) -> None:
        """Open the port, or see that the file can be written. Raises :class:`ReaderError`."""
        super().open()
        if self._file is not None:
            self._append("")

    def say(self, zh: str, en: str) -> None:
        """Say it instead of what is being said; nothing: be silent. Raises :class:`ReaderError`."""
        words = {"zh": zh, "en": en}
        text = printable("。".join(filter(None, (words[each] for each in self._settings.languages))))
        if self._port is not None:
            self._port.write(self._frame(text.translate(_NO_COMMANDS).encode("gbk", "replace")))
        elif self._file is None:
            raise self._not_open()
        elif text:
            self._append(f"{text}\n")

    def _frame(self, text: bytes) -> bytes:
        has_sum = self._settings.module == "syn6288"
        said = bytes((_SAY, _GBK)) + _cut(text) if text else bytes((_STOP,))
        frame = b"\xfd" + (len(said) + has_sum).to_bytes(2, "big") + said
        return frame + bytes((reduce(xor, frame),)) if has_sum else frame


def _cut(text: bytes) -> bytes:
    """So much as a module takes, and no half character."""
    return text[:MAX_TEXT_BYTES].decode("gbk", "ignore").encode("gbk")
