"""The link against a real mosquitto with TLS, and against servers that are worse."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Self

import pytest
from pydantic import ValidationError

from agent.clock import SystemClock, SystemRandom
from agent.keys import TlsFiles
from agent.sync.contract import Address, Channel, Presence, State
from agent.sync.link import Down, Event, Link, LinkError, LinkFault, LinkPhase, LinkSettings, Received, Up
from profiles.api import ClockState
from tests.agent.sync.broker import Authority, Mosquitto
from tests.agent.sync.parts import TERMINAL
from tests.agent.sync.watcher import Watcher

_DEADLINE_S = 10.0
_LOST = State(presence=Presence.LOST, since_ms=1)
_STOPPED = State(presence=Presence.STOPPED, since_ms=2)


def settings(port: int, **changes: object) -> LinkSettings:
    values = {"host": "127.0.0.1", "port": port, "backoff_first_ms": 50, "backoff_cap_ms": 200, "keepalive_s": 5}
    return LinkSettings.model_validate(values | changes)


class ClockOf(SystemClock):
    """The machine's clock, said to be vouched for or not."""

    def __init__(self, state: ClockState = ClockState.SYNCHRONISED) -> None:
        super().__init__()
        self.said = state

    def state(self) -> ClockState:
        return self.said


def make_link(link_settings: LinkSettings, tls: TlsFiles | None, clock: ClockOf | None = None) -> Link:
    clock = clock or ClockOf()
    return Link(Address(TERMINAL), link_settings, tls, _LOST.encode, _STOPPED.encode, clock, SystemRandom())


class Running:
    """A link in a task, and the events that it told."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.task = asyncio.create_task(link.run(self.events.put))

    async def next(self, kind: type[Up | Down | Received]) -> Event:
        async with asyncio.timeout(_DEADLINE_S):
            while not isinstance(event := await self.events.get(), kind):
                pass
            return event

    async def fault(self) -> LinkFault:
        event = await self.next(Down)
        assert isinstance(event, Down)
        return event.fault

    async def end(self) -> None:
        self.link.stop()
        async with asyncio.timeout(_DEADLINE_S):
            await self.task


@contextlib.asynccontextmanager
async def running(link_settings: LinkSettings, tls: TlsFiles | None) -> AsyncIterator[Running]:
    run = Running(make_link(link_settings, tls))
    try:
        yield run
    finally:
        await run.end()


def state_of(presence: Presence) -> Callable[[object], bool]:
    def matches(message: object) -> bool:
        topic, payload = getattr(message, "topic", ""), getattr(message, "payload", b"")
        return topic.endswith("up/state") and State.decode(payload).presence is presence

    return matches


async def test_it_connects_by_mqtt_5_with_the_terminals_certificate(authority: Authority, broker: Mosquitto) -> None:
    async with running(settings(broker.port), authority.issue(TERMINAL)) as run:
        await run.next(Up)
        up = run.link.status
        assert (up.phase, up.protocol, up.fault) == (LinkPhase.UP, "5", None)
    assert run.link.status.phase is LinkPhase.STOPPED


async def test_messages_go_up_and_come_down(authority: Authority, broker: Mosquitto) -> None:
    address = Address(TERMINAL)

    def echo(topic: str, payload: bytes) -> tuple[str, bytes] | None:
        return (address.topic(Channel.ACK), payload[::-1]) if topic.endswith("up/hello") else None

    with Watcher(broker.port, authority.issue("platform"), echo):
        async with running(settings(broker.port), authority.issue(TERMINAL)) as run:
            assert not run.link.publish(Channel.HELLO, b"too early")
            await run.next(Up)
            assert run.link.publish(Channel.HELLO, b"hello")
            assert await run.next(Received) == Received(address.topic(Channel.ACK), b"olleh")


async def test_a_publish_that_nobody_hears_is_counted_and_is_no_acknowledgement(
    authority: Authority, broker: Mosquitto
) -> None:
    async with running(settings(broker.port), authority.issue(TERMINAL)) as run:
        await run.next(Up)
        run.link.publish(Channel.HELLO, b"hello")
        await until(lambda: run.link.counters["unheard"] == 1)
        assert run.events.empty()


async def test_a_clean_stop_leaves_its_word_at_the_broker(authority: Authority, broker: Mosquitto) -> None:
    async with running(settings(broker.port), authority.issue(TERMINAL)) as run:
        await run.next(Up)
    with Watcher(broker.port, authority.issue("platform")) as watcher:
        assert watcher.wait(state_of(Presence.STOPPED)).retain


async def test_cancelling_also_says_goodbye(authority: Authority, broker: Mosquitto) -> None:
    run = Running(make_link(settings(broker.port), authority.issue(TERMINAL)))
    await run.next(Up)
    run.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run.task
    with Watcher(broker.port, authority.issue("platform")) as watcher:
        watcher.wait(state_of(Presence.STOPPED))


async def test_a_killed_agent_leaves_its_last_will(authority: Authority, broker: Mosquitto) -> None:
    tls = authority.issue(TERMINAL)
    files = (str(path) for path in (tls.ca, tls.certificate, tls.key))
    agent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _AGENT, str(broker.port), *files, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert agent.stdout is not None
    with Watcher(broker.port, authority.issue("platform")) as watcher:
        async with asyncio.timeout(_DEADLINE_S):
            assert await agent.stdout.readline() == b"up\n"
            agent.kill()
            await agent.wait()
        watcher.wait(state_of(Presence.LOST))


_AGENT = """
import asyncio, sys
from pathlib import Path
from agent.keys import TlsFiles
from tests.agent.sync.test_link import Running, Up, make_link, settings

async def main():
    port, *files = sys.argv[1:]
    run = Running(make_link(settings(int(port)), TlsFiles(*map(Path, files))))
    await run.next(Up)
    print("up", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_it_reconnects_after_the_broker_was_killed(authority: Authority, broker: Mosquitto) -> None:
    async with running(settings(broker.port), authority.issue(TERMINAL)) as run:
        await run.next(Up)
        broker.stop()
        down = await run.next(Down)
        assert isinstance(down, Down)
        assert down.fault is LinkFault.LOST
        assert down.detail not in {"", "Unspecified error"}
        assert await run.fault() is LinkFault.UNREACHABLE
        assert not run.link.publish(Channel.HELLO, b"nowhere")
        broker.start()
        await run.next(Up)
        assert run.link.status.attempts == 0


async def test_waiting_shows_why_and_until_when(authority: Authority, broker: Mosquitto) -> None:
    broker.stop()
    slow = settings(broker.port, backoff_first_ms=60_000, backoff_cap_ms=60_000)
    async with running(slow, authority.issue(TERMINAL)) as run:
        assert await run.fault() is LinkFault.UNREACHABLE
        await until(lambda: run.link.status.retry_at_ms is not None)
        assert run.link.status.phase is LinkPhase.WAITING
        assert run.link.status.attempts == 1


async def test_a_broker_of_another_authority_is_refused(
    authority: Authority, broker: Mosquitto, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other").issue(TERMINAL)
    async with running(settings(broker.port), stranger) as run:
        assert await run.fault() is LinkFault.UNTRUSTED


async def test_a_broker_with_another_hosts_certificate_is_refused(authority: Authority) -> None:
    authority.issue("elsewhere", address="192.0.2.1")
    broker = Mosquitto(authority.directory, server="elsewhere")
    broker.start()
    try:
        async with running(settings(broker.port), authority.issue(TERMINAL)) as run:
            assert await run.fault() is LinkFault.WRONG_NAME
    finally:
        broker.stop()


async def test_a_broker_with_an_expired_certificate_is_refused(authority: Authority) -> None:
    authority.issue("expired", life=timedelta(days=-1))
    broker = Mosquitto(authority.directory, server="expired")
    broker.start()
    try:
        async with running(settings(broker.port), authority.issue(TERMINAL)) as run:
            assert await run.fault() is LinkFault.EXPIRED
    finally:
        broker.stop()


async def test_a_clock_that_nobody_vouches_for_keeps_no_terminal_from_its_platform(authority: Authority) -> None:
    authority.issue("expired", life=timedelta(days=-1))
    broker = Mosquitto(authority.directory, server="expired")
    broker.start()
    clock = ClockOf(ClockState.UNTRUSTED)
    run = Running(make_link(settings(broker.port), authority.issue(TERMINAL), clock))
    try:
        await run.next(Up)
        clock.said = ClockState.SYNCHRONISED  # the platform has told it the time
        broker.stop()
        await run.next(Down)
        broker.start()
        assert await run.fault() is LinkFault.EXPIRED
    finally:
        await run.end()
        broker.stop()


async def test_a_terminal_whose_own_certificate_has_expired_is_told_where_to_look(
    authority: Authority, broker: Mosquitto
) -> None:
    expired = authority.issue(TERMINAL, life=timedelta(days=-1))
    async with running(settings(broker.port), expired) as run:
        assert await run.fault() is LinkFault.CLOSED


def test_another_terminals_certificate_is_refused_at_once(authority: Authority) -> None:
    with pytest.raises(LinkError, match="is not the certificate of terminal gate-7"):
        make_link(settings(8883), authority.issue("gate-8"))


def test_missing_credentials_are_a_sentence(tmp_path: Path) -> None:
    nowhere = tmp_path / "none.pem"
    with pytest.raises(LinkError, match="cannot be used"):
        make_link(settings(8883), TlsFiles(nowhere, nowhere, nowhere))
    with pytest.raises(LinkError, match="enrol the terminal"):
        make_link(settings(8883), None)


@pytest.mark.parametrize("host", ["example.org", "192.0.2.1", "", "a b", "x" * 64, "a..b", "平台"])
def test_a_link_without_tls_stays_on_this_machine(host: str) -> None:
    with pytest.raises(ValidationError):
        LinkSettings(host=host, tls=False)


class OldBroker:
    """Speaks 3.1.1 only, over plain TCP: refuses level 5; at level 4 grants all, then says ``extra``."""

    def __init__(self, refusal: bytes, extra: bytes = b"") -> None:
        self.levels: list[int] = []
        self._refusal = refusal
        self._extra = extra
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None] | None] = set()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await asyncio.gather(*filter(None, self._serving))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            connect = await self._packet(reader)
            level = connect[6]  # after the length-prefixed "MQTT" (MQTT 3.1.1 §3.1.2.2)
            self.levels.append(level)
            if level != 4:
                writer.write(self._refusal)
            else:
                writer.write(b"\x20\x02\x00\x00")
                subscribe = await self._packet(reader)
                writer.write(b"\x90\x03" + subscribe[:2] + b"\x01" + self._extra)
                await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _packet(self, reader: asyncio.StreamReader) -> bytes:
        await reader.readexactly(1)
        size, shift, byte = 0, 0, 0x80
        while byte & 0x80:
            byte = (await reader.readexactly(1))[0]
            size |= (byte & 0x7F) << shift
            shift += 7
        return await reader.readexactly(size)


@pytest.mark.parametrize("refusal", [b"\x20\x02\x00\x01", b""], ids=["refused", "closed"])
async def test_a_broker_that_refuses_level_5_is_spoken_to_in_3_1_1(refusal: bytes) -> None:
    async with OldBroker(refusal) as broker, running(settings(broker.port, tls=False), None) as run:
        assert await run.fault() in (LinkFault.VERSION, LinkFault.CLOSED)
        await run.next(Up)
        assert run.link.status.protocol == "3.1.1"
        assert broker.levels == [5, 4]


async def test_the_older_protocol_is_remembered() -> None:
    async with OldBroker(b"\x20\x02\x00\x01") as broker, running(settings(broker.port, tls=False), None) as run:
        await run.next(Up)
        connection = run.link._connection
        assert connection is not None
        connection._cut()
        assert await run.fault() is not None
        await run.next(Up)
        assert broker.levels == [5, 4, 4]


@pytest.mark.parametrize(
    ("nonsense", "fault"),
    [
        (b"\x30\x07\x00\x02\xff\xfeabc", LinkFault.GARBLED),
        (b"\x30\x00", LinkFault.LOST),
        (b"\x30\xff\xff\xff\xff\xff", LinkFault.LOST),
        (b"\x00\x00", LinkFault.LOST),
    ],
    ids=["topic-not-utf-8", "empty-publish", "endless-length", "no-packet-type"],
)
async def test_a_broker_that_talks_nonsense_is_left_and_tried_again(nonsense: bytes, fault: LinkFault) -> None:
    broker = OldBroker(b"\x20\x02\x00\x01", nonsense)
    async with broker, running(settings(broker.port, tls=False), None) as run:
        await run.next(Up)
        assert await run.fault() is fault
        await run.next(Up)


async def test_a_message_on_a_topic_that_was_not_asked_for_is_dropped() -> None:
    other = Address("gate-8").topic(Channel.ACK).encode()
    publish = bytes([0x30, len(other) + 3, 0, len(other)]) + other + b"x"
    broker = OldBroker(b"\x20\x02\x00\x01", publish)
    async with broker, running(settings(broker.port, tls=False), None) as run:
        await run.next(Up)
        await until(lambda: run.link.counters["dropped"] == 1)
        assert run.events.empty()


async def test_a_server_that_never_answers_does_not_hold_up_a_stop() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()
        writer.close()
        await writer.wait_closed()
        ended.set()

    connected, ended = asyncio.Event(), asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with running(settings(port, tls=False), None) as run:
            async with asyncio.timeout(_DEADLINE_S):
                await connected.wait()
        assert run.link.status.phase is LinkPhase.STOPPED
        async with asyncio.timeout(_DEADLINE_S):
            await ended.wait()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that no event tells."""
    async with asyncio.timeout(_DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - counters and statuses tell nobody
            await asyncio.sleep(0.01)
