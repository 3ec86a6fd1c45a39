"""The way to the platform ends with none of its faults: it is begun again, with a real broker at its other end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from paho.mqtt.client import MQTTMessage
from structlog.testing import capture_logs

from agent.backoff import Backoff
from agent.buffer import BufferState
from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.manifest import Manifest
from agent.bundles.service import BundleStanding
from agent.clock import SystemClock, SystemRandom
from agent.devices import DeviceState
from agent.keys import FileKeyStore
from agent.standing import Standing, standing
from agent.supervisor import supervise
from agent.sync.contract import Alarm, Presence, State
from agent.sync.link import LinkSettings
from agent.trusted_clock import TrustedClock
from agent.upward import Upward
from offline_store.journal import Append, Journal
from offline_store.outbox import Outbox
from offline_store.writer import Writer
from profiles.api import ClockState, Reason
from tests.agent.sync.broker import Authority, Mosquitto
from tests.agent.sync.parts import BOOT_ID, ISSUED_MS, TERMINAL, MemoryPlatform, passage
from tests.agent.sync.test_failback import both, closed_port
from tests.agent.sync.test_link import settings, state_of, until
from tests.agent.sync.test_service import watcher

ANSWERS = "platform-acknowledgement.pem"
Devices = Callable[[], tuple[DeviceState, ...]]


def nothing_counts(_envelope: bytes) -> Manifest:
    raise BundleError(BundleFault.SIGNATURE)


class Site:
    """A journal, keys in files, and the way to the platform over them."""

    def __init__(self, directory: Path, port: int, authority: Authority) -> None:
        self._port = port
        self.directory = directory
        self.clock, self._random = TrustedClock(), SystemRandom()
        self.platform = MemoryPlatform()
        self.writer = Writer(Journal.open(directory, BOOT_ID, clock=self.clock, random=self._random))
        self.keys = FileKeyStore.create(directory / "keys")
        files = authority.issue(TERMINAL)
        for name, path in (("ca.pem", files.ca), ("tls.pem", files.certificate), ("tls-key.pem", files.key)):
            self.keys.install(name, path.read_bytes())
        public_key = self.platform.signer.key.public_key()
        self.keys.install(ANSWERS, public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def upward(self, devices: Devices = tuple, link: LinkSettings | None = None) -> Upward:
        made = Upward(
            terminal=TERMINAL,
            settings=link or settings(self._port),
            state_dir=self.directory,
            writer=self.writer,
            keys=self.keys,
            standing=lambda: self._standing(devices, made),
            rings=lambda: None,
            judge=nothing_counts,
            clock=self.clock,
            random=self._random,
        )
        return made

    def _standing(self, devices: Devices, upward: Upward) -> Standing:
        bundles = [BundleStanding("trust", 3, None)]
        moment, buffer = self.clock.moment(), BufferState(4096, 37)
        return standing(TERMINAL, "c0ffee", moment, devices(), buffer, 3, bundles, upward.metrics(), {})

    @contextlib.asynccontextmanager
    async def running(self, upward: Upward) -> AsyncIterator[None]:
        task = asyncio.create_task(supervise("sync", upward.run, Backoff(self._random, first_ms=10, cap_ms=50)))
        try:
            yield
        finally:
            upward.stop()
            async with asyncio.timeout(10):
                await task


@pytest.fixture
def site(tmp_path: Path, broker: Mosquitto, authority: Authority) -> Iterator[Site]:
    site = Site(tmp_path / "store", broker.port, authority)
    yield site
    assert site.writer.close(10)


async def test_a_fault_in_the_sync_ends_one_run_and_the_next_one_reaches_the_platform(
    site: Site, broker: Mosquitto, authority: Authority
) -> None:
    asked = 0

    def devices() -> tuple[DeviceState, ...]:
        nonlocal asked
        asked += 1
        if asked <= 2:
            raise RuntimeError("a bug")
        return ()

    with watcher(broker, authority, site.platform) as hearing:
        async with site.running(site.upward(devices)):
            await asyncio.to_thread(hearing.wait, state_of(Presence.ONLINE))
    assert asked > 2


async def test_keys_that_cannot_be_used_are_tried_again_until_they_are_mended_and_no_alarm_is_lost(
    site: Site, tmp_path: Path, broker: Mosquitto, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "store" / "keys" / ANSWERS
    key.chmod(0o644)
    said = ""

    def complained() -> bool:
        nonlocal said
        said += capsys.readouterr().out
        return said.count(str(key)) >= 2

    upward = site.upward()
    with watcher(broker, authority, site.platform) as hearing:
        async with site.running(upward):
            upward.alarm("north", Reason.OUT_OF_SERVICE)
            await until(complained)
            key.chmod(0o600)
            heard = await asyncio.to_thread(hearing.wait, lambda message: message.topic.endswith("up/alarm"))
    assert Alarm.decode(bytes(heard.payload)).code == "out-of-service"


async def test_an_alarm_that_waits_for_the_link_survives_the_end_of_a_run(
    site: Site, broker: Mosquitto, authority: Authority
) -> None:
    asked = 0

    def devices() -> tuple[DeviceState, ...]:
        nonlocal asked
        asked += 1
        if asked == 1:
            upward.alarm("north", Reason.OUT_OF_SERVICE)
            raise RuntimeError("a bug, before the link is up")
        return ()

    upward = site.upward(devices)
    with watcher(broker, authority, site.platform) as hearing:
        async with site.running(upward):
            heard = await asyncio.to_thread(hearing.wait, lambda message: message.topic.endswith("up/alarm"))
    assert Alarm.decode(bytes(heard.payload)).code == "out-of-service"


async def test_what_waits_is_counted_anew_in_a_new_chain(site: Site, broker: Mosquitto) -> None:
    upward = site.upward()

    def waiting() -> int | None:
        metrics = upward.metrics()
        return None if metrics is None else metrics.unacknowledged

    async with site.running(upward):
        await until(lambda: waiting() is not None)
        upward.recorded(50)
        upward.acknowledged(50)
        assert waiting() == 0
        upward.exchanged(2)
        assert waiting() == 2
        upward.recorded(4)
        upward.acknowledged(3)
        assert waiting() == 1


async def test_what_the_platform_has_stays_known_where_the_disk_has_it_later(site: Site, broker: Mosquitto) -> None:
    """A run that begins anew while an acknowledgement waits for an append reads the former one."""
    upward = site.upward()
    (record,) = site.writer.submit(Append((passage(SystemClock(), SystemRandom()),))).result(10).records
    with closing(Outbox.open(site.directory)) as outbox:
        site.writer.acknowledge_soon(outbox.position().chain_id, record.seq, record.hash).result(10)
        assert outbox.position().acked_seq < record.seq
    upward.recorded(record.seq)
    upward.acknowledged(record.seq)
    async with site.running(upward):
        await until(lambda: upward.metrics() is not None)
        metrics = upward.metrics()
        assert metrics is not None
        assert metrics.unacknowledged == 0


async def test_the_platforms_answer_sets_the_terminals_clock(
    site: Site, broker: Mosquitto, authority: Authority
) -> None:
    with watcher(broker, authority, site.platform):
        async with site.running(site.upward()):
            await until(lambda: site.clock.floor_ms == ISSUED_MS)
    moment = site.clock.moment()
    assert moment.state is ClockState.SYNCHRONISED
    assert moment.now_ms >= ISSUED_MS


async def test_the_state_says_which_broker_of_the_list_is_in_use(
    site: Site, broker: Mosquitto, authority: Authority
) -> None:
    def at_the_second(message: MQTTMessage) -> bool:
        if not state_of(Presence.ONLINE)(message):
            return False
        report = State.decode(bytes(message.payload)).report
        return report is not None and report.broker == 1

    with watcher(broker, authority, site.platform) as hearing:
        async with site.running(site.upward(link=both(closed_port(), broker.port))):
            await asyncio.to_thread(hearing.wait, at_the_second)


def test_what_the_platform_has_is_never_said_to_lie_beyond_the_head(site: Site) -> None:
    upward = site.upward()
    upward.recorded(2)
    with capture_logs() as lines:
        upward.acknowledged(3)  # its record's writer has not come to the event loop yet
        upward.recorded(3)
        upward.recorded(5)
        upward.acknowledged(4)
    assert [(line["acked"], line["head"]) for line in lines] == [(3, 3), (4, 5)]
