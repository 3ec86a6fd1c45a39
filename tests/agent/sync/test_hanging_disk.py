"""A disk that hangs under the uplink holds up nothing that comes down, and no new connection."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from agent.clock import SystemClock, SystemRandom
from agent.sync.contract import Address, Alarm, Channel, Report
from agent.sync.link import LinkPhase
from agent.sync.service import Sync
from agent.sync.uplink import Phase, UplinkSettings
from offline_store.journal import Journal
from offline_store.outbox import Outbox, Position
from offline_store.writer import Writer
from tests.agent.sync.broker import Authority, Mosquitto
from tests.agent.sync.parts import BOOT_ID, TERMINAL, MemoryPlatform
from tests.agent.sync.test_link import settings, until
from tests.agent.sync.test_service import running, watcher

COMMAND, ANSWER, ACK = (Address(TERMINAL).topic(channel) for channel in (Channel.COMMAND, Channel.ANSWER, Channel.ACK))


class HangingOutbox(Outbox):
    """Whoever asks where the journal stands waits until the disk is there again."""

    there: threading.Event
    hanging: threading.Event

    def position(self) -> Position:
        """Where sending stands, sooner or later."""
        self.hanging.set()
        assert self.there.wait(30), "nobody let the disk go on"
        self.hanging.clear()
        return super().position()


class Replies:
    """What came on ``down/answer``."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def answered(self, payload: bytes) -> None:
        """Keep it."""
        self.heard.append(payload)

    def disconnected(self) -> None:
        """Nobody waits."""


class Hanging:
    """A sync over a disk that hangs when it is told to, and what came past the uplink."""

    def __init__(self, directory: Path, port: int, authority: Authority, platform: MemoryPlatform) -> None:
        clock, random = SystemClock(), SystemRandom()
        self.writer = Writer(Journal.open(directory, BOOT_ID, clock=clock, random=random))
        self.outbox = HangingOutbox.open(directory)
        self.outbox.there, self.outbox.hanging = threading.Event(), threading.Event()
        self.outbox.there.set()
        self.replies = Replies()
        self.commands: list[bytes] = []
        self.sync = Sync(
            TERMINAL,
            settings(port),
            authority.issue(TERMINAL),
            lambda: {platform.verify_key.kid: platform.verify_key},
            self.outbox,
            self.writer,
            lambda: Report(software="1.0.0"),
            lambda issued_ms, round_trip_ms: None,
            clock,
            random,
            UplinkSettings(answer_timeout_ms=500),
            replies=self.replies,
            commanded=self.commands.append,
        )

    @contextmanager
    def hung(self) -> Iterator[None]:
        """The disk hangs, with the uplink in it, until the block ends."""
        self.outbox.there.clear()
        try:
            yield
        finally:
            self.outbox.there.set()

    async def asks_the_disk(self) -> None:
        """Wait until the uplink hangs."""
        self.sync.wake()
        await until(self.outbox.hanging.is_set)


async def test_replies_and_commands_pass_by_an_uplink_that_hangs_in_the_disk(
    tmp_path: Path, broker: Mosquitto, authority: Authority, platform: MemoryPlatform
) -> None:
    terminal = Hanging(tmp_path / "store", broker.port, authority, platform)
    with ExitStack() as stack:
        stack.callback(terminal.writer.close, 5)
        stack.callback(terminal.outbox.close)
        city = stack.enter_context(watcher(broker, authority, platform))
        async with running(terminal.sync):
            await until(lambda: terminal.sync.status.phase is Phase.IDLE)
            with terminal.hung():
                await terminal.asks_the_disk()
                for number in range(40):
                    city.client.publish(ACK, b"no answer %d" % number, qos=1)
                city.client.publish(ANSWER, b"a reply", qos=1)
                city.client.publish(COMMAND, b"a command", qos=1)
                await until(lambda: (terminal.replies.heard, terminal.commands) == ([b"a reply"], [b"a command"]))
            await until(lambda: terminal.sync.status.counters.get("refused-unverified", 0) > 0)
            counters = terminal.sync.status.counters
            assert counters["dropped"] > 0
            await until(lambda: counters["refused-unverified"] + counters["dropped"] <= 40)


async def test_a_connection_that_breaks_while_the_disk_hangs_comes_back_and_alarms_leave(
    tmp_path: Path, broker: Mosquitto, authority: Authority, platform: MemoryPlatform
) -> None:
    terminal = Hanging(tmp_path / "store", broker.port, authority, platform)
    with ExitStack() as stack:
        stack.callback(terminal.writer.close, 5)
        stack.callback(terminal.outbox.close)
        async with running(terminal.sync):
            with watcher(broker, authority, platform):
                await until(lambda: terminal.sync.status.phase is Phase.IDLE)
                with terminal.hung():
                    await terminal.asks_the_disk()
                    broker.stop()
                    await until(lambda: terminal.sync.status.link.phase is LinkPhase.WAITING)
                    assert terminal.sync.status.phase is Phase.OFFLINE
                    broker.start()
                    await until(lambda: terminal.sync.status.link.phase is LinkPhase.UP)
                    terminal.sync.alarm(Alarm(code="disk-hangs", at_ms=1))
                    assert not terminal.sync.status.alarms_waiting
                await until(lambda: terminal.sync.status.phase is Phase.IDLE)
