"""A loudspeaker: real espeak-ng and aplay, and ALSA's own plug-in that writes to a file what would sound."""

from __future__ import annotations

import os
import signal
import time
import wave
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.api import ReaderError, ReaderFault
from drivers.speaker import LoudSpeaker, SpeakerSettings

DEADLINE_S = 20.0


def speaker(output: str, **settings: object) -> LoudSpeaker:
    return LoudSpeaker("voice", SpeakerSettings.model_validate({"output": output} | settings))


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s


def heard(directory: Path, zh: str, en: str, **settings: object) -> array[int]:
    """The samples that one sentence sends to the sound device."""
    path = directory / f"heard-{len(list(directory.iterdir()))}.wav"
    said = speaker(f"file:'{path}',wav", **settings)
    said.open()
    said.say(zh, en)
    player = said._player
    assert player is not None
    assert player.wait(DEADLINE_S) == 0
    said.say("", "")
    said.close()
    with wave.open(str(path)) as sound:
        return array("h", sound.readframes(sound.getnframes()))


def loudness(samples: array[int]) -> float:
    return sum(map(abs, samples)) / len(samples)


def test_a_sentence_sounds_in_the_language_or_languages_of_the_settings(tmp_path: Path) -> None:
    zh = heard(tmp_path, "老人票", "Senior ticket")
    en = heard(tmp_path, "老人票", "Senior ticket", languages=["en"])
    both = heard(tmp_path, "老人票", "Senior ticket", languages=["zh", "en"])
    assert min(map(loudness, (zh, en, both))) > 100
    assert zh != en
    assert len(both) == len(zh) + len(en)


def test_a_recording_of_just_this_sentence_is_played_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "recordings").mkdir()
    with wave.open(str(tmp_path / "recordings" / "请上车.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(22_050)
        sound.writeframes(array("h", [1_234] * 500).tobytes())
    recordings = str(tmp_path / "recordings")
    assert heard(tmp_path, "请上车", "Come in", recordings=recordings)[:501] == array("h", [1_234] * 500 + [0])
    for sentence in ("请下车", "../recordings/请上车"):
        assert heard(tmp_path, sentence, "x", recordings=recordings)[499:501] != array("h", [1_234, 0])


def test_the_next_sentence_breaks_off_what_is_being_said_and_no_process_list_shows_either(tmp_path: Path) -> None:
    stuck = tmp_path / "stuck"
    os.mkfifo(stuck)
    said = speaker(f"file:{stuck},raw")
    said._play([b""])  # a device that is stuck: nobody reads what sounds
    first = said._player
    said.say("余额一百元", "100 yuan are left")
    second = said._player
    assert first is not None
    assert second is not None
    assert first.returncode is not None
    line = Path(f"/proc/{second.pid}/cmdline").read_bytes()
    assert "余额".encode() not in line
    said.cancel()
    assert second.wait(DEADLINE_S) != 0
    said.close()


def test_a_device_that_is_not_there_and_one_that_hangs_are_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ReaderError) as caught:
        speaker("no-such-device").open()
    assert caught.value.fault is ReaderFault.NOT_FOUND
    assert caught.value.detail.startswith("no-such-device: ")
    os.mkfifo(tmp_path / "stuck")
    monkeypatch.setattr("drivers.speaker._PATIENCE_S", 0.1)
    stuck = speaker(f"file:{tmp_path / 'stuck'},raw")
    with pytest.raises(ReaderError) as caught:
        stuck.open()
    assert caught.value.fault is ReaderFault.SILENT
    stuck.close()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ReaderError) as caught:
        speaker("default").open()
    assert "apt install espeak-ng" in caught.value.detail


def test_what_breaks_off_by_itself_is_found_by_the_next_sentence_and_no_text_is_silence(tmp_path: Path) -> None:
    stuck = tmp_path / "stuck"
    os.mkfifo(stuck)
    said = speaker(f"file:{stuck},raw")  # so that it cannot end before it is killed
    said.say("请上车", "Come in")
    player = said._player
    assert player is not None
    os.kill(player.pid, signal.SIGKILL)
    until(lambda: player.poll() is not None)
    with pytest.raises(ReaderError):
        said.say("请下车", "Get off")
    said.say("请下车", "Get off")
    said.say("", "")
    assert said._player is None
    said.close()
