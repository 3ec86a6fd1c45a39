"""Speech modules: what is said is framed as each module reads it, and no text is a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.api import ReaderError, ReaderFault, Voice
from drivers.text_out import FILE_MAX_BYTES
from drivers.voice import MAX_TEXT_BYTES, SerialVoice, VoiceSettings
from tests.drivers.test_printer import _Paper

SENIOR = "老人票".encode("gbk")


@pytest.mark.parametrize(
    ("module", "frame", "silence"),
    [
        # XFS5152CE: FD, two bytes of length, 01, the encoding, the text
        ("xfs5152", b"\xfd\x00\x08\x01\x01" + SENIOR, b"\xfd\x00\x01\x02"),
        # SYN6288: the length counts a last byte, which is all others by exclusive or; its manual's own FD 00 02 02 FD
        ("syn6288", b"\xfd\x00\x09\x01\x01" + SENIOR, b"\xfd\x00\x02\x02\xfd"),
    ],
)
def test_a_sentence_and_silence_are_framed_as_the_module_reads_them(
    module: str, frame: bytes, silence: bytes, tmp_path: Path
) -> None:
    wire = _Paper(tmp_path / "voice")
    voice: Voice = SerialVoice("v", VoiceSettings.model_validate({"port": str(wire.port.path), "module": module}))
    voice.open()
    voice.say("老人票", "Senior ticket")
    if module == "syn6288":
        total = 0
        for byte in frame:
            total ^= byte
        frame += bytes((total,))
    assert wire.until(frame) == frame
    voice.say("", "")
    assert wire.until(silence) == frame + silence
    voice.close()
    with pytest.raises(ReaderError):
        voice.say("x", "x")
    wire.port.unplug()


def test_no_part_of_a_text_is_a_command_and_none_is_longer_than_a_module_takes(tmp_path: Path) -> None:
    wire = _Paper(tmp_path / "voice")
    voice = SerialVoice("v", VoiceSettings(port=str(wire.port.path)))
    voice.open()
    voice.say("[v0]安静\x1b\xfd", "")
    first = b"\xfd\x00\x0c\x01\x01 v0 " + "安静".encode("gbk") + b"??"
    assert wire.until(b"??") == first
    voice.say("票" * MAX_TEXT_BYTES, "")
    cut = "票".encode("gbk") * (MAX_TEXT_BYTES // 2)
    assert wire.until(cut).removeprefix(first) == b"\xfd\x00\xca\x01\x01" + cut
    voice.close()
    wire.port.unplug()


def test_a_file_in_its_place_has_what_was_said_in_the_languages_that_were_set_and_stays_small(tmp_path: Path) -> None:
    path = tmp_path / "voice.txt"
    voice = SerialVoice("v", VoiceSettings(port=str(path), languages=("zh", "en")))
    voice.open()
    voice.say("请通行", "Please pass")
    voice.say("", "")
    assert path.read_text(encoding="utf-8") == "请通行。Please pass\n"
    assert path.stat().st_mode & 0o777 == 0o600
    for _ in range(FILE_MAX_BYTES // 50):
        voice.say("请通行" * 6, "")
    assert 0 < path.stat().st_size <= FILE_MAX_BYTES


def test_a_module_that_is_not_there_is_a_fault() -> None:
    with pytest.raises(ReaderError) as caught:
        SerialVoice("v", VoiceSettings(port="/dev/no-such-voice")).open()
    assert caught.value.fault is ReaderFault.NOT_FOUND
