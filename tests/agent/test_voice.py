"""A voice through its thread: what is shown is said aloud, in time or not at all, and nothing that is anybody's own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from agent.backoff import Backoff
from agent.clock import SystemRandom
from agent.config import ConfigError, parse
from agent.devices import DeviceState
from agent.voice import VoiceThread
from drivers.voice import SerialVoice, VoiceSettings
from profiles.api import Show, Tone
from profiles.reasons import Sentence
from tests.agent.site import Site
from tools.cli.presets import preset_text

DEADLINE_S = 20.0
PAID = Sentence("老人票：0.00 元", "Senior ticket: 0.00 yuan")


@asynccontextmanager
async def speaking(path: Path) -> AsyncIterator[tuple[VoiceThread, asyncio.Queue[DeviceState]]]:
    states = asyncio.Queue[DeviceState]()
    device = SerialVoice("voice", VoiceSettings(port=str(path)))
    loop = asyncio.get_running_loop()
    thread = VoiceThread("voice", device, loop, states.put_nowait, Backoff(SystemRandom()), lambda: 0)
    async with asyncio.timeout(DEADLINE_S):
        thread.start()
        yield thread, states
        thread.stop()
        await asyncio.to_thread(thread.join, DEADLINE_S)


async def until(path: Path, text: str) -> None:
    def look() -> bool:
        ends_s = time.monotonic() + DEADLINE_S
        while time.monotonic() < ends_s:
            if path.exists() and path.read_text(encoding="utf-8") == text:
                return True
        return False

    assert await asyncio.to_thread(look), text


async def ready(states: asyncio.Queue[DeviceState]) -> None:
    while (await states.get()).state != "ready":
        pass


async def test_what_ends_somebodys_turn_is_said_and_neither_a_wait_nor_a_name(tmp_path: Path) -> None:
    path = tmp_path / "voice.txt"
    async with speaking(path) as (voice, states):
        await ready(states)
        site = Site(tmp_path)
        ports = replace(site.ports, voice=voice)
        ports.show(Show(Sentence("正在付款，请稍候", "Paying; please wait"), Tone.WAIT))
        ports.show(Show(PAID, Tone.OK))
        await until(path, "老人票：0.00 元\n")
        ports.show(Show(Sentence("请通行", "Please pass"), Tone.OK, "张*三"))
        await until(path, "老人票：0.00 元\n请通行\n")
        ports.show(Show(Sentence("余额不足", "Not enough money"), Tone.NO))
        await until(path, "老人票：0.00 元\n请通行\n余额不足\n")
        site.close()


async def test_what_came_while_it_was_away_is_said_to_nobody(tmp_path: Path) -> None:
    path = tmp_path / "later" / "voice.txt"
    async with speaking(path) as (voice, states):
        while (await states.get()).state != "failed":
            pass
        voice.say(Sentence("旧", "old"))
        path.parent.mkdir()
        await ready(states)
        voice.say(Sentence("新", "new"))
        await until(path, "新\n")


def test_a_voice_that_is_none_is_found(tmp_path: Path) -> None:
    document = yaml.safe_load(preset_text("bus"))
    document["lanes"]["front"]["voice"] = "keypad"
    document["lanes"]["front"]["readers"].append("voice")
    with pytest.raises(ConfigError) as caught:
        parse(yaml.safe_dump(document), "test", tmp_path)
    assert {problem.path: problem.en for problem in caught.value.problems} == {
        "lanes.front.voice": "keypad is no voice",
        "lanes.front.readers": "voice is a voice; it belongs under voice:",
    }
