"""Speech: the site's own recordings, or what espeak-ng makes of a sentence, played by ALSA's aplay.

Both are Debian's, and programs of their own: a sound card that hangs takes nothing with it but its player. Sentences go
to them by pipe and in memory, so that no process list shows what a person was told.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import wave
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from drivers.api import DriverSettings, ReaderError, ReaderFault
from drivers.serial_port import open_fault
from drivers.text_out import printable

ESPEAK, APLAY = "espeak-ng", "aplay"
MAX_SENTENCE_CHARS = 200
MAX_RECORDING_BYTES = 4 * 1024**2
_REMEMBERED = 16
"""Sentences whose sound is kept: some hundred kilobytes each, and a lane says few."""
_PATIENCE_S = 5.0
_SILENCE_FRAMES = 1_000
_RATE_HZ = 22_050
_VOICES = {"zh": "cmn", "en": "en"}
_FAULTS = (("busy", ReaderFault.BUSY), ("permission", ReaderFault.DENIED))
"""What aplay says of a device that it cannot open; anything else is one that is not there."""


class SpeakerSettings(DriverSettings):
    """One loudspeaker."""

    speaks: ClassVar[bool] = True
    output: str = Field(
        min_length=1,
        max_length=256,
        default="default",
        description="the sound device as `aplay -L` names it",
    )
    languages: tuple[Literal["zh", "en"], ...] = Field(
        default=("zh",), min_length=1, max_length=2, description="what it says, one after the other"
    )
    words_per_minute: int = Field(default=160, ge=80, le=450, description="how fast espeak-ng speaks")
    recordings: str | None = Field(
        default=None,
        description="a directory of recordings, each named by its sentence: 请通行.wav; the rest is spoken",
    )


class LoudSpeaker:
    """Driver ``speaker``. Implements :class:`drivers.api.Voice`."""

    Settings: ClassVar[type[DriverSettings]] = SpeakerSettings

    def __init__(self, name: str, settings: SpeakerSettings) -> None:
        self.name = name
        self._settings = settings
        self._player: subprocess.Popen[bytes] | None = None
        self._complaint = -1
        self._sound = lru_cache(maxsize=_REMEMBERED)(self._spoken)

    def open(self) -> None:
        """Play a moment of silence. Raises :class:`ReaderError`."""
        self.close()
        for program in (ESPEAK, APLAY):
            if shutil.which(program) is None:
                said = f"{program} is not installed: apt install espeak-ng alsa-utils"
                raise ReaderError(ReaderFault.NOT_FOUND, said)
        self._play((_silence(),))
        player = self._player
        try:
            if player is not None:
                player.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired as error:
            raise ReaderError(ReaderFault.SILENT, self._settings.output) from error
        self._look()

    def say(self, zh: str, en: str) -> None:
        """See :class:`drivers.api.Voice`; waits for no end. Raises also if the last one broke off by itself."""
        self._look()
        self._hush()
        words = {"zh": zh, "en": en}
        sentences = [(each, printable(words[each])[:MAX_SENTENCE_CHARS]) for each in self._settings.languages]
        if sounds := [self._recorded(said) or self._sound(language, said) for language, said in sentences if said]:
            self._play(sounds)

    def close(self) -> None:
        """Say no more."""
        self._hush()

    def cancel(self) -> None:
        """Break off what is being said."""
        player = self._player
        if player is not None:
            player.kill()

    def _look(self) -> None:
        """Raises :class:`ReaderError` if what was being said broke off by itself."""
        if self._player is None or self._player.poll() is None:
            return
        failed, complaint = self._player.returncode, os.pread(self._complaint, 4096, 0).decode(errors="replace")
        self._hush()
        if failed:
            said = complaint.strip().rpartition("\n")[2]
            fault = next((fault for word, fault in _FAULTS if word in said.lower()), ReaderFault.NOT_FOUND)
            raise ReaderError(fault, f"{self._settings.output}: {said}")

    def _hush(self) -> None:
        player, self._player = self._player, None
        complaint, self._complaint = self._complaint, -1
        if player is not None:
            player.kill()
            player.wait()
        if complaint >= 0:
            os.close(complaint)

    def _play(self, sounds: Sequence[bytes]) -> None:
        """Begin to play one after the other. They lie in memory: a pipe would hold this thread up while they sound."""
        files = [_in_memory(sound) for sound in sounds]
        self._complaint = _in_memory(b"")
        try:
            self._player = subprocess.Popen(
                [APLAY, "-q", "-D", self._settings.output, *(f"/dev/fd/{file}" for file in files)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._complaint,
                pass_fds=files,
                env={**os.environ, "LC_ALL": "C.UTF-8"},
            )
        except OSError as error:
            raise open_fault(APLAY, error) from error
        finally:
            for file in files:
                os.close(file)

    def _recorded(self, sentence: str) -> bytes | None:
        """The site's own recording, if there is one of just this sentence."""
        if self._settings.recordings is None or "/" in sentence:
            return None
        with suppress(OSError), (Path(self._settings.recordings) / f"{sentence}.wav").open("rb") as file:
            return file.read(MAX_RECORDING_BYTES)
        return None

    def _spoken(self, language: str, sentence: str) -> bytes:
        """What espeak-ng makes of it: RIFF WAVE. Raises :class:`ReaderError`."""
        command = [ESPEAK, "-v", _VOICES[language], "-s", str(self._settings.words_per_minute), "--stdin", "--stdout"]
        try:
            done = subprocess.run(
                command, input=sentence.encode(), capture_output=True, timeout=_PATIENCE_S, check=True
            )
        except OSError as error:
            raise open_fault(ESPEAK, error) from error
        except subprocess.SubprocessError as error:
            raise ReaderError(ReaderFault.SILENT, f"{ESPEAK} -v {_VOICES[language]}") from error
        return done.stdout


def _in_memory(data: bytes) -> int:
    """A file that no disk ever has, at its beginning."""
    descriptor = os.memfd_create("speech")
    with os.fdopen(descriptor, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _silence() -> bytes:
    """A moment of nothing, by which a device is tried."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(_RATE_HZ)
        sound.writeframes(bytes(2 * _SILENCE_FRAMES))
    return file.getvalue()
