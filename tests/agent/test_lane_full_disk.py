"""A lane on a disk that takes nothing more, its reserve included: a door opens and is counted, a till refuses."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agent.lane import Lane
from agent.questions import NobodyToAsk
from drivers.api import CodeReading, InputReading
from offline_store.errors import Damaged, IoFailed, StoreError
from offline_store.figures import UNRECORDED
from offline_store.record import Record
from offline_store.unrecorded import tallies_of
from profiles.turnstile import Turnstile
from profiles.turnstile_settings import TurnstileSettings
from tests.agent.credentials.code_parts import NOW_MS, lists, vector
from tests.agent.simulated import SimulatedClock, run_simulated
from tests.agent.site import Site, card, fire, passage, serve
from tests.agent.test_lane_money import amount, till

Script = Callable[[Site, Lane], Awaitable[None]]


async def pass_through(lane: Lane, number: int) -> None:
    lane.offer(card(number))
    await asyncio.sleep(1)
    lane.offer(passage())
    await asyncio.sleep(1)
    lane.offer(passage(active=False))


def play(
    site: Callable[[], Site], script: Script, *, full: bool = False, lane_of: Callable[[Site], Lane] = Site.lane
) -> None:
    """One start of a lane, a gate's if not said otherwise, until it ends; on a disk that is ``full`` from the start."""

    async def main() -> None:
        running = site()
        lane = lane_of(running)
        if full:
            running.fill()
        await serve(lane, lambda: script(running, lane))
        running.close()

    run_simulated(main())


def counts(site: Site) -> list[Record]:
    return [record for record in site.records() if record.entry.kind == UNRECORDED]


def figures(record: Record) -> dict[str, int]:
    """How often, by reason."""
    rows: Any = record.entry.public["figures"]
    return {reason: times for _, reason, times, _, _ in rows}


def test_a_door_opens_and_the_next_record_says_how_often_since_when_and_why(tmp_path: Path) -> None:
    async def script(site: Site, lane: Lane) -> None:
        await pass_through(lane, 1)
        site.fill()
        first_ms = site.clock.now_ms()
        for number in (2, 3, 4):
            await pass_through(lane, number)
        assert len(site.outputs.pulses) == 4
        assert site.alarms == ["unrecorded"]
        assert [(state.name, state.reason) for state in site.conditions.states()] == [("journal", "unrecorded")]
        assert {lane: tally.openings for lane, tally in tallies_of(tmp_path).items()} == {"north": 3}
        site.make_room()
        await pass_through(lane, 5)
        assert site.reasons() == ["granted", "passed", "", "granted", "passed"]
        (told,) = counts(site)
        assert (told.entry.lane, told.entry.profile) == ("north", "gate")
        assert told.entry.public == {
            "openings": 3,
            "first_ms": first_ms,
            "last_ms": first_ms + 5_000,
            "figures": (
                ("decision", "granted", 3, first_ms, first_ms + 4_000),
                ("outcome", "passed", 3, first_ms + 1_000, first_ms + 5_000),
            ),
        }
        assert site.conditions.states() == ()
        assert tallies_of(tmp_path) == {}

    play(lambda: Site(tmp_path), script)


def test_a_door_that_shall_refuse_does(tmp_path: Path) -> None:
    async def script(site: Site, lane: Lane) -> None:
        site.fill()
        lane.offer(card(1))
        await asyncio.sleep(1)
        assert site.outputs.pulses == []
        assert site.alarms == ["not-recorded"]
        site.make_room()
        lane.offer(card(2))
        await asyncio.sleep(1)
        assert site.reasons() == ["granted"]

    play(lambda: Site(tmp_path), script, lane_of=lambda site: site.lane(full_disk="refuse"))


@pytest.mark.parametrize("fault", [IoFailed("磁盘出错", "the disk fails"), Damaged("损坏", "the file is damaged")])
def test_of_no_other_fault_a_door_opens(tmp_path: Path, fault: StoreError) -> None:
    async def script(site: Site, lane: Lane) -> None:
        site.writer.fails_with = fault
        lane.offer(card(1))
        await asyncio.sleep(1)
        assert site.outputs.pulses == []
        assert site.alarms == ["not-recorded"]
        site.writer.fails_with = None

    play(lambda: Site(tmp_path), script)


def test_a_till_refuses_meanwhile_and_its_faults_make_the_door_forget_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        door, counter = site.lane("north"), till(site, NobodyToAsk())

        async def pay() -> None:
            counter.offer(amount(700))
            counter.offer(card(9))
            await asyncio.sleep(1)

        async def script() -> None:
            site.fill()
            await pay()
            assert site.alarms == ["not-recorded"]
            door.offer(card(1))
            await asyncio.sleep(1)
            assert len(site.outputs.pulses) == 1
            await pay()
            door.offer(passage())
            await asyncio.sleep(1)
            door.offer(card(1))
            await asyncio.sleep(1)
            assert site.alarms == ["not-recorded", "unrecorded"]
            assert site.reasons() == []
            site.make_room()
            door.offer(passage())
            await asyncio.sleep(1)
            await pay()

        async with asyncio.TaskGroup() as group:
            group.create_task(counter.run())
            await serve(door, script)
            counter.stop()
        told, passed, asked, paid = site.records()
        assert figures(told) == {"granted": 2, "passed": 1}
        assert [record.entry.reason for record in (passed, asked, paid)] == ["passed", "asked", "paid-offline"]
        site.close()

    run_simulated(main())


def test_a_code_opens_once_also_beyond_a_power_cut_and_the_room_that_came_back(tmp_path: Path) -> None:
    code = CodeReading(reader="scanner", at_ns=0, text=vector("sm2-es256")["text"])

    starts = itertools.count()

    def site() -> Site:
        return Site(tmp_path, lists=lists(), clock=SimulatedClock(NOW_MS + 5_000 * next(starts)))

    async def shown_twice(site: Site, lane: Lane) -> None:
        site.fill()
        lane.offer(code)
        await asyncio.sleep(1)
        lane.offer(passage())
        await asyncio.sleep(1)
        lane.offer(code)
        await asyncio.sleep(1)
        assert len(site.outputs.pulses) == 1

    async def shown_again(site: Site, lane: Lane) -> None:
        lane.offer(code)
        await asyncio.sleep(1)
        assert site.outputs.pulses == []

    async def and_again(site: Site, lane: Lane) -> None:
        await shown_again(site, lane)
        (told,) = counts(site)
        assert told.entry.public["openings"] == 1
        assert figures(told) == {"granted": 1, "passed": 1, "code-replayed": 2}
        assert site.reasons() == ["", "code-replayed"]

    play(site, shown_twice)
    play(site, shown_again, full=True)
    play(site, and_again)


def test_a_passage_after_a_power_cut_is_nobodys_alarm(tmp_path: Path) -> None:
    async def opened(site: Site, lane: Lane) -> None:
        site.fill()
        lane.offer(card(1))
        await asyncio.sleep(0.1)
        assert len(site.outputs.pulses) == 1

    async def passed(site: Site, lane: Lane) -> None:
        lane.offer(passage())
        await asyncio.sleep(1)
        assert site.alarms == []
        told, unknown = site.records()
        assert (told.entry.public["openings"], unknown.entry.reason) == (1, "outcome-unknown")
        assert unknown.entry.refers_to == told.entry.id

    play(lambda: Site(tmp_path), opened)
    play(lambda: Site(tmp_path), passed)


def test_what_a_record_began_gets_a_record_of_its_end_and_what_a_count_began_names_the_count(tmp_path: Path) -> None:
    async def script(site: Site, lane: Lane) -> None:
        lane.offer(card(1))
        await asyncio.sleep(1)
        site.fill()
        lane.offer(passage())
        await asyncio.sleep(1)
        lane.offer(card(2))
        await asyncio.sleep(1)
        site.make_room()
        lane.offer(passage())
        await asyncio.sleep(1)
        granted, passed, told, passed_too = site.records()
        assert passed.entry.refers_to == granted.entry.id
        assert passed.entry.time_ms < told.entry.time_ms
        assert figures(told) == {"granted": 1}
        assert (passed_too.entry.reason, passed_too.entry.refers_to) == ("passed", told.entry.id)

    play(lambda: Site(tmp_path), script)


def test_a_fire_is_recorded_by_itself_and_after_a_power_cut_as_a_figure(tmp_path: Path) -> None:
    async def burning(site: Site, lane: Lane) -> None:
        site.fill()
        lane.offer(fire(active=True))
        await asyncio.sleep(10)
        lane.offer(fire(active=False))
        await asyncio.sleep(1)

    async def with_room(site: Site, lane: Lane) -> None:
        began_ms = site.clock.now_ms()
        await burning(site, lane)
        site.make_room()
        lane.offer(card(1))
        await asyncio.sleep(1)
        assert site.reasons() == ["fire", "fire-cleared", "granted"]
        began, cleared, _ = site.records()
        assert (began.entry.time_ms, cleared.entry.time_ms) == (began_ms, began_ms + 10_000)
        assert site.alarms == ["fire", "unrecorded", "fire-cleared"]

    async def after_the_cut(site: Site, lane: Lane) -> None:
        lane.offer(card(1))
        await asyncio.sleep(1)
        (told,) = counts(site)
        assert told.entry.public["openings"] == 0
        assert figures(told) == {"fire": 1, "fire-cleared": 1}

    play(lambda: Site(tmp_path / "room"), with_room)
    play(lambda: Site(tmp_path / "cut"), burning)
    play(lambda: Site(tmp_path / "cut"), after_the_cut)


def test_a_forced_passage_still_alarms_and_is_counted(tmp_path: Path) -> None:
    async def script(site: Site, lane: Lane) -> None:
        site.fill()
        for _ in range(3):
            lane.offer(passage())
            await asyncio.sleep(1)
        assert site.alarms == ["unrecorded", "forced-open"]
        site.make_room()
        await asyncio.sleep(60)
        told, repeated = site.records()
        assert figures(told) == {"forced-open": 1}
        assert repeated.entry.public == {"repeated": 2}
        assert repeated.entry.refers_to == told.entry.id

    play(lambda: Site(tmp_path), script)


def test_what_opened_too_late_is_taken_back_in_the_figures(tmp_path: Path) -> None:
    async def script(site: Site, lane: Lane) -> None:
        site.writer.holds = True
        lane.offer(card(1))
        await asyncio.sleep(5)
        site.fill()
        site.writer.let_go()
        await asyncio.sleep(1)
        assert site.outputs.pulses == []
        site.make_room()
        lane.offer(card(2))
        await asyncio.sleep(1)
        assert figures(counts(site)[0]) == {"granted": 1, "not-actuated": 1}

    play(lambda: Site(tmp_path), script)


def test_who_is_inside_is_known_over_a_power_cut_on_a_full_disk(tmp_path: Path) -> None:
    settings = {
        "admit": {"everyone": True},
        "area": {"name": "hall", "occupancy": {"capacity": 1}},
        "leaving_needs": "nothing",
    }

    def turnstile(site: Site) -> Lane:
        read = TurnstileSettings.model_validate(settings)
        lane = Lane("hall", Turnstile(read), site.ports, site.deadline_ms, read.on_full_disk())
        lane.begin_service(site.verifier)
        return lane

    async def walk_in(site: Site, lane: Lane, number: int) -> None:
        lane.offer(card(number))
        await asyncio.sleep(0.5)
        for beam, active in (("outer", True), ("inner", True), ("outer", False), ("inner", False)):
            lane.offer(InputReading(reader="board", at_ns=0, input=beam, active=active))
            await asyncio.sleep(0.2)

    async def one_fits(site: Site, lane: Lane) -> None:
        await walk_in(site, lane, 1)
        assert len(site.outputs.pulses) == 1
        lane.offer(card(2))
        await asyncio.sleep(1)
        assert len(site.outputs.pulses) == 1

    async def no_other_fits(site: Site, lane: Lane) -> None:
        lane.offer(card(2))
        await asyncio.sleep(1)
        assert site.outputs.pulses == []
        (told,) = counts(site)
        assert figures(told) == {"granted": 1, "passed": 1, "area-full": 1}
        assert site.alarms == []

    def site(start_ms: int) -> Site:
        return Site(tmp_path, clock=SimulatedClock(start_ms))

    play(lambda: site(NOW_MS), one_fits, full=True, lane_of=turnstile)
    play(lambda: site(NOW_MS + 60_000), no_other_fits, lane_of=turnstile)
