"""A broker in an enemy's hands: it has the server's key, reads all, passes on what it likes, and answers what it likes.

MQTT 5, of which it speaks as much as a terminal needs. It confirms every message (PUBACK), whatever becomes of it.
Behind it stands the real platform: what it passes on is committed and answered by that, and the answer is handed to the
``deed`` of the moment, which says what the terminal gets to hear instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from agent.sync.contract import Alarm, Channel, parse_topic
from tools.platform.ca import Authority
from tools.platform.ingest import Ingest

_CONNECT, _CONNACK, _PUBLISH, _PUBACK, _SUBSCRIBE, _SUBACK, _PINGREQ, _DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 14
_KEPT = 512

Deed = Callable[[bytes], list[bytes]]
"""Told the platform's answer on ``down/ack``; says what is sent there instead, in this order."""


@dataclass(frozen=True)
class Poison:
    """What is retained: sent at once to whoever subscribes to anything."""

    topic: str
    payload: bytes


class HostileBroker:
    """Serves one terminal at a time, with the platform's own server certificate."""

    def __init__(self, authority: Authority, ingest: Ingest, deed: Deed, poison: tuple[Poison, ...] = ()) -> None:
        self.port = 0
        self.deed = deed
        self.heard: list[bytes] = []
        """Every answer of the platform, in order: what a deed may replay."""
        self.hearings = 1
        """How often the platform hears each message."""
        self.alarms: deque[Alarm] = deque(maxlen=_KEPT)
        self._ingest = ingest
        self._poison = poison
        self._tasks: list[asyncio.Task[None]] = []
        self.context = server_context(authority)

    def causes(self) -> set[str | None]:
        """Of which refusals the terminal has complained so far."""
        return {alarm.source for alarm in self.alarms if alarm.code == "answer-refused"}

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self._tasks.append(asyncio.create_task(self._serve(reader, writer)))

    async def end(self) -> None:
        """End every connection; raises what went wrong on one of them."""
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                kind, flags, body = await packet(reader)
                if kind == _DISCONNECT:
                    break
                await self._answer(kind, flags, body, writer)
                await writer.drain()
        writer.transport.abort()

    async def _answer(self, kind: int, flags: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        match kind:
            case _ if kind == _CONNECT:
                writer.write(framed(_CONNACK << 4, bytes(3)))
            case _ if kind == _SUBSCRIBE:
                # One reason code a filter (MQTT 5 §3.9.3).
                writer.write(framed(_SUBACK << 4, body[:2] + b"\0" + b"\1" * filters(body)))
                for poison in self._poison:
                    writer.write(_published(poison.topic, poison.payload, retain=True))
            case _ if kind == _PUBLISH:
                topic, mid, payload = _read_publish(flags, body)
                writer.write(framed(_PUBACK << 4, mid))
                for answer in await self._hear(topic, payload):
                    writer.write(_published(topic.replace("/up/", "/down/").rsplit("/", 1)[0] + "/ack", answer))
            case _ if kind == _PINGREQ:
                writer.write(b"\xd0\0")
            case _:
                assert kind == _PUBACK, f"packet type {kind}"

    async def _hear(self, topic: str, payload: bytes) -> list[bytes]:
        _, channel = parse_topic(topic)
        if channel is Channel.ALARM:
            self.alarms.append(Alarm.decode(payload))
        if channel not in (Channel.HELLO, Channel.JOURNAL):
            return []
        answers: list[bytes] = []
        for _ in range(self.hearings):
            reply = await asyncio.to_thread(self._ingest.handle, topic, payload)
            assert reply is not None, "the platform itself refused an honest terminal's message"
            self.heard.append(reply.payload)
            answers += self.deed(reply.payload)
        return answers


def server_context(authority: Authority) -> ssl.SSLContext:
    """TLS with the platform's own server certificate, for clients that have one of its own."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.ca.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(authority.server.certificate, authority.server.key)
    return context


@asynccontextmanager
async def hostile_broker(
    authority: Authority, ingest: Ingest, deed: Deed, poison: tuple[Poison, ...] = ()
) -> AsyncIterator[HostileBroker]:
    """One on a free port of the loopback, until the block ends."""
    broker = HostileBroker(authority, ingest, deed, poison)
    server = await asyncio.start_server(broker.take, "127.0.0.1", 0, ssl=broker.context)
    broker.port = server.sockets[0].getsockname()[1]
    async with server:
        try:
            yield broker
        finally:
            await broker.end()


async def packet(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    """Packet type, flags and the rest (MQTT 5 §2.1)."""
    first = (await reader.readexactly(1))[0]
    size = await _number(lambda: reader.readexactly(1))
    return first >> 4, first & 0x0F, await reader.readexactly(size)


async def _number(next_byte: Callable[[], Awaitable[bytes]]) -> int:
    """A variable byte integer (MQTT 5 §1.5.5)."""
    value = shift = 0
    while True:
        byte = (await next_byte())[0]
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value


def framed(first: int, body: bytes) -> bytes:
    size, length = bytearray(), len(body)
    while length >= 0x80:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([first, *size, length]) + body


def _published(topic: str, payload: bytes, *, retain: bool = False) -> bytes:
    """A PUBLISH at QoS 0: nobody's confirmation is waited for."""
    name = topic.encode()
    return framed(_PUBLISH << 4 | retain, len(name).to_bytes(2, "big") + name + b"\0" + payload)


def _read_publish(flags: int, body: bytes) -> tuple[str, bytes, bytes]:
    """Topic, packet identifier and payload; terminals publish at QoS 1 and without properties."""
    assert flags & 0b110 == 0b010, "QoS 1"
    end = 2 + int.from_bytes(body[:2], "big")
    assert body[end + 2] == 0, "no properties"
    return body[2:end].decode(), body[end : end + 2], body[end + 3 :]


def filters(body: bytes) -> int:
    """How many topic filters a SUBSCRIBE without properties names."""
    assert body[2] == 0, "no properties"
    at, count = 3, 0
    while at < len(body):
        at += 2 + int.from_bytes(body[at : at + 2], "big") + 1
        count += 1
    return count
