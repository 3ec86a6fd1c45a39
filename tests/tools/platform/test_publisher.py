"""Bundles on the real transport: given out by the platform, fetched over mosquitto, installed by a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.bundles.download import Downloads
from agent.bundles.incoming import Incoming
from agent.bundles.manifest import Kind
from agent.clock import SystemClock, SystemRandom
from agent.keys import Role
from agent.sync.contract import Address, BundleState, Channel, Offer, Report, manifest_topic
from agent.sync.link import LinkSettings
from agent.sync.service import Sync
from offline_store.outbox import Outbox
from tests.agent.bundles.parts import DAY_MS, ISSUER, PLACE, Terminal, issue, signer_for
from tests.agent.bundles.test_service import until
from tests.faults.proxy import proxy_to
from tests.tools.platform.mqtt_client import MqttClient, context_of
from tools import bundles as platform_bundles
from tools.platform.broker import Endpoint
from tools.platform.bundle_store import BundleStore
from tools.platform.ca import worker_name
from tools.platform.commands import platform as command
from tools.platform.errors import PlatformError
from tools.platform.service import Layout, Platform

NAME = f"status-{ISSUER}"
ENTRIES = 8 * 400_000


@dataclass
class Site:
    """A terminal with bundles and a link, at the platform's broker or at a line before it."""

    terminal: Terminal
    platform: Platform
    endpoint: Endpoint
    keys_dir: Path

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Downloads]:
        keys = self.platform.authority.provision(PLACE.terminal, self.keys_dir)
        downloads = Downloads(
            Incoming(self.terminal.state_dir).directory, self.terminal.bundles.judge, lambda _code: None
        )
        outbox = Outbox.open(self.terminal.state_dir)
        sync = Sync(
            terminal=PLACE.terminal,
            settings=LinkSettings(
                host=self.endpoint.host, port=self.endpoint.port, backoff_first_ms=20, backoff_cap_ms=200
            ),
            tls=keys.tls_files(),
            keys=lambda: keys.platform_keys(Role.ACKNOWLEDGEMENT),
            outbox=outbox,
            acknowledgements=self.terminal.writer,
            state_source=self.report,
            platform_time=lambda issued_ms, round_trip_ms: None,
            clock=SystemClock(),
            random=SystemRandom(),
            downloads=downloads,
        )
        tasks = [asyncio.create_task(sync.run()), asyncio.create_task(self.terminal.bundles.run())]
        downloads.begin_service()
        try:
            yield downloads
        finally:
            sync.stop()
            await tasks[0]
            tasks[1].cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await tasks[1]
            outbox.close()

    def report(self) -> Report:
        standings = self.terminal.bundles.standings()
        return Report(
            software="test", bundles=tuple(BundleState(name=each.name, version=each.version) for each in standings)
        )

    def publish(self, *bundles: bytes) -> None:
        store = BundleStore(Layout(self.keys_dir.parent / "platform").bundles)
        for number, bundle in enumerate(bundles):
            path = self.terminal.state_dir / f"{number}.out"
            path.write_bytes(bundle)
            store.add(path)


@pytest.fixture
def site(tmp_path: Path, terminal: Terminal, platform: Platform) -> Site:
    return Site(terminal, platform, platform.endpoint, tmp_path / "terminal-keys")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path / "state")
    yield made
    made.stop()


def large(version: int) -> bytes:
    revoked = random.Random(version).sample(range(ENTRIES), ENTRIES // 8)
    content = platform_bundles.status_content(ENTRIES, revoked)
    return platform_bundles.full_bundle(issue(Kind.STATUS, version), content, signer_for(Kind.STATUS))


async def test_what_is_published_is_in_force_on_a_terminal_and_a_delta_follows(site: Site) -> None:
    terminal = site.terminal
    async with site.running() as downloads:
        site.publish(terminal.full(Kind.STATUS, 1), terminal.full(Kind.TRUST, 1))
        await until(lambda: terminal.standing() == {NAME: 1, "trust": 1})
        site.publish(terminal.full(Kind.STATUS, 2), terminal.delta(Kind.STATUS, 1, 2))
        await until(lambda: terminal.standing() == {NAME: 2, "trust": 1})
        assert terminal.bundles.lists.current().status[ISSUER].revoked(102)
        assert downloads.counters["fetched"] == 3


async def test_a_large_one_comes_over_a_line_that_breaks_again_and_again(site: Site) -> None:
    async with proxy_to(site.platform.endpoint.port) as proxy:
        site.endpoint = Endpoint("localhost", proxy.port)
        async with site.running() as downloads:
            site.publish(large(1))
            for goal in (1, 3, 5):
                await until(lambda goal=goal: downloads.counters["chunks"] >= goal)  # type: ignore[misc]
                proxy.cut()
            await until(lambda: site.terminal.standing() == {NAME: 1})


async def test_a_broker_that_forgot_what_it_retained_is_told_again(site: Site) -> None:
    site.publish(site.terminal.full(Kind.STATUS, 1))
    watching = site.keys_dir.parent / "watcher"
    site.platform.authority.provision("watcher", watching)
    with MqttClient(site.platform.endpoint, context_of(watching), "watcher") as watcher:
        watcher.subscribe(manifest_topic(NAME))
        _, payload = await asyncio.to_thread(watcher.receive)
        assert len(Offer.decode(payload).envelopes) == 1
    broker = site.platform.broker
    assert broker is not None
    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.start)
    async with site.running():
        await until(lambda: site.terminal.standing() == {NAME: 1})


async def test_a_terminal_is_offered_its_own_and_no_others(site: Site) -> None:
    terminal = site.terminal
    site.publish(
        terminal.full(Kind.STATUS, 1, audience="terminal:gate-8"),
        terminal.full(Kind.EMERGENCY, 1, audience=f"terminal:{PLACE.terminal}"),
        terminal.full(Kind.TRUST, 1, audience="site:elsewhere"),
    )
    async with site.running() as downloads:
        await until(lambda: terminal.standing() == {"emergency": 1})
        assert downloads.counters["refused-audience"] > 0


async def test_a_poisoned_retained_message_wedges_nobody(site: Site) -> None:
    """Whoever holds credentials of the platform retains garbage; a true bundle still comes."""
    pair = site.platform.authority.worker(7)
    context = ssl.create_default_context(cafile=site.platform.authority.ca.certificate)
    context.load_cert_chain(pair.certificate, pair.key)
    with MqttClient(site.platform.endpoint, context, worker_name(7)) as thief:
        for name, payload in ((NAME, b"garbage"), ("trust", b"\xa0"), ("no-such", b"x" * 60_000)):
            thief.retain(manifest_topic(name), payload)
        async with site.running() as downloads:
            await until(lambda: downloads.counters["malformed-offer"] >= 2)
            site.publish(site.terminal.full(Kind.STATUS, 1))
            await until(lambda: site.terminal.standing() == {NAME: 1})


def test_a_terminal_reads_bundles_and_writes_none(site: Site) -> None:
    site.platform.authority.provision("gate-3", site.keys_dir.parent / "gate-3")
    with MqttClient(site.platform.endpoint, context_of(site.keys_dir.parent / "gate-3"), "gate-3") as gate:
        assert gate.publish(manifest_topic(NAME), b"mine").is_failure
        assert gate.publish(Address("gate-4").topic(Channel.OFFER), b"mine").is_failure


def test_the_store_keeps_the_newest_of_each_name_and_audience(tmp_path: Path, terminal: Terminal) -> None:
    store = BundleStore(tmp_path / "bundles")
    for number, bundle in enumerate(
        (
            terminal.full(Kind.STATUS, 1),
            terminal.full(Kind.STATUS, 2),
            terminal.delta(Kind.STATUS, 1, 2),
            terminal.full(Kind.STATUS, 9, audience="site:school-3"),
        )
    ):
        (tmp_path / str(number)).write_bytes(bundle)
        store.add(tmp_path / str(number))
    (tmp_path / "bundles" / NAME / "noise.bundle").write_bytes(b"noise")
    found = {(latest.audience, latest.version): len(latest.forms) for latest in store.latest()}
    assert found == {("all", 2): 2, ("site:school-3", 9): 1}


def test_a_file_that_is_not_what_was_signed_is_not_given_out(tmp_path: Path, terminal: Terminal) -> None:
    store = BundleStore(tmp_path / "bundles")
    whole = terminal.full(Kind.STATUS, 1)
    for content in (b"no bundle", whole[:-1], whole[:-1] + b"x"):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(PlatformError):
            store.add(tmp_path / "file")


def test_the_operator_publishes_and_sees_who_has_it(tmp_path: Path, terminal: Terminal, platform: Platform) -> None:
    directory = str(tmp_path / "platform")
    file = tmp_path / "status.bundle"
    file.write_bytes(terminal.full(Kind.STATUS, 3, expires_ms=terminal.clock.at_ms + DAY_MS))
    done = CliRunner().invoke(command, ["publish", str(file), "--dir", directory])
    assert done.exit_code == 0, done.output
    listed = CliRunner().invoke(command, ["bundles", "--json", "--dir", directory])
    assert json.loads(listed.output) == [
        {"name": NAME, "audience": "all", "version": 3, "forms": ["full"], "have": [], "lack": []}
    ]
    file.write_bytes(b"noise")
    assert CliRunner().invoke(command, ["publish", str(file), "--dir", directory]).exit_code == 1
