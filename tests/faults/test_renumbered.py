"""A broker that numbers messages anew for each connection, as RabbitMQ does: no late acknowledgement takes another's.

The platform's worker has a message in hand when its connection ends. Before the next one stands, the message is
committed: its number now belongs to another message, which would be lost with a worker that dies before committing it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.cose import Es256Signer
from agent.sync.contract import Address, Alarm, Channel
from tests.faults.hostile_broker import filters, framed, packet, server_context
from tools.platform.broker import Endpoint
from tools.platform.ca import Authority
from tools.platform.consumer import Consumer, Share
from tools.platform.ingest import Ingest, Message, Reply
from tools.platform.store import Store, sqlite_url

_CONNECT, _PUBACK, _SUBSCRIBE = 1, 4, 8
DEADLINE_S = 25.0
OVERTAKES_S = 2.0
"""So long the first commit waits for a second connection, which a worker need not make meanwhile."""
TOPIC = Address("gate-1").topic(Channel.ALARM)
FIRST, SECOND = (Alarm(code="tamper", at_ms=at_ms, source=source).encode() for at_ms, source in ((1, "a"), (2, "b")))


class SlowIngest(Ingest):
    """The platform's own, which commits nothing before ``go`` is set."""

    def __init__(self, store: Store, signer: Es256Signer) -> None:
        super().__init__(store, signer, lambda: 5)
        self.begun, self.go = threading.Event(), threading.Event()

    def handle_all(self, messages: Sequence[Message]) -> list[Reply | None]:
        self.begun.set()
        assert self.go.wait(DEADLINE_S)
        return super().handle_all(messages)


class Connection:
    """The broker's side of one: MQTT 5 as far as a worker needs it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.acknowledged: list[int] = []

    async def accept(self, granted: bytes = b"\1", last: bytes | None = None) -> None:
        """CONNACK, and what is subscribed to is granted, or refused; of the ``last`` it may be otherwise."""
        self._writer.write(framed(0x20, bytes(3)))
        body = await self._until(_SUBSCRIBE)
        self._writer.write(framed(0x90, body[:2] + b"\0" + granted * (filters(body) - 1) + (last or granted)))

    async def expect_connect(self) -> None:
        await self._until(_CONNECT)

    def deliver(self, mid: int, payload: bytes) -> None:
        name = TOPIC.encode()
        head = len(name).to_bytes(2, "big") + name + mid.to_bytes(2, "big") + b"\0"
        self._writer.write(framed(0x32, head + payload))

    async def until_acknowledged(self, mid: int) -> None:
        while mid not in self.acknowledged:
            await self._until(_PUBACK)

    def cut(self) -> None:
        self._writer.transport.abort()

    async def _until(self, wanted: int) -> bytes:
        while True:
            kind, _, body = await packet(self._reader)
            if kind == _PUBACK:
                self.acknowledged.append(int.from_bytes(body[:2], "big"))
            if kind == wanted:
                return body


@asynccontextmanager
async def listening(authority: Authority) -> AsyncIterator[tuple[int, asyncio.Queue[Connection]]]:
    """A port of the loopback, and the connections that came to it."""
    came: asyncio.Queue[Connection] = asyncio.Queue()
    context = server_context(authority)
    server = await asyncio.start_server(
        lambda reader, writer: came.put_nowait(Connection(reader, writer)), "127.0.0.1", 0, ssl=context
    )
    async with server:
        yield server.sockets[0].getsockname()[1], came


async def test_what_was_committed_for_a_former_connection_is_not_acknowledged_on_the_next(tmp_path: Path) -> None:
    authority = Authority.init(tmp_path / "keys")
    store = Store.open(sqlite_url(tmp_path / "platform.db"))
    ingest = SlowIngest(store, Es256Signer(authority.load_ack_key()))
    async with asyncio.timeout(DEADLINE_S), listening(authority) as (port, came):
        consumer = Consumer([Endpoint("127.0.0.1", port)], authority, ingest)
        consumer.start()
        try:
            former = await came.get()
            await former.expect_connect()
            await former.accept()
            former.deliver(7, FIRST)
            await asyncio.to_thread(ingest.begun.wait, DEADLINE_S)
            former.cut()
            following: Connection | None = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(OVERTAKES_S):
                    following = await came.get()
                    await following.expect_connect()
            ingest.go.set()
            if following is None:
                following = await came.get()
                await following.expect_connect()
            else:  # here is where the acknowledgement of before would come
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(OVERTAKES_S):
                        await following.until_acknowledged(7)
            await following.accept()
            following.deliver(7, SECOND)
            following.deliver(8, FIRST)
            await following.until_acknowledged(8)
            following.cut()
        finally:
            ingest.go.set()
            await asyncio.to_thread(consumer.stop)
    assert following.acknowledged == [7, 8]
    with store.transaction() as transaction:
        assert {row.source: row.times for row in transaction.alarms()} == {"a": 1, "b": 1}
    store.close()


@pytest.mark.parametrize(
    ("granted", "last", "said"), [(b"\x80", b"\x80", "Unspecified error"), (b"\1", b"\x87", "Not authorized")]
)
async def test_a_worker_whose_subscription_is_refused_asks_again_by_itself(
    granted: bytes, last: bytes, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority.init(tmp_path / "keys")
    store = Store.open(sqlite_url(tmp_path / "platform.db"))
    ingest = Ingest(store, Es256Signer(authority.load_ack_key()), lambda: 5)
    async with asyncio.timeout(DEADLINE_S), listening(authority) as (port, came):
        consumer = Consumer([Endpoint("127.0.0.1", port)], authority, ingest, Share(1, ["00"]))
        consumer.start()
        try:
            former = await came.get()
            await former.expect_connect()
            await former.accept(granted, last)
            following = await came.get()
            await following.expect_connect()
            await following.accept()
            assert await asyncio.to_thread(consumer.wait_until_ready, DEADLINE_S)
            following.deliver(7, FIRST)
            await following.until_acknowledged(7)
            following.cut()
        finally:
            await asyncio.to_thread(consumer.stop)
    store.close()
    assert f"the broker refused a subscription: {said}" in caplog.messages
