"""One lane in simulated time, on a real journal: what is recorded, what opens, and in which order."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from agent.backoff import Backoff
from agent.clock import RecordIds
from agent.credentials.lists import CurrentLists, Lists
from agent.credentials.medium import medium_of
from agent.credentials.register import Holder, SiteRegister
from agent.credentials.verify import Verifier
from agent.facts import Marks, TerminalFacts
from agent.lane import MAX_PRESENTATIONS, Lane, LanePorts
from agent.memory import Memory
from drivers.api import CardFault, CardReading, CodeReading, InputReading, Interface, Pulse
from offline_store.errors import DiskFull, StoreError
from offline_store.journal import Append, Appended, Journal, Restored
from offline_store.outbox import Outbox
from offline_store.record import Record
from offline_store.writer import InlineWriter, JournalWriter
from profiles.api import Subject
from profiles.gate import Gate, GateSettings
from profiles.reasons import ReasonEnum
from tests.agent.seeded import SeededRandom
from tests.agent.simulated import SimulatedClock, run_simulated

CHINA = timezone(timedelta(hours=8))


def mac(data: bytes) -> bytes:
    return hmac.digest(bytes(32), data, "sha256")


def card(number: int) -> CardReading:
    return CardReading(
        reader="slot",
        at_ns=0,
        application="social-security",
        interface=Interface.CONTACT,
        issuer=b"\x11",
        identifier=number.to_bytes(16, "big"),
    )


class HeldWriter:
    """A writer whose disk answers when the test says so; the journal behind it is real."""

    def __init__(self, behind: InlineWriter) -> None:
        self._behind = behind
        self.waiting: list[tuple[Append, Future[Appended]]] = []
        self.holds = False
        self.fails_with: StoreError | None = None

    def submit(self, append: Append) -> Future[Appended]:
        if not self.holds and self.fails_with is None:
            return self._behind.submit(append)
        future: Future[Appended] = Future()
        future.set_running_or_notify_cancel()
        if self.fails_with is not None:
            future.set_exception(self.fails_with)
        else:
            self.waiting.append((append, future))
        return future

    def let_go(self) -> None:
        self.holds = False
        for append, future in self.waiting:
            future.set_result(self._behind.submit(append).result())

    def acknowledge(self, chain_id: bytes, seq: int, record_hash: bytes) -> Future[int]:
        return self._behind.acknowledge(chain_id, seq, record_hash)

    def reload(self, now_ms: int) -> Future[Restored]:
        return self._behind.reload(now_ms)

    def close(self, timeout_s: float) -> bool:
        return self._behind.close(timeout_s)


class Outputs:
    """Confirms every pulse at once, and remembers what was on the disk when it was asked."""

    def __init__(self, on_disk: Callable[[], list[str]]) -> None:
        self._on_disk = on_disk
        self.pulses: list[tuple[str, list[str]]] = []
        self.before_confirming: Callable[[], None] = lambda: None
        self.answers = True

    def actuate(self, output: str, pulse_ms: int, done: Callable[[Pulse | None, str], None]) -> None:
        self.pulses.append((output, self._on_disk()))
        self.before_confirming()
        if self.answers:
            asyncio.get_running_loop().call_soon(done, Pulse(0, 0), "")


class Site:
    """A terminal of lanes on one journal, in simulated time."""

    def __init__(
        self,
        directory: Path,
        *,
        holders: dict[bytes, Holder] | None = None,
        deadline_ms: int = 2_000,
        lists: Lists | None = None,
        clock: SimulatedClock | None = None,
    ) -> None:
        self.directory = directory
        self.clock = clock or SimulatedClock()
        random = SeededRandom()
        self.journal = Journal.open(directory, bytes(16), clock=self.clock, random=random)
        self.writer = HeldWriter(InlineWriter(self.journal))
        self.outputs = Outputs(self.reasons)
        self.alarms: list[str] = []
        self.marks = Marks()
        ids = RecordIds(self.clock, random)
        writer: JournalWriter = self.writer
        self.ports = LanePorts(
            clock=self.clock,
            facts=lambda: TerminalFacts(self.clock, ids, self.marks, CHINA),
            marks=self.marks,
            verifier=Verifier(mac, SiteRegister((holders or {}).items()), CurrentLists(lists).current),
            writer=writer,
            memory=Memory(writer, self.marks, self.clock, Backoff(random)),
            outputs=self.outputs,
            recorded=lambda seq: None,
            alarm=self._alarm,
        )
        self.deadline_ms = deadline_ms

    def _alarm(self, lane: str, reason: ReasonEnum, about: bytes) -> None:
        self.alarms.append(reason.code)

    def lane(self, name: str = "north", **changes: object) -> Lane:
        settings = GateSettings.model_validate({"admit": {"everyone": True}} | changes)
        return Lane(name, Gate(settings), self.ports, self.deadline_ms)

    def records(self) -> list[Record]:
        outbox = Outbox.open(self.directory)
        try:
            return [Record.from_bytes(body) for body in outbox.batch(1, 1000, 1_000_000)]
        finally:
            outbox.close()

    def reasons(self) -> list[str]:
        return [record.entry.reason or "" for record in self.records()]

    def close(self) -> None:
        self.writer.close(1.0)


async def serve(lane: Lane, script: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(lane.run())
        await asyncio.sleep(0.01)
        await script()
        await asyncio.sleep(0.01)
        lane.stop()


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


def test_nobody_passing_is_recorded_when_the_time_is_over(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane(passage_timeout_ms=8_000)

        async def script() -> None:
            lane.offer(card(1))
            await asyncio.sleep(8.1)

        await serve(lane, script)
        granted, timed_out = site.records()
        assert timed_out.entry.reason == "timed-out"
        assert timed_out.entry.time_ms - granted.entry.time_ms == 8_000
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


def test_a_failed_append_opens_nothing_and_memory_becomes_what_the_disk_says(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()

        async def script() -> None:
            site.writer.fails_with = DiskFull("while appending: the disk is full")
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


def test_a_hundred_terminals_run_in_one_process(tmp_path: Path) -> None:
    async def main() -> None:
        sites = [Site(tmp_path / str(number)) for number in range(100)]
        lanes = [site.lane() for site in sites]

        async def day(lane: Lane) -> None:
            for hour in range(24):
                lane.offer(card(hour))
                await asyncio.sleep(1)
                lane.offer(InputReading(reader="board", at_ns=0, input="passage", active=True))
                await asyncio.sleep(3_599)

        async with asyncio.TaskGroup() as group:
            for lane in lanes:
                group.create_task(serve(lane, lambda lane=lane: day(lane)))  # type: ignore[misc]
        assert all(site.reasons() == ["granted", "passed"] * 24 for site in sites)
        for site in sites:
            site.close()

    run_simulated(main())


def passage(active: bool = True) -> InputReading:
    return InputReading(reader="board", at_ns=0, input="passage", active=active)


def fire(active: bool) -> InputReading:
    return InputReading(reader="board", at_ns=0, input="fire", active=active)


async def failing_for_a_while(site: Site, seconds: float) -> None:
    site.writer.fails_with = DiskFull("while appending: the disk is full")
    await asyncio.sleep(seconds)
    site.writer.fails_with = None


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
            site.outputs.before_confirming = lambda: setattr(site.writer, "fails_with", DiskFull("full"))
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

        async def script() -> None:
            site.writer.fails_with = DiskFull("while appending: the disk is full")
            lane.offer(fire(active=True))
            await asyncio.sleep(3_600)
            site.writer.fails_with = None
            await asyncio.sleep(1)
            lane.offer(passage())
            site.writer.fails_with = DiskFull("while appending: the disk is full")
            lane.offer(fire(active=False))
            await asyncio.sleep(3_600)
            site.writer.fails_with = None
            await asyncio.sleep(1)
            lane.offer(card(1))
            await asyncio.sleep(1)

        await serve(lane, script)
        assert site.reasons() == ["fire", "fire-cleared", "granted"]
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
            site.writer.fails_with = DiskFull("while appending: the disk is full")
            lane.offer(passage())
            await asyncio.sleep(0)
            lane.offer(card(1))
            await asyncio.sleep(3_600)
            site.writer.fails_with = None
            await asyncio.sleep(10)

        await serve(lane, script)
        assert site.outputs.pulses == []
        assert "granted" not in site.reasons()
        site.close()

    run_simulated(main())


def test_a_board_that_never_answers_is_a_silent_one_and_the_lane_serves_on(tmp_path: Path) -> None:
    async def main() -> None:
        site = Site(tmp_path)
        lane = site.lane()
        site.outputs.answers = False

        async def script() -> None:
            lane.offer(card(1))
            await asyncio.sleep(60)
            site.outputs.answers = True
            lane.offer(card(2))
            await asyncio.sleep(1)

        await serve(lane, script)
        assert site.reasons() == ["granted", "actuator-failed", "granted"]
        site.close()

    run_simulated(main())
