"""A configuration's way through a terminal: tried, judged, kept or taken back, and told; cut short at every write."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.bundles.contents import Configuration
from agent.configuration import service
from agent.configuration.shelf import Shelf
from agent.configuration.standing import MAX_STARTS, Why
from agent.configuration.trial import PLATFORM
from agent.sync.contract import Configured
from tests.agent.configuration.box import Box, text


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOOK_S", 0.001)
    monkeypatch.setattr(service, "QUIET_S", 0.0)
    monkeypatch.setattr(service, "SETTLE_S", 0.0)


def offer(version: int) -> Configuration:
    return Configuration(version, text())


def is_told(box: Box, version: int) -> bool:
    standing = box.shelf.read()
    return standing.told and standing.trial is None and standing.latest == version


def test_it_is_tried_from_the_next_start_and_stays_when_all_is_well(tmp_path: Path) -> None:
    async def main() -> None:
        box = Box(tmp_path, offered=offer(1))
        assert await box.run()
        assert not await box.run(lambda _: is_told(box, 1))
        assert not await box.run(lambda running: running.status() is not None)
        assert box.starts == [0, 1, 1]
        assert box.told == [(1, "begins"), (1, "proven")]
        assert box.alarms == []

    asyncio.run(main())


@pytest.mark.parametrize("lost", ["card-field", "board", PLATFORM])
def test_it_goes_when_the_terminal_loses_what_it_had(tmp_path: Path, lost: str) -> None:
    why = Why.PLATFORM_LOST if lost == PLATFORM else Why.DEVICES_LOST

    async def main() -> None:
        box = Box(tmp_path, offered=offer(1))
        assert await box.run()
        box.broken, box.reached = {lost}, lost != PLATFORM
        assert await box.run()
        box.broken, box.reached = set(), True
        assert not await box.run(lambda _: is_told(box, 1))
        assert box.starts == [0, 1, 0]
        assert box.told == [(1, "begins"), (1, "withdrawn")]
        assert box.alarms == [why]
        box.offered = offer(2)  # the platform's next one has its turn
        assert await box.run()
        assert not await box.run(lambda _: is_told(box, 2))
        assert box.starts[-1] == 2

    asyncio.run(main())


def test_what_was_lost_before_is_no_reason_to_take_it_back(tmp_path: Path) -> None:
    async def main() -> None:
        box = Box(tmp_path, broken={"scanner"}, reached=False, offered=offer(1))
        assert await box.run()
        assert not await box.run(lambda _: is_told(box, 1))
        assert box.told[-1] == (1, "proven")

    asyncio.run(main())


def test_an_invalid_one_is_never_started_and_told_with_its_place(tmp_path: Path) -> None:
    async def main() -> None:
        box = Box(tmp_path, offered=Configuration(1, text(colour="blue")))
        assert not await box.run(lambda _: is_told(box, 1))
        assert box.starts == [0]
        assert box.records == [{"issue": 1, "trial": "withdrawn", "why": "invalid", "at": "terminal.colour"}]
        wanted = Configured(issue=0, withdrawn=1, why="invalid", at="terminal.colour")
        assert not await box.run(lambda running: running.status() == wanted)

    asyncio.run(main())


class PowerCut(BaseException):
    """Nothing is cleaned up behind it."""


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("ends_well", [True, False])
def test_cut_short_at_any_write_it_ends_as_it_would_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool, ends_well: bool
) -> None:
    write, left = Shelf._put, 0

    def dying(shelf: Shelf, name: str, content: bytes) -> None:
        nonlocal left
        left -= 1
        if left >= 0 or late:
            write(shelf, name, content)
        if left < 0:
            raise PowerCut

    async def life(box: Box) -> None:
        while True:
            box.broken = set() if ends_well or box.shelf.read().trial is None else {"card-field"}
            if not await box.run(lambda _: is_told(box, 1)):
                return

    monkeypatch.setattr(Shelf, "_put", dying)
    cuts = 0
    while True:
        box, left = Box(tmp_path / str(cuts), offered=offer(1)), cuts
        try:
            asyncio.run(life(box))
            break
        except PowerCut:
            left = 1_000
        asyncio.run(life(box))
        assert box.begin().issue == (1 if ends_well else 0)
        assert box.starts.count(1) <= MAX_STARTS + 1
        assert box.told[-1] == (1, "proven" if ends_well else "withdrawn")
        cuts += 1
    assert cuts >= 4  # the text, the trial, its start, the verdict; and that it was told, if that was waited for
