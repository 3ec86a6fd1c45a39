"""Several brokers in order: the next one when the first cannot be had, and back when it can."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.sync.contract import Address, Channel, Presence, Report, State
from agent.sync.link import LinkFault, LinkPhase, LinkSettings, Received, Up
from tests.agent.sync.broker import Authority, Mosquitto
from tests.agent.sync.parts import TERMINAL
from tests.agent.sync.test_link import running, settings, state_of, until
from tests.agent.sync.watcher import Watcher
from tests.faults.proxy import proxy_to

HURRY_S = 0.05


@pytest.fixture
def second(authority: Authority, broker: Mosquitto, tmp_path: Path) -> Iterator[Mosquitto]:
    assert broker.port
    other = Mosquitto(authority.directory)
    other.start()
    yield other
    other.stop()


def both(first: int, second: int, **changes: object) -> LinkSettings:
    return settings(first, fallbacks=({"host": "127.0.0.1", "port": second},), **changes)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_the_next_broker_is_tried_at_once_where_the_first_cannot_be_had(
    authority: Authority, broker: Mosquitto
) -> None:
    slow = both(closed_port(), broker.port, backoff_first_ms=60_000)
    async with running(slow, authority.issue(TERMINAL)) as run:
        assert await run.fault() is LinkFault.UNREACHABLE
        await run.next(Up)
        assert (run.link.status.phase, run.link.status.broker) == (LinkPhase.UP, 1)


async def test_it_goes_back_when_the_first_broker_stands_again(
    authority: Authority, broker: Mosquitto, second: Mosquitto
) -> None:
    broker.stop()
    async with running(both(broker.port, second.port, failback_s=1), authority.issue(TERMINAL)) as run:
        await run.next(Up)
        assert run.link.status.broker == 1
        broker.start()
        assert await run.fault() is LinkFault.BETTER
        await run.next(Up)
        assert run.link.status.broker == 0


async def test_looking_for_the_first_broker_disturbs_nobody(
    authority: Authority, broker: Mosquitto, second: Mosquitto
) -> None:
    """At a port that takes connections and closes them, the link stays where it is."""
    async with (
        closing_server() as (port, visits),
        running(both(port, second.port, failback_s=1), authority.issue(TERMINAL)) as run,
    ):
        await run.next(Up)
        before = visits[0]
        await until(lambda: visits[0] >= before + 2)
        assert (run.link.status.phase, run.link.status.broker) == (LinkPhase.UP, 1)
        assert run.events.empty()


async def test_a_first_broker_that_refuses_mqtt_costs_a_good_second_nothing(
    authority: Authority, broker: Mosquitto, second: Mosquitto
) -> None:
    broker.stop()
    broker.rules = "clientid_prefixes nobody-\n"
    broker.start()
    async with (
        proxy_to(broker.port) as way,
        running(both(way.port, second.port), authority.issue(TERMINAL)) as run,
    ):
        run.link._failback_s = HURRY_S
        assert await run.fault() is LinkFault.REFUSED
        await run.next(Up)
        before = way.taken
        await until(lambda: way.taken >= before + 3)
        assert (run.link.status.phase, run.link.status.broker) == (LinkPhase.UP, 1)
        assert run.events.empty()
        broker.stop()
        broker.rules = ""
        broker.start()
        assert await run.fault() is LinkFault.BETTER
        await run.next(Up)
        assert (run.link.status.broker, run.link.counters["connections"]) == (0, 2)


async def test_a_first_broker_that_never_answers_mqtt_costs_a_good_second_nothing(
    authority: Authority, broker: Mosquitto, second: Mosquitto
) -> None:
    def echo(topic: str, payload: bytes) -> tuple[str, bytes] | None:
        return (Address(TERMINAL).topic(Channel.ACK), payload) if topic.endswith("up/hello") else None

    async with (
        silent_server(authority) as silent,
        proxy_to(closed_port()) as way,
        running(both(way.port, second.port), authority.issue(TERMINAL)) as run,
    ):
        run.link._failback_s = HURRY_S
        await run.next(Up)
        way.target = silent.port
        await silent.asked()
        with Watcher(second.port, authority.issue("platform"), echo):
            assert run.link.publish(Channel.HELLO, b"hello")
            assert await run.next(Received) == Received(Address(TERMINAL).topic(Channel.ACK), b"hello")
        assert (run.link.status.phase, run.link.status.broker) == (LinkPhase.UP, 1)
        assert run.events.empty()
        way.target = broker.port
        way.cut()
        assert await run.fault() is LinkFault.BETTER
        await run.next(Up)
        assert (run.link.status.broker, run.link.counters["connections"]) == (0, 2)


async def test_a_second_broker_that_is_lost_while_the_first_never_answers_is_gone_back_to(
    authority: Authority, second: Mosquitto
) -> None:
    async with (
        silent_server(authority) as silent,
        proxy_to(closed_port()) as way,
        running(both(way.port, second.port), authority.issue(TERMINAL)) as run,
    ):
        run.link._failback_s = HURRY_S
        await run.next(Up)
        way.target = silent.port
        await silent.asked()
        second.stop()
        assert await run.fault() is LinkFault.LOST
        await until(lambda: (run.link.status.phase, run.link.status.broker) == (LinkPhase.CONNECTING, 0))
        second.start()
        way.target = closed_port()
        way.cut()
        assert await run.fault() is LinkFault.CLOSED
        await run.next(Up)
        assert run.link.status.broker == 1


async def test_two_ways_to_one_broker_do_not_throw_each_other_out(authority: Authority, broker: Mosquitto) -> None:
    """As at two nodes of one cluster, which know a client id once: the new connection ends the old one."""
    online = State(presence=Presence.ONLINE, since_ms=3, report=Report(software="1.0"))
    with Watcher(broker.port, authority.issue("platform")) as watcher:
        async with proxy_to(closed_port()) as way:
            async with running(both(way.port, broker.port), authority.issue(TERMINAL)) as run:
                run.link._failback_s = HURRY_S
                await run.next(Up)
                assert run.link.status.broker == 1
                way.target = broker.port
                assert await run.fault() in {LinkFault.BETTER, LinkFault.LOST}
                await run.next(Up)
                assert run.link.publish(Channel.STATE, online.encode(), retain=True)
                await until(lambda: any(message.payload == online.encode() for message in watcher.heard))
                assert (run.link.status.broker, run.link.counters["connections"]) == (0, 2)
                assert run.events.empty()
            await until(lambda: any(map(state_of(Presence.STOPPED), watcher.heard)))
            await until(lambda: not way.stands)  # the goodbye is behind the last state
        assert not any(map(state_of(Presence.LOST), watcher.heard))


async def test_a_stop_ends_the_connection_that_is_tried_as_well(authority: Authority, second: Mosquitto) -> None:
    async with silent_server(authority) as silent, proxy_to(closed_port()) as way:
        async with running(both(way.port, second.port), authority.issue(TERMINAL)) as run:
            run.link._failback_s = HURRY_S
            await run.next(Up)
            way.target = silent.port
            await silent.asked()
        await until(lambda: silent.ended == 1)
    with Watcher(second.port, authority.issue("platform")) as watcher:
        watcher.wait(state_of(Presence.STOPPED))


async def test_a_broker_that_takes_everybody_and_drops_them_keeps_nobody_from_the_next(
    authority: Authority, broker: Mosquitto, second: Mosquitto
) -> None:
    async with (
        proxy_to(broker.port) as proxy,
        running(both(proxy.port, second.port, failback_s=600), authority.issue(TERMINAL)) as run,
    ):
        await run.next(Up)
        assert run.link.status.broker == 0
        proxy.cut()
        await run.next(Up)
        assert run.link.status.broker == 1


async def test_with_no_broker_at_all_it_pauses_between_the_rounds(authority: Authority) -> None:
    async with running(both(closed_port(), closed_port()), authority.issue(TERMINAL)) as run:
        assert [await run.fault() for _ in range(4)] == [LinkFault.UNREACHABLE] * 4
        await until(lambda: run.link.status.phase is LinkPhase.WAITING and run.link.status.retry_at_ms is not None)


def test_without_tls_every_broker_is_on_this_machine() -> None:
    at_home = settings(1883, tls=False, fallbacks=({"host": "localhost", "port": 1884},))
    assert [broker.port for broker in at_home.brokers] == [1883, 1884]
    with pytest.raises(ValidationError):
        settings(1883, tls=False, fallbacks=({"host": "broker.example"},))
    with pytest.raises(ValidationError):
        settings(1883, fallbacks=({"host": "not a name"},))


class SilentServer:
    """Takes TLS with a certificate as a broker does, reads, and says nothing."""

    def __init__(self) -> None:
        self.port = 0
        self.ended = 0
        self._asked = asyncio.Event()

    async def asked(self) -> None:
        async with asyncio.timeout(10):
            await self._asked.wait()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while await reader.read(1024):
                self._asked.set()
        writer.close()
        self.ended += 1


@asynccontextmanager
async def silent_server(authority: Authority) -> AsyncIterator[SilentServer]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.directory / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(authority.directory / "server.pem", authority.directory / "server.key")
    silent = SilentServer()
    server = await asyncio.start_server(silent.take, "127.0.0.1", 0, ssl=context)
    silent.port = server.sockets[0].getsockname()[1]
    async with server:
        yield silent


@asynccontextmanager
async def closing_server() -> AsyncIterator[tuple[int, list[int]]]:
    """Takes connections and closes them; counts them."""
    visits = [0]

    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits[0] += 1
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], visits
