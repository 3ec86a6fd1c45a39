"""The MQTT link: one broker, one connection at a time, kept up for ever (DESIGN §7). Only this file imports paho.

Each attempt has a paho client of its own, so nothing queued for a dead connection is sent again on the next: what
must arrive is sent again by the uplink. MQTT 5 first; a broker that refuses it is spoken to in 3.1.1, and remembered.

What paho's thread reports crosses to the event loop in order. At most ``_MAX_WAITING`` downlink messages wait there;
further ones are dropped and counted, because every answer is asked for again. At most ``_MAX_OUTGOING`` messages wait
to leave; :meth:`Link.publish` refuses further ones. A PUBACK is a fact about the broker and never an acknowledgement.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

import paho.mqtt.client as mqtt
from cryptography import x509
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agent.backoff import Backoff
from agent.clock import Clock, Random
from agent.keys import TlsFiles
from agent.sync.contract import Address, Channel
from agent.sync.faults import LinkError, LinkFault, fault_of

__all__ = [
    "Down",
    "Event",
    "Link",
    "LinkError",
    "LinkFault",
    "LinkPhase",
    "LinkSettings",
    "LinkStatus",
    "Received",
    "Up",
]

_MAX_WAITING = 256
_MAX_OUTGOING = 64
_MAX_IN_FLIGHT = 20
_MAX_INBOUND_BYTES = 64 * 1024
_GOODBYE_S = 0.5
_ANSWER_S = 30.0
_NO_SUBSCRIBERS = 0x10
_FIRST_FAILURE = 0x80


class LinkSettings(BaseModel):
    """Where the platform's broker is. TLS with this terminal's certificate; without it on the loopback only."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    host: str = Field(min_length=1, max_length=253, description="name or address, as its certificate has it")
    port: int = Field(default=8883, ge=1, le=65535)
    tls: bool = Field(default=True, description="false only for a broker on this machine")
    keepalive_s: int = Field(default=20, ge=5, le=300, description="a dead link is noticed after up to twice this time")
    connect_timeout_s: int = Field(default=5, ge=1, le=60)
    session_expiry_s: int = Field(default=7 * 86_400, ge=0, le=30 * 86_400)
    backoff_first_ms: int = Field(default=500, ge=10, le=60_000)
    backoff_cap_ms: int = Field(default=60_000, ge=10, le=3_600_000)

    @field_validator("host")
    @classmethod
    def _host_is_ascii(cls, host: str) -> str:
        labels = host.removesuffix(".").split(".")
        if (
            not host.isascii()
            or not host.isprintable()
            or " " in host
            or not all(0 < len(part) < 64 for part in labels)
        ):
            raise ValueError("a host name of labels of 1 to 63 characters, or an address")
        return host

    @model_validator(mode="after")
    def _bare_only_at_home(self) -> LinkSettings:
        if not self.tls and not _is_loopback(self.host):
            raise ValueError("tls: false is for a broker on this machine only; set tls: true")
        return self


class LinkPhase(StrEnum):
    """What the link is doing."""

    CONNECTING = "connecting"
    UP = "up"
    WAITING = "waiting"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """The link as the technician sees it. ``retry_at_ms`` is monotonic and set while waiting."""

    phase: LinkPhase
    protocol: Literal["5", "3.1.1"]
    fault: LinkFault | None = None
    detail: str = ""
    attempts: int = 0
    retry_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Up:
    """The connection stands and the answers are subscribed to."""


@dataclass(frozen=True, slots=True)
class Down:
    """The connection is gone."""

    fault: LinkFault
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """A downlink message."""

    topic: str
    payload: bytes


Event = Up | Down | Received


class _Connection:
    """One attempt: a paho client, and its reports handed to the event loop."""

    def __init__(self, link: Link, protocol: MQTTProtocolVersion, will: bytes, loop: asyncio.AbstractEventLoop) -> None:
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._link = link
        self._loop = loop
        self._room = threading.Semaphore(_MAX_WAITING)
        self._answered = False
        self._closing = False
        self._over = False
        self.is_v5 = protocol is MQTTProtocolVersion.MQTTv5
        self.client = client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=link.address.terminal,
            clean_session=None if self.is_v5 else False,
            protocol=protocol,
            reconnect_on_failure=False,
        )
        client.connect_timeout = link.settings.connect_timeout_s
        client.max_queued_messages_set(_MAX_OUTGOING)
        client.max_inflight_messages_set(_MAX_IN_FLIGHT)
        client.will_set(link.address.topic(Channel.STATE), will, qos=1, retain=True)
        if link.tls_context is not None:
            client.tls_set_context(link.tls_context)
        client.on_socket_open = _no_delay
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect

    def open(self) -> None:
        """Connect in a thread, since names, TCP and TLS block; the outcome comes as an event."""
        threading.Thread(target=self._open, name="mqtt-connect", daemon=True).start()

    async def close(self) -> None:
        """Say goodbye and end paho's thread; a broker that does not take it within half a second is cut off."""
        self._closing = True
        if self._over:
            return
        self.client.disconnect()
        try:
            async with asyncio.timeout(_GOODBYE_S):
                while not self._over:
                    await self._events.get()
        except TimeoutError:
            self._cut()

    def interrupt(self) -> None:
        """Let :meth:`next_event` return ``None``."""
        self._events.put_nowait(None)

    async def next_event(self) -> Event | None:
        """The next report of this connection."""
        event = await self._events.get()
        if isinstance(event, Received):
            self._room.release()
        return event

    def _cut(self) -> None:
        sock = self.client.socket()
        if isinstance(sock, socket.socket):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _open(self) -> None:
        settings = self._link.settings
        properties = None
        if self.is_v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
            properties.SessionExpiryInterval = settings.session_expiry_s
            properties.MaximumPacketSize = _MAX_INBOUND_BYTES
        clean_start: bool | Literal[3] = False if self.is_v5 else mqtt.MQTT_CLEAN_START_FIRST_ONLY
        try:
            self.client.connect(
                settings.host, settings.port, settings.keepalive_s, clean_start=clean_start, properties=properties
            )
        except OSError as error:
            self._over = True
            self._report(Down(fault_of(error), _detail(error)))
            return
        if self._closing:
            self.client.disconnect()
        self.client.loop_start()

    def _on_connect(
        self,
        client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._answered = True
        if not reason.is_failure:
            client.subscribe(self._link.address.topic(Channel.ACK), qos=1)
        elif reason.getName() == "Unsupported protocol version":
            self._report(Down(LinkFault.VERSION))
        else:
            self._report(Down(LinkFault.REFUSED, reason.getName()))

    def _on_subscribe(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._report(Down(LinkFault.NOT_SUBSCRIBED))
        else:
            self._report(Up())

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        if len(message.payload) > _MAX_INBOUND_BYTES or not self._room.acquire(blocking=False):
            self._link.counters["dropped"] += 1
        else:
            self._report(Received(message.topic, bytes(message.payload)))

    def _on_publish(
        self, _client: mqtt.Client, _userdata: object, _mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.value == _NO_SUBSCRIBERS:
            self._link.counters["unheard"] += 1
        elif reason.value >= _FIRST_FAILURE:
            self._link.counters["refused"] += 1

    def _on_disconnect(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._over = True
        self._report(Down(LinkFault.LOST if self._answered else LinkFault.CLOSED, reason.getName()))

    def _report(self, event: Event) -> None:
        try:
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)
        except RuntimeError:
            return  # the event loop has ended; nobody listens any more


class Link:
    """Keeps one connection to the broker.

    ``will`` and ``goodbye`` make the retained state that stands after a lost connection and after a clean stop.
    """

    def __init__(
        self,
        address: Address,
        settings: LinkSettings,
        tls: TlsFiles | None,
        will: Callable[[], bytes],
        goodbye: Callable[[], bytes],
        clock: Clock,
        random: Random,
    ) -> None:
        """Raises :class:`LinkError` if the terminal's own credentials cannot be used."""
        self.address = address
        self.settings = settings
        self.tls_context = _tls_context(address.terminal, tls) if settings.tls else None
        self.counters: Counter[str] = Counter()
        self.status = LinkStatus(LinkPhase.CONNECTING, "5")
        self._will = will
        self._goodbye = goodbye
        self._clock = clock
        self._backoff = Backoff(random, settings.backoff_first_ms, settings.backoff_cap_ms)
        self._protocol = MQTTProtocolVersion.MQTTv5
        self._proven = False
        self._connection: _Connection | None = None
        self._stopping = asyncio.Event()

    def publish(self, channel: Channel, payload: bytes, *, retain: bool = False) -> bool:
        """Hand a message to the broker at QoS 1; ``False`` if there is no connection or no room for it."""
        connection = self._connection
        if connection is None or self.status.phase is not LinkPhase.UP:
            return False
        info = connection.client.publish(self.address.topic(channel), payload, qos=1, retain=retain)
        if info.rc is not mqtt.MQTT_ERR_SUCCESS:
            self.counters["unsent"] += 1
            return False
        return True

    def stop(self) -> None:
        """Make :meth:`run` say goodbye and end."""
        self._stopping.set()
        if self._connection is not None:
            self._connection.interrupt()

    async def run(self, handle: Callable[[Event], Awaitable[None]]) -> None:
        """Connect and reconnect until :meth:`stop`; awaits ``handle`` for each event, in order."""
        try:
            while not self._stopping.is_set():
                last = self.status
                self.status = LinkStatus(
                    LinkPhase.CONNECTING, self._version, last.fault, last.detail, last.attempts + 1
                )
                await self._session(handle)
                await self._pause()
        finally:
            self.status = LinkStatus(LinkPhase.STOPPED, self._version)

    @property
    def _version(self) -> Literal["5", "3.1.1"]:
        return "5" if self._protocol is MQTTProtocolVersion.MQTTv5 else "3.1.1"

    async def _session(self, handle: Callable[[Event], Awaitable[None]]) -> None:
        """One connection up to its first :class:`Down`; paho tells of some ends twice."""
        self._connection = connection = _Connection(self, self._protocol, self._will(), asyncio.get_running_loop())
        connection.open()
        try:
            while not self._stopping.is_set():
                event = await self._next(connection)
                if event is not None:
                    self._note(event)
                    await handle(event)
                if isinstance(event, Down):
                    return
        finally:
            self.publish(Channel.STATE, self._goodbye(), retain=True)
            self._connection = None
            await connection.close()

    async def _next(self, connection: _Connection) -> Event | None:
        try:
            async with asyncio.timeout(None if self.status.phase is LinkPhase.UP else _ANSWER_S):
                return await connection.next_event()
        except TimeoutError:
            return Down(LinkFault.SILENT)

    def _note(self, event: Event) -> None:
        match event:
            case Up():
                self._proven = True
                self._backoff.reset()
                self.status = LinkStatus(LinkPhase.UP, self._version)
            case Down(fault, detail):
                self.status = replace(self.status, phase=LinkPhase.WAITING, fault=fault, detail=detail)
                # A 3.1.1 broker may also answer a level that it does not know by closing (MQTT 3.1.1 §3.1.2.2).
                if fault is LinkFault.VERSION or (fault is LinkFault.CLOSED and not self._proven):
                    self._protocol = _OTHER[self._protocol]

    async def _pause(self) -> None:
        delay_ms = self._backoff.next_ms()
        self.status = replace(self.status, retry_at_ms=self._clock.monotonic_ms() + delay_ms)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_ms / 1000):
                await self._stopping.wait()


_OTHER = {
    MQTTProtocolVersion.MQTTv5: MQTTProtocolVersion.MQTTv311,
    MQTTProtocolVersion.MQTTv311: MQTTProtocolVersion.MQTTv5,
}


def _no_delay(_client: mqtt.Client, _userdata: object, sock: object) -> None:
    # Without it each acknowledgement waits for the other side's delayed TCP acknowledgement, 40 ms and more.
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class _ClosingSocket(ssl.SSLSocket):
    """paho forgets a socket whose handshake failed and leaves it open until it is collected."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _tls_context(terminal: str, files: TlsFiles | None) -> ssl.SSLContext:
    if files is None:
        raise LinkError("tls needs ca.pem, tls.pem and tls-key.pem in the key store; enrol the terminal")
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=files.ca)
        context.sslsocket_class = _ClosingSocket
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(files.certificate, files.key)
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise LinkError(f"the credentials in {files.certificate.parent} cannot be used: {error}") from error
    names = [attribute.value for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [terminal]:
        raise LinkError(f"{files.certificate} is not the certificate of terminal {terminal}; enrol the terminal")
    return context


def _detail(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return error.strerror or type(error).__name__
