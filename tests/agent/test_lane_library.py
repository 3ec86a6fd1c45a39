"""A library's lane on a disk that fails, hangs or is late: nothing is asked, lent or silenced without its record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.lane import Lane
from agent.sip2.ports import TellLane
from drivers.api import CodeReading
from offline_store.loans import waiting
from profiles.library import Library
from profiles.library_state import LibrarySettings
from profiles.loans import (
    Account,
    AskLibrary,
    ClosePatron,
    Done,
    LibraryAnswered,
    LibrarySilent,
    OpenPatron,
)
from tests.agent.simulated import run_simulated
from tests.agent.site import DISK_FULL, Site, card, serve

BOOK = "310000000001"


class System:
    """The library as a lane sees it: it answers when it is told to, and remembers what was on the disk when asked."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.asked: list[tuple[AskLibrary, TellLane]] = []
        self.on_disk: list[str] = []
        self.deferred_rows: list[str] = []
        self.away = False

    def ask(self, effect: AskLibrary, tell: TellLane) -> None:
        if isinstance(effect.demand, ClosePatron):
            return
        if self.away:
            tell(LibrarySilent(effect.about))
        elif isinstance(effect.demand, OpenPatron):
            tell(LibraryAnswered(effect.about, Account(frozenset(), 0, 0, None, None)))
        else:
            self.asked.append((effect, tell))
            self.on_disk = self._site.reasons()

    def deferred(self) -> None:
        self.deferred_rows = [f"{loan.act} {loan.mode}" for loan in waiting(self._site.directory, 9)]

    def lends(self) -> None:
        effect, tell = self.asked[-1]
        tell(LibraryAnswered(effect.about, Done(desensitise=True)))


Script = Callable[[Site, Lane, System], Awaitable[None]]


def scan(text: str = BOOK, symbology: str = "code-128") -> CodeReading:
    return CodeReading(reader="scanner", at_ns=0, text=text, symbology=symbology)


@dataclass
class Ended:
    """What was in the journal, and which outputs were pulsed."""

    reasons: list[str] = field(default_factory=list)
    pulses: list[tuple[str, list[str]]] = field(default_factory=list)


def run(directory: Path, script: Script) -> Ended:
    """Somebody logs in, then the script goes on, in simulated time."""
    ended = Ended()

    async def main() -> None:
        site = Site(directory, deadline_ms=500)
        system = System(site)
        ports = replace(site.ports, library=system)
        settings = LibrarySettings.model_validate({"admit": {"everyone": True}, "desensitise_output": "tag"})
        lane = Lane("desk", Library(settings), ports, 500)
        lane.begin_service(site.verifier)

        async def play() -> None:
            lane.offer(card(1))
            await asyncio.sleep(0.1)
            await script(site, lane, system)
            await asyncio.sleep(8)

        await serve(lane, play)
        ended.reasons, ended.pulses = site.reasons(), site.outputs.pulses
        site.close()

    run_simulated(main())
    return ended


def test_the_library_is_asked_and_the_tag_silenced_after_what_says_so_is_on_the_disk(tmp_path: Path) -> None:
    async def script(site: Site, lane: Lane, system: System) -> None:
        lane.offer(scan())
        await asyncio.sleep(0.1)
        assert system.on_disk == ["library-welcome", "loan-asked"]
        system.lends()

    ended = run(tmp_path, script)
    assert ended.reasons == ["library-welcome", "loan-asked", "lent"]
    assert ended.pulses == [("tag", ["library-welcome", "loan-asked", "lent"])]


def test_what_is_lent_alone_is_kept_for_the_library_in_the_same_transaction(tmp_path: Path) -> None:
    async def script(site: Site, lane: Lane, system: System) -> None:
        system.away = True
        lane.offer(scan())
        await asyncio.sleep(0.1)
        assert system.deferred_rows == ["checkout send"]
        site.writer.fails_with = DISK_FULL
        lane.offer(scan("310000000002"))
        await asyncio.sleep(0.1)
        site.writer.fails_with = None

    ended = run(tmp_path, script)
    assert ended.reasons == ["library-welcome", "loan-asked", "lent-offline"]
    assert [loan.item for loan in waiting(tmp_path, 9)] == [BOOK]


def test_an_item_whose_asking_the_disk_takes_too_late_is_not_asked_for_and_is_looked_up(tmp_path: Path) -> None:
    async def script(site: Site, lane: Lane, system: System) -> None:
        site.writer.holds = True
        lane.offer(scan())
        await asyncio.sleep(1)
        site.writer.let_go()
        await asyncio.sleep(0.1)
        assert system.asked == []
        assert system.deferred_rows == ["checkout look"]

    assert run(tmp_path, script).reasons == ["library-welcome", "loan-asked", "loan-not-recorded"]


def test_a_loan_that_the_disk_takes_too_late_silences_nothing_and_is_withdrawn(tmp_path: Path) -> None:
    async def script(site: Site, lane: Lane, system: System) -> None:
        lane.offer(scan())
        await asyncio.sleep(0.1)
        site.writer.holds = True
        system.lends()
        await asyncio.sleep(1)
        site.writer.let_go()
        await asyncio.sleep(0.1)
        assert system.deferred_rows == ["checkout withdraw"]

    ended = run(tmp_path, script)
    assert ended.reasons == ["library-welcome", "loan-asked", "lent", "loan-not-recorded"]
    assert ended.pulses == []


def test_an_answer_that_cannot_be_recorded_lends_nothing_and_is_looked_up_when_the_disk_is_back(tmp_path: Path) -> None:
    async def script(site: Site, lane: Lane, system: System) -> None:
        lane.offer(scan())
        await asyncio.sleep(0.1)
        site.writer.fails_with = DISK_FULL
        system.lends()
        await asyncio.sleep(0.2)
        site.writer.fails_with = None
        await asyncio.sleep(2)
        assert system.deferred_rows == ["checkout look"]

    ended = run(tmp_path, script)
    assert ended.reasons == ["library-welcome", "loan-asked", "loan-not-recorded"]
    assert ended.pulses == []


def test_the_barcode_of_nothing_here_and_a_code_on_the_wrong_kind_of_print_have_their_reasons(tmp_path: Path) -> None:
    async def script(site: Site, lane: Lane, system: System) -> None:
        for reading in (scan("EC1:ABC"), scan("978"), scan(BOOK, "qr"), scan("EC1:ABC", "qr")):
            lane.offer(reading)
            await asyncio.sleep(0.1)
        assert system.asked == []

    found = run(tmp_path, script).reasons
    assert found[:4] == ["library-welcome", "code-as-barcode", "barcode-not-an-item", "item-as-code"]
    assert found[4].startswith("code-"), "judged as a person's code"
