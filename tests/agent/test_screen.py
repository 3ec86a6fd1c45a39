"""A screen through its thread: the latest stands there, what is private goes by itself, and a fault loses nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agent.backoff import Backoff
from agent.clock import SystemRandom
from agent.devices import DeviceState
from agent.screen import NoScreen, ScreenThread
from drivers.screen import ScreenSettings, TextScreen
from profiles.reasons import Sentence

DEADLINE_S = 20.0
ROW = Sentence("耕地补贴 1250.00 元", "cultivation 1250.00 yuan")


@asynccontextmanager
async def shown(path: Path) -> AsyncIterator[tuple[ScreenThread, asyncio.Queue[DeviceState]]]:
    states = asyncio.Queue[DeviceState]()
    screen = TextScreen("screen", ScreenSettings(port=str(path)))
    loop = asyncio.get_running_loop()
    thread = ScreenThread("screen", screen, loop, states.put_nowait, Backoff(SystemRandom()), lambda: 0)
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


async def test_the_latest_stands_there_in_both_languages_and_is_wiped_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "screen.txt"
    async with shown(path) as (screen, _):
        screen.show(Sentence("一", "one"))
        screen.show(Sentence("二", "two"))
        await until(path, "二\ntwo\n")
    assert path.read_bytes() == b""


async def test_what_is_private_is_wiped_by_itself_and_by_whatever_comes_next(tmp_path: Path) -> None:
    path = tmp_path / "screen.txt"
    async with shown(path) as (screen, _):
        screen.show_privately((ROW,), 60_000)
        await until(path, "cultivation 1250.00 yuan\n")
        screen.show(Sentence("下一位", "next"))
        await until(path, "下一位\nnext\n")
        screen.show_privately((ROW,), 50)
        await until(path, "")


async def test_a_screen_that_comes_back_shows_what_is_wanted_then(tmp_path: Path) -> None:
    path = tmp_path / "later" / "screen.txt"
    async with shown(path) as (screen, states):
        while (await states.get()).state != "failed":
            pass
        screen.show_privately((ROW,), 60_000)
        screen.wipe()
        screen.show(Sentence("好", "well"))
        path.parent.mkdir()
        await until(path, "好\nwell\n")


def test_a_lane_without_a_screen_shows_nothing_private_anywhere() -> None:
    screen = NoScreen()
    screen.show_privately((ROW,), 1)
    screen.show(ROW)
    screen.wipe()
