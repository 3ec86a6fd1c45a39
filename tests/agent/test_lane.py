"""One lane on a real journal: what is recorded, what opens, and in which order."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.clock import Moment
from agent.credentials.medium import medium_of
from agent.credentials.register import Holder
from agent.lane import MAX_PRESENTATIONS
from drivers.api import CardFault, CodeReading, InputReading
from profiles.api import ClockState, Subject
from tests.agent.simulated import SimulatedClock, run_simulated
from tests.agent.site import Site, card, fire, mac, serve


def test_the_grant_is_on_the_disk_when_the_gate_is_opened(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()

        async def script() -> None:
            lane.offer(card(1))
            await asyncio.sleep(1)
            lane.offer(InputReading(reader="board", at_ns=0, input="passage", active=True))

        await serve(lane, script)
        assert site.outputs.pulses == [("gate", ["granted"])]
        assert site.reasons() == ["granted", "passed"]
        assert site.records()[1].entry.refers_to == site.records()[0].entry.id
        site.close()

    run_simulated(main())


def test_two_lanes_cannot_accept_one_card_at_the_same_moment(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        left, right = site.lane("left"), site.lane("right")

        async def script() -> None:
            await asyncio.sleep(0.01)
            site.writer.holds = True
            left.offer(card(1))
            right.offer(card(1))
            await asyncio.sleep(0.1)
            site.writer.let_go()

        async with asyncio.TaskGroup() as group:
            group.create_task(serve(left, script))
            group.create_task(serve(right, lambda: asyncio.sleep(0.5)))
        assert sorted(site.reasons()) == ["granted", "just-passed"]
        assert len(site.outputs.pulses) == 1
        site.close()

    run_simulated(main())


def test_a_restart_in_mid_crossing_records_an_unknown_outcome_and_does_not_open_again(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()

        async def tap() -> None:
            lane.offer(card(1))
            await asyncio.sleep(1)

        await serve(lane, tap)
        site.close()
        again = Site(tmp_path)
        await serve(again.lane(), lambda: asyncio.sleep(1))
        assert again.reasons() == ["granted", "outcome-unknown"]
        assert again.outputs.pulses == []
        again.close()

    run_simulated(main())


def test_marks_survive_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane(double_tap_ms=60_000)

        async def pass_once() -> None:
            lane.offer(card(1))
            await asyncio.sleep(1)
            lane.offer(InputReading(reader="board", at_ns=0, input="passage", active=True))

        await serve(lane, pass_once)
        site.close()
        again = Site(tmp_path)
        other = again.lane(double_tap_ms=60_000)

        async def tap_again() -> None:
            other.offer(card(1))

        await serve(other, tap_again)
        assert again.reasons() == ["granted", "passed", "just-passed"]
        again.close()

    run_simulated(main())


def test_a_full_queue_drops_the_newest_presentation_and_counts_it(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()

        async def script() -> None:
            for number in range(MAX_PRESENTATIONS + 3):
                lane.offer(card(number))

        await serve(lane, script)
        assert lane.dropped == 3
        assert len(site.records()) == MAX_PRESENTATIONS
        site.close()

    run_simulated(main())


@pytest.mark.parametrize("fault", list(CardFault))
def test_every_card_fault_is_recorded_and_opens_nothing(tmp_path: Path, fault: CardFault) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()

        async def script() -> None:
            lane.offer(fault)

        await serve(lane, script)
        assert len(site.records()) == 1
        assert site.outputs.pulses == []
        site.close()

    run_simulated(main())


def test_lost_expired_and_foreign_media_are_refused_with_their_own_reasons(tmp_path: Path) -> None:
    lost = medium_of(card(1), mac)
    holders = {lost: Holder(Subject("site", lost), frozenset({"staff"}), lost=True)}

    async def main() -> None:
        site = Site(tmp_path, holders=holders)
        lane = site.lane()

        async def script() -> None:
            lane.offer(card(1))
            lane.offer(card(2).model_copy(update={"valid_until": "20261122"}))
            lane.offer(card(3).model_copy(update={"valid_from": "20991231"}))
            lane.offer(CodeReading(reader="scanner", at_ns=0, text="https://example.org"))

        await serve(lane, script)
        assert site.reasons() == ["medium-lost", "expired", "not-yet-valid", "link-code"]
        site.close()

    run_simulated(main())


def test_a_gate_whose_clock_is_lost_ends_what_had_ended_and_keeps_out_nobody_else(tmp_path: Path) -> None:
    class LostClock(SimulatedClock):
        """Begins in 1970, beside what was known."""

        def moment(self) -> Moment:
            return Moment(self.monotonic_ms(), ClockState.UNTRUSTED, 0, floor_ms=self.now_ms())

    async def main() -> None:
        clock = LostClock()
        ends = {2: clock.now_ms(), 3: clock.now_ms() + 3_600_000}
        lent = {medium_of(card(n), mac): Holder(Subject("site", bytes([n]) * 16), until_ms=ends[n]) for n in ends}
        site = Site(tmp_path, clock=clock, holders=lent)
        lane = site.lane()

        async def script() -> None:
            lane.offer(card(1).model_copy(update={"valid_until": "20261122"}))
            lane.offer(card(2))
            lane.offer(card(3))
            await asyncio.sleep(1)
            lane.offer(InputReading(reader="board", at_ns=0, input="passage", active=True))
            await asyncio.sleep(1)
            lane.offer(card(4).model_copy(update={"valid_from": "20261224", "valid_until": "20271122"}))

        await serve(lane, script)
        assert site.reasons() == ["expired", "expired", "granted", "passed", "granted"]
        site.close()

    run_simulated(main())


def test_forcing_the_gate_raises_an_alarm(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()

        async def script() -> None:
            lane.offer(InputReading(reader="board", at_ns=0, input="passage", active=True))

        await serve(lane, script)
        assert site.alarms == ["forced-open"]
        site.close()

    run_simulated(main())


def test_out_of_service_a_lane_accepts_nobody_but_serves_its_inputs(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane_without_service()

        async def script() -> None:
            lane.offer(card(1))
            lane.offer(fire(active=True))
            await asyncio.sleep(0.1)
            lane.offer(fire(active=False))
            await asyncio.sleep(0.1)
            assert (site.outputs.pulses, lane.dropped) == ([], 1)
            lane.begin_service(site.verifier)
            lane.offer(card(1))

        await serve(lane, script)
        assert site.reasons() == ["fire", "fire-cleared", "granted"]
        site.close()

    run_simulated(main())
