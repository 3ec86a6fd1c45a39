"""One lane whose disk fails, hangs or is late: nothing opens without its record, nothing that happened is lost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import cbor2
import pytest

from agent.lane import TURN_AWAY_AGAIN_S
from agent.logs import configure, drain
from agent.records import StoreReason
from drivers.api import Reading
from offline_store.journal import Append
from profiles.api import Reason
from tests.agent.simulated import run_simulated
from tests.agent.site import DISK_FULL, Site, card, fire, passage, serve


async def failing_for_a_while(site: Site, seconds: float) -> None:
    site.writer.fails_with = DISK_FULL
    await asyncio.sleep(seconds)
    site.writer.fails_with = None


def test_a_failed_append_opens_nothing_and_memory_becomes_what_the_disk_says(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()

        async def script() -> None:
            site.writer.fails_with = DISK_FULL
            lane.offer(card(1))
            await asyncio.sleep(0.1)
            assert site.outputs.pulses == []
            site.writer.fails_with = None
            lane.offer(card(1))

        await serve(lane, script)
        assert site.reasons() == ["granted"]
        assert len(site.outputs.pulses) == 1
        site.close()

    run_simulated(main())


def test_an_append_past_its_deadline_refuses_and_is_recorded_as_not_actuated_when_it_commits(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path, deadline_ms=500)
        lane = site.lane()

        async def script() -> None:
            site.writer.holds = True
            lane.offer(card(1))
            await asyncio.sleep(1)
            lane.offer(card(2))
            await asyncio.sleep(1)
            assert lane.dropped == 1
            site.writer.let_go()

        await serve(lane, script)
        assert site.outputs.pulses == []
        granted, late = site.records()
        assert (granted.entry.reason, late.entry.reason) == ("granted", "not-actuated")
        assert late.entry.refers_to == granted.entry.id
        site.close()

    run_simulated(main())


def test_a_time_out_that_could_not_be_recorded_is_recorded_later_and_the_lane_serves_on(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane(passage_timeout_ms=8_000)

        async def script() -> None:
            lane.offer(card(1))
            await asyncio.sleep(7.5)
            await failing_for_a_while(site, 2)
            await asyncio.sleep(1)
            lane.offer(card(2))
            await asyncio.sleep(1)

        await serve(lane, script)
        assert site.reasons() == ["granted", "timed-out", "granted"]
        site.close()

    run_simulated(main())


def test_the_outcome_of_a_gate_without_a_sensor_survives_a_full_disk(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane(passage_input=None)

        async def script() -> None:
            site.outputs.before_confirming = lambda: setattr(site.writer, "fails_with", DISK_FULL)
            lane.offer(card(1))
            await asyncio.sleep(2)
            site.writer.fails_with = None
            await asyncio.sleep(1)
            site.outputs.before_confirming = lambda: None
            lane.offer(card(2))
            await asyncio.sleep(1)

        await serve(lane, script)
        assert site.reasons() == ["granted", "actuated", "granted", "actuated"]
        site.close()

    run_simulated(main())


def test_fire_on_a_full_disk_is_recorded_when_there_is_room_and_ends_when_it_is_reset(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()

        began_ms = 0

        async def script() -> None:
            nonlocal began_ms
            began_ms = site.clock.now_ms()
            site.writer.fails_with = DISK_FULL
            lane.offer(fire(active=True))
            await asyncio.sleep(600)
            site.writer.fails_with = None
            await asyncio.sleep(1)
            lane.offer(passage())
            site.writer.fails_with = DISK_FULL
            lane.offer(fire(active=False))
            await asyncio.sleep(600)
            site.writer.fails_with = None
            await asyncio.sleep(1)
            lane.offer(card(1))
            await asyncio.sleep(1)

        await serve(lane, script)
        began, cleared, _ = (record.entry for record in site.records())
        assert site.reasons() == ["fire", "fire-cleared", "granted"]
        # When it happened, not when the disk took it.
        assert (began.time_ms, cleared.time_ms) == (began_ms, began_ms + 601_000)
        assert cleared.monotonic_ms - began.monotonic_ms == 601_000
        site.close()

    run_simulated(main())


def test_a_bouncing_sensor_does_not_push_fire_out_of_a_hanging_lane(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()

        async def script() -> None:
            site.writer.holds = True
            lane.offer(card(1))
            await asyncio.sleep(5)
            lane.offer(fire(active=True))
            for number in range(1_000):
                lane.offer(passage(active=number % 2 == 0))
            await asyncio.sleep(1)
            site.writer.let_go()
            await asyncio.sleep(1)

        await serve(lane, script)
        assert "fire" in site.reasons()
        assert "forced-open" not in site.reasons()[site.reasons().index("fire") :]
        site.close()

    run_simulated(main())


def test_nothing_opens_long_after_a_tap_that_waited_for_the_disk(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path, deadline_ms=500)
        lane = site.lane()

        async def script() -> None:
            site.writer.fails_with = DISK_FULL
            lane.offer(passage())
            await asyncio.sleep(0)
            lane.offer(card(1))
            await asyncio.sleep(600)
            site.writer.fails_with = None
            await asyncio.sleep(10)

        await serve(lane, script)
        assert site.outputs.pulses == []
        assert "granted" not in site.reasons()
        site.close()

    run_simulated(main())


def test_who_comes_while_something_waits_for_the_disk_is_told_and_not_left_standing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()

        async def script() -> None:
            site.writer.fails_with = DISK_FULL
            lane.offer(passage())
            for number in range(3):
                lane.offer(card(number))
                await asyncio.sleep(TURN_AWAY_AGAIN_S + 10)
            site.writer.fails_with = None
            await asyncio.sleep(10)
            lane.offer(card(4))
            await asyncio.sleep(1)

        await serve(lane, script)
        assert site.reasons() == ["forced-open", "granted"]
        site.close()

    configure("json")
    run_simulated(main())
    drain(5.0)
    said = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    shown = [line["en"] for line in said if line["event"] == "show"]
    assert shown.count(Reason.NOT_RECORDED.citizen.en) == 3


def test_the_platform_hears_of_a_fire_and_of_the_disk_while_the_disk_hangs(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()

        async def script() -> None:
            site.writer.holds = True
            lane.offer(card(1))
            await asyncio.sleep(5)
            lane.offer(fire(active=True))
            lane.offer(fire(active=True))
            assert site.alarms == ["not-recorded", "fire"]
            assert [(state.name, state.reason) for state in site.conditions.states()] == [("journal", "not-recorded")]
            site.writer.let_go()
            await asyncio.sleep(1)
            assert site.conditions.states() == ()
            lane.offer(fire(active=False))

        await serve(lane, script)
        assert site.alarms == ["not-recorded", "fire", "fire-cleared"]
        site.close()

    run_simulated(main())


def test_a_disk_that_stays_full_is_one_alarm(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()

        async def script() -> None:
            site.writer.fails_with = DISK_FULL
            for _ in range(10):
                lane.offer(card(1))
                await asyncio.sleep(5)

        await serve(lane, script)
        assert site.alarms == ["not-recorded"]
        site.close()

    run_simulated(main())


def test_a_fire_is_shown_at_once_and_never_as_a_closed_gate(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()

        async def script() -> None:
            site.writer.fails_with = DISK_FULL
            lane.offer(fire(active=True))
            await asyncio.sleep(30)
            site.writer.fails_with = None
            await asyncio.sleep(10)

        await serve(lane, script)
        assert site.reasons() == ["fire"]
        site.close()

    configure("json")
    run_simulated(main())
    drain(5.0)
    said = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    shown = [line["en"] for line in said if line["event"] == "show"]
    assert shown[0] == Reason.FIRE.citizen.en
    assert Reason.NOT_RECORDED.citizen.en not in shown
    assert len([line for line in said if line["event"] == "append failed"]) == 1


@pytest.mark.parametrize("saved", [b"\xff", b"\xa1cnewa1", cbor2.dumps({"of_a_later_version": 1})])
def test_a_state_that_cannot_be_read_is_told_and_the_lane_begins_anew(tmp_path: Path, saved: bytes) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()
        site.writer.submit(Append(saves={f"lane/{lane.name}/gate": saved})).result()

        async def script() -> None:
            lane.offer(card(1))
            await asyncio.sleep(1)

        await serve(lane, script)
        assert site.reasons() == ["granted"]
        assert site.alarms == [StoreReason.STATE_LOST.code]
        site.close()

    run_simulated(main())


def test_an_outcome_may_wait_for_company_and_a_decision_may_not(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()
        patient: list[bool] = []

        async def handed_over(reading: Reading) -> None:
            site.writer.holds = True
            lane.offer(reading)
            await asyncio.sleep(0.1)
            patient.extend(append.patient for append, _ in site.writer.waiting)
            site.writer.let_go()
            site.writer.waiting.clear()
            await asyncio.sleep(0.1)

        async def script() -> None:
            await handed_over(card(1))
            await handed_over(passage(active=True))

        await serve(lane, script)
        assert [record.entry.reason for record in site.records()] == ["granted", "passed"]
        assert patient == [False, True]
        site.close()

    run_simulated(main())
