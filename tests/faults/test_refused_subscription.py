"""A broker that refuses a subscription for a moment, as a cluster that has just lost a node, leaves nobody deaf."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.hostile_broker import framed, packet, server_context
from tools.platform.broker import Endpoint
from tools.platform.bundle_store import BundleStore
from tools.platform.ca import Authority
from tools.platform.dispatcher import Dispatcher
from tools.platform.enrol_desk import EnrolDesk
from tools.platform.publisher import Publisher
from tools.platform.registrar import CERTIFYING, Registrar
from tools.platform.store import Store, sqlite_url

DEADLINE_S = 25.0
_SUBSCRIBE = 8
_REFUSED = b"\x80"
Client = Registrar | Publisher
Makes = Callable[[Endpoint, Authority, Store, Path], Client]


def registrar(endpoint: Endpoint, authority: Authority, store: Store, directory: Path) -> Client:
    return Registrar([endpoint], authority, EnrolDesk(store, authority, BundleStore(directory), lambda: 0), CERTIFYING)


def publisher(endpoint: Endpoint, authority: Authority, store: Store, directory: Path) -> Client:
    return Publisher([endpoint], authority, directory, Dispatcher(store, lambda: 0))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(sqlite_url(tmp_path / "platform.db"))
    yield store
    store.close()


@pytest.mark.parametrize("makes", [registrar, publisher])
async def test_who_was_refused_a_subscription_asks_again_by_itself(tmp_path: Path, store: Store, makes: Makes) -> None:
    authority = Authority.init(tmp_path / "keys")
    answers = iter([_REFUSED, b"\1"])
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """MQTT 3.1.1: CONNACK, SUBACK with the next answer for each filter, and nothing more."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await packet(reader)
            writer.write(framed(0x20, bytes(2)))
            while True:
                kind, _, body = await packet(reader)
                if kind == _SUBSCRIBE:
                    answer = next(answers)
                    writer.write(framed(0x90, body[:2] + answer * _filters(body)))
                    heard.put_nowait(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context(authority))
    async with asyncio.timeout(DEADLINE_S), server:
        client = makes(
            Endpoint("127.0.0.1", server.sockets[0].getsockname()[1]), authority, store, tmp_path / "bundles"
        )
        client.start()
        try:
            assert [await heard.get(), await heard.get()] == [_REFUSED, b"\1"]
        finally:
            await asyncio.to_thread(client.stop)


def _filters(body: bytes) -> int:
    at, count = 2, 0
    while at < len(body):
        at += 2 + int.from_bytes(body[at : at + 2], "big") + 1
        count += 1
    return count
