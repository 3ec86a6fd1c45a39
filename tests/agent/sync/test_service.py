"""The whole sync: a real journal, a real broker, a platform that answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agent.clock import SystemClock, SystemRandom
from agent.sync import service
from agent.sync.contract import Address, Alarm, Channel, Condition, DeviceState, Presence, Report, State, parse_topic
from agent.sync.link import LinkPhase
from agent.sync.service import Sync
from agent.sync.uplink import Phase, UplinkSettings
from offline_store.journal import Append, Journal
from offline_store.outbox import Outbox
from offline_store.writer import Writer
from tests.agent.sync.broker import Authority, Mosquitto
from tests.agent.sync.parts import BOOT_ID, TERMINAL, MemoryPlatform, passage
from tests.agent.sync.test_link import settings, state_of, until
from tests.agent.sync.watcher import Watcher


class Site:
    """A terminal's journal with its writer thread, and the sync over it."""

    def __init__(self, directory: Path, port: int, authority: Authority, platform: MemoryPlatform) -> None:
        self.clock, random = SystemClock(), SystemRandom()
        self.journal = Journal.open(directory, BOOT_ID, clock=self.clock, random=random)
        self.writer = Writer(self.journal)
        self.outbox = Outbox.open(directory)
        self.reading = Outbox.open(directory)
        self.report = Report(software="1.0.0")
        self.sync = Sync(
            TERMINAL,
            settings(port),
            authority.issue(TERMINAL),
            lambda: {platform.verify_key.kid: platform.verify_key},
            self.outbox,
            self.writer,
            lambda: self.report,
            lambda issued_ms, round_trip_ms: None,
            self.clock,
            random,
            UplinkSettings(batch_records=50, answer_timeout_ms=500),
        )

    def append(self, count: int) -> None:
        random = SystemRandom()
        for _ in range(count):
            self.writer.submit(Append(entries=(passage(self.clock, random),))).result(5)
        self.sync.wake()

    @property
    def acknowledged(self) -> int:
        return self.reading.position().acked_seq

    def close(self) -> None:
        self.outbox.close()
        self.reading.close()
        assert self.writer.close(5)


@pytest.fixture
def site(tmp_path: Path, broker: Mosquitto, authority: Authority, platform: MemoryPlatform) -> Iterator[Site]:
    site = Site(tmp_path / "store", broker.port, authority, platform)
    yield site
    site.close()


@contextlib.asynccontextmanager
async def running(sync: Sync) -> AsyncIterator[None]:
    task = asyncio.create_task(sync.run())
    try:
        yield
    finally:
        sync.stop()
        async with asyncio.timeout(5):
            await task


def watcher(broker: Mosquitto, authority: Authority, platform: MemoryPlatform) -> Watcher:
    def answer(topic: str, payload: bytes) -> tuple[str, bytes] | None:
        address, channel = parse_topic(topic)
        if channel is Channel.HELLO:
            return address.topic(Channel.ACK), platform.hello(payload)
        if channel is Channel.JOURNAL:
            return address.topic(Channel.ACK), platform.journal(payload)
        return None

    return Watcher(broker.port, authority.issue("platform"), answer)


async def test_the_journal_reaches_the_platform_and_is_acknowledged(
    site: Site, broker: Mosquitto, authority: Authority, platform: MemoryPlatform
) -> None:
    site.append(120)
    with watcher(broker, authority, platform):
        async with running(site.sync):
            await until(lambda: site.acknowledged == 121)
            site.append(1)
            await until(lambda: site.acknowledged == 122)
            assert site.sync.status.phase is Phase.IDLE
            assert site.sync.status.counters["hellos"] >= 1
    assert platform.chains[site.journal.head.chain_id] == site.reading.batch(0, 5_000, 1 << 24)


async def test_a_record_of_which_nobody_tells_the_sync_is_sent_all_the_same(
    site: Site, broker: Mosquitto, authority: Authority, platform: MemoryPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that a disk commits when whoever handed it over waits no more."""
    monkeypatch.setattr(service, "_LOOK_S", 0.05)
    with watcher(broker, authority, platform):
        async with running(site.sync):
            await until(lambda: site.acknowledged == 1 and site.sync.status.phase is Phase.IDLE)
            site.writer.submit(Append(entries=(passage(site.clock, SystemRandom()),))).result(5)
            await until(lambda: site.sync.status.counters["records"] == 2)
            assert site.sync.status.counters["hellos"] == 1


async def test_what_was_decided_during_an_outage_follows_when_the_broker_is_back(
    site: Site, broker: Mosquitto, authority: Authority, platform: MemoryPlatform
) -> None:
    with watcher(broker, authority, platform):
        async with running(site.sync):
            await until(lambda: site.acknowledged == 1)
            broker.stop()
            site.append(60)
            await until(lambda: site.sync.status.link.phase is LinkPhase.WAITING)
            broker.start()
            await until(lambda: site.acknowledged == 61)


async def test_nothing_counts_as_acknowledged_without_the_platform(
    site: Site, broker: Mosquitto, authority: Authority
) -> None:
    site.append(5)
    with Watcher(broker.port, authority.issue("platform")):
        async with running(site.sync):
            await until(lambda: site.sync.status.counters.get("hellos", 0) >= 2)
            assert site.acknowledged == 0


async def test_the_state_is_retained_and_says_stopped_in_the_end(
    site: Site, broker: Mosquitto, authority: Authority, platform: MemoryPlatform
) -> None:
    site.report = Report(
        software="1.0.0", devices=(DeviceState(name="reader", condition=Condition.FAILED, reason="silent"),)
    )
    with watcher(broker, authority, platform) as hearing:
        async with running(site.sync):
            online = await asyncio.to_thread(hearing.wait, state_of(Presence.ONLINE))
            assert State.decode(bytes(online.payload)).report == site.report
        hearing.wait(state_of(Presence.STOPPED))


async def test_an_alarm_for_which_the_link_has_no_room_is_sent_when_there_is_some(
    site: Site, broker: Mosquitto, authority: Authority, platform: MemoryPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_STATE_PAUSE_S", 0.05)
    with watcher(broker, authority, platform) as heard:
        async with running(site.sync):
            await until(lambda: site.sync.status.phase is Phase.IDLE)
            raised = 0
            while not site.sync.status.alarms_waiting:
                raised += 1
                site.sync.alarm(Alarm(code="forced-open", at_ms=raised, source="north"))
            await until(lambda: not site.sync.status.alarms_waiting)
            await until(lambda: sum(each.topic.endswith("/up/alarm") for each in heard.heard) == raised)
            assert site.sync.status.counters["connections"] == 1


async def test_an_alarm_raised_while_the_link_is_down_is_sent_when_it_is_up(
    site: Site, broker: Mosquitto, authority: Authority, platform: MemoryPlatform
) -> None:
    alarm = Alarm(code="forced-open", at_ms=5, source="north")
    site.sync.alarm(alarm)
    with watcher(broker, authority, platform) as hearing:
        async with running(site.sync):
            heard = await asyncio.to_thread(
                hearing.wait, lambda heard: heard.topic == Address(TERMINAL).topic(Channel.ALARM)
            )
    assert Alarm.decode(bytes(heard.payload)) == alarm


async def test_a_journal_that_cannot_be_read_does_not_end_the_sync(
    site: Site, broker: Mosquitto, authority: Authority, platform: MemoryPlatform
) -> None:
    with watcher(broker, authority, platform):
        async with running(site.sync):
            await until(lambda: site.acknowledged == 1)
            site.outbox.close()
            site.append(1)
            await until(lambda: site.sync.status.phase is Phase.GREETING)
            assert site.sync.status.link.phase is LinkPhase.UP
            assert site.acknowledged == 1
