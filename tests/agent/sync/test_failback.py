"""Several brokers in order: the next one when the first cannot be had, and back when it can."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.sync.link import LinkFault, LinkPhase, LinkSettings, Up
from tests.agent.sync.broker import Authority, Mosquitto
from tests.agent.sync.parts import TERMINAL
from tests.agent.sync.test_link import running, settings, until
from tests.faults.proxy import proxy_to


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
    """A probe is TCP and TLS alone: at a port that closes after that, the link stays where it is."""
    async with (
        closing_server() as (port, visits),
        running(both(port, second.port, failback_s=1), authority.issue(TERMINAL)) as run,
    ):
        await run.next(Up)
        before = visits[0]
        await until(lambda: visits[0] >= before + 2)
        assert (run.link.status.phase, run.link.status.broker) == (LinkPhase.UP, 1)
        assert run.events.empty()


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
