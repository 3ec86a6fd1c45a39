"""A till lane whose disk fails, hangs or is late around a question: nothing is asked or paid without its record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from agent.lane import Lane
from agent.questions import Asker, NobodyToAsk, Tell
from drivers.api import AmountProblem, AmountReading, NoAmount
from profiles.api import Ask
from profiles.questions import Answered, AnsweredLate, Authorise, Authorised, Unanswered
from profiles.till import Till, TillSettings
from tests.agent.simulated import run_simulated
from tests.agent.site import DISK_FULL, Site, card, serve


class Platform:
    """Says yes when it is told to, and remembers what was on the disk when it was asked."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.asked: list[tuple[Ask, Tell]] = []
        self.on_disk: list[str] = []

    def ask(self, ask: Ask, tell: Tell) -> None:
        self.asked.append((ask, tell))
        self.on_disk = self._site.reasons()

    def yes(self, *, late: bool = False) -> None:
        ask, tell = self.asked[-1]
        assert isinstance(ask.question, Authorise)
        answer = Authorised(ask.question.money.intent_id, ask.question.money.amount_fen)
        tell((AnsweredLate if late else Answered)(ask.about, answer))

    def silence(self) -> None:
        ask, tell = self.asked[-1]
        tell(Unanswered(ask.about))


Script = Callable[[Site, Lane, Platform], Awaitable[None]]


def amount(fen: int) -> AmountReading:
    return AmountReading(reader="keypad", at_ns=0, amount_fen=fen)


def till(site: Site, asker: Asker) -> Lane:
    settings = TillSettings.model_validate({"merchant": "canteen-1", "admit": {"everyone": True}})
    lane = Lane("till", Till(settings), replace(site.ports, asker=asker), site.deadline_ms)
    lane.begin_service(site.verifier)
    return lane


def run(directory: Path, script: Script) -> list[str]:
    """Play it in simulated time; the reasons in the journal."""
    reasons: list[str] = []

    async def main() -> None:
        site = Site(directory, deadline_ms=500)
        platform = Platform(site)
        lane = till(site, platform)

        async def play() -> None:
            lane.offer(amount(700))
            lane.offer(card(1))
            await asyncio.sleep(0.1)
            await script(site, lane, platform)
            await asyncio.sleep(8)

        await serve(lane, play)
        reasons.extend(site.reasons())
        site.close()

    run_simulated(main())
    return reasons


def test_the_platform_is_asked_after_the_intent_is_on_the_disk(tmp_path: Path) -> None:
    async def script(site: Site, lane: Lane, platform: Platform) -> None:
        assert platform.on_disk == ["asked"]
        assert len(platform.asked) == 1
        platform.yes()

    assert run(tmp_path, script) == ["asked", "paid"]


def test_what_is_entered_and_no_amount_is_told_to_the_till_in_its_turn(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = till(site, NobodyToAsk())

        async def script() -> None:
            lane.offer(amount(700))
            lane.offer(NoAmount(reader="keypad", at_ns=0, problem=AmountProblem.TOO_MUCH))
            lane.offer(card(1))

        await serve(lane, script)
        assert site.reasons() == ["no-amount"]
        site.close()

    run_simulated(main())


def test_a_terminal_without_a_platform_decides_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = till(site, NobodyToAsk())

        async def script() -> None:
            lane.offer(amount(700))
            lane.offer(card(1))

        await serve(lane, script)
        assert site.reasons() == ["asked", "paid-offline"]
        assert [record.entry.money.amount_fen for record in site.records() if record.entry.money] == [700, 700]
        site.close()

    run_simulated(main())


def test_an_intent_that_the_disk_takes_too_late_is_not_asked_about_and_reversed(tmp_path: Path) -> None:
    async def script(site: Site, lane: Lane, platform: Platform) -> None:
        platform.silence()
        lane.offer(amount(100))
        await asyncio.sleep(0.1)
        site.writer.holds = True
        lane.offer(card(2))
        await asyncio.sleep(1)
        site.writer.let_go()
        await asyncio.sleep(0.1)
        assert len(platform.asked) == 1

    assert run(tmp_path, script) == ["asked", "paid-offline", "asked", "not-paid"]


def test_an_answer_that_cannot_be_recorded_pays_nothing_and_is_reversed_when_the_disk_is_back(tmp_path: Path) -> None:
    async def script(site: Site, lane: Lane, platform: Platform) -> None:
        site.writer.fails_with = DISK_FULL
        platform.yes()
        await asyncio.sleep(3)
        assert site.reasons() == ["asked"]
        site.writer.fails_with = None

    assert run(tmp_path, script) == ["asked", "not-paid"]


def test_a_payment_that_the_disk_takes_too_late_is_reversed(tmp_path: Path) -> None:
    async def script(site: Site, lane: Lane, platform: Platform) -> None:
        site.writer.holds = True
        platform.yes()
        await asyncio.sleep(1)
        site.writer.let_go()

    assert run(tmp_path, script) == ["asked", "paid", "not-paid"]


def test_a_late_yes_that_cannot_be_recorded_is_recorded_later(tmp_path: Path) -> None:
    async def script(site: Site, lane: Lane, platform: Platform) -> None:
        platform.silence()
        await asyncio.sleep(0.1)
        site.writer.fails_with = DISK_FULL
        platform.yes(late=True)
        await asyncio.sleep(3)
        site.writer.fails_with = None

    assert run(tmp_path, script) == ["asked", "paid-offline", "answered-late"]


def test_a_lane_that_starts_again_reverses_what_it_had_asked_and_pays_no_answer_to_it(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        platform = Platform(site)
        lane = till(site, platform)

        async def ask() -> None:
            lane.offer(amount(700))
            lane.offer(card(1))
            await asyncio.sleep(0.1)

        await serve(lane, ask)
        again = till(site, platform)

        async def answer() -> None:
            platform.asked[-1] = (platform.asked[-1][0], again._signal)
            platform.yes()
            await asyncio.sleep(0.1)

        await serve(again, answer)
        assert site.reasons() == ["asked", "outcome-unknown", "answered-late"]
        site.close()

    run_simulated(main())
