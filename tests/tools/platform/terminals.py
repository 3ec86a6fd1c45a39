"""Terminals with a journal of passages and their real uplink, for the tests of the platform."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

from agent.clock import SystemClock, SystemRandom
from agent.config import Resolved
from agent.keys import Role
from agent.sync.contract import Report
from agent.sync.link import LinkSettings
from agent.sync.service import Sync
from agent.sync.uplink import UplinkSettings
from offline_store.journal import Append, Journal
from offline_store.outbox import Outbox
from offline_store.record import Entry, new_id
from offline_store.writer import Writer
from tools.platform.broker import Endpoint
from tools.platform.ca import Authority
from tools.platform.registration_of import registration_of
from tools.platform.registrations import allow
from tools.platform.service import Layout
from tools.platform.store import Store

TERMINAL = "gate-1"
PATIENCE_S = 25.0
GROUP = 50
UPLINK = UplinkSettings(batch_records=100, answer_timeout_ms=1000, answer_timeout_cap_ms=2000)


@dataclass
class Running:
    """A terminal at work."""

    outbox: Outbox
    writer: Writer
    sync: Sync
    clock: SystemClock = field(default_factory=SystemClock)
    random: SystemRandom = field(default_factory=SystemRandom)

    def decide(self, count: int) -> None:
        """So many passages more; returns when they are on the disk."""
        self.writer.submit(Append(tuple(passage(self.clock, self.random) for _ in range(count)))).result(PATIENCE_S)
        self.sync.wake()


@asynccontextmanager
async def running_terminal(
    directory: Path,
    authority: Authority,
    endpoint: Endpoint,
    passages: int,
    name: str = TERMINAL,
    uplink: UplinkSettings = UPLINK,
    **link: object,
) -> AsyncIterator[Running]:
    """A terminal with that many passages in its journal, its uplink running; ``link`` are settings of the link."""
    keys = authority.provision(name, directory / "terminal-keys")
    random, clock = SystemRandom(), SystemClock()
    writer = Writer(Journal.open(directory / "journal", random.token(16), clock=clock, random=random))
    for _ in range(passages // GROUP):
        writer.submit(Append(tuple(passage(clock, random) for _ in range(GROUP)))).result(PATIENCE_S)
    values = {"host": endpoint.host, "port": endpoint.port, "backoff_first_ms": 20, "backoff_cap_ms": 200}
    with closing(Outbox.open(directory / "journal")) as outbox:
        sync = Sync(
            terminal=name,
            settings=LinkSettings.model_validate(values | link),
            tls=keys.tls_files(),
            keys=lambda: keys.platform_keys(Role.ACKNOWLEDGEMENT),
            outbox=outbox,
            acknowledgements=writer,
            state_source=lambda: Report(software="test"),
            platform_time=lambda issued_ms, round_trip_ms: None,
            clock=clock,
            random=random,
            uplink_settings=uplink,
        )
        running = asyncio.create_task(sync.run())
        try:
            yield Running(outbox, writer, sync)
        finally:
            sync.stop()
            await running
            assert writer.close(PATIENCE_S)


@asynccontextmanager
async def terminal(
    directory: Path, authority: Authority, endpoint: Endpoint, passages: int, name: str = TERMINAL
) -> AsyncIterator[Outbox]:
    """The same, of which only the outbox is of interest."""
    async with running_terminal(directory, authority, endpoint, passages, name) as running:
        yield running.outbox


def passage(clock: SystemClock, random: SystemRandom) -> Entry:
    now_ms = clock.now_ms()
    return Entry(
        id=new_id(now_ms, random.token(10)),
        kind="passage",
        time_ms=now_ms,
        time_quality="untrusted",
        monotonic_ms=clock.monotonic_ms(),
        lane="north",
        profile="gate",
        reason="granted",
    )


def register(authority: Authority, resolved: Resolved) -> None:
    """Let a terminal ask the platform of this authority for what its configuration has it ask for."""
    store = Store.open(Layout(authority.terminals.parent.parent).database_url)
    try:
        with store.transaction() as transaction:
            allow(transaction, resolved.config.terminal.id, registration_of(resolved))
    finally:
        store.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the conditions are in databases, which have no events
            await asyncio.sleep(0.02)


def drained(outbox: Outbox) -> bool:
    position = outbox.position()
    return position.acked_seq == position.head_seq
