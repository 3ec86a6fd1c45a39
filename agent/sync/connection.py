"""One MQTT connection. Only this file, and `bootstrap` for a box without keys, imports paho.

What the thread reports crosses to the event loop in order. At most ``_MAX_WAITING`` downlink messages wait there;
further ones are dropped and counted, because every answer is asked for again. At most ``_MAX_OUTGOING`` messages wait
to leave; further ones are refused. A PUBACK is a fact about the broker and never an acknowledgement.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import ssl
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Literal

import paho.mqtt.client as mqtt
from cryptography import x509
from cryptography.x509.oid import NameOID
from paho.mqtt import MQTTException
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.keys import TlsFiles
from agent.sync.contract import BUNDLES, MANIFESTS, Address, Channel
from agent.sync.faults import LinkError, LinkFault, fault_of

_DOWN = (Channel.ACK, Channel.ANSWER, Channel.OFFER, Channel.CERTIFIED, Channel.COMMAND)
"""What is subscribed to, with bundles; anything else that a broker delivers is dropped."""
_MAX_BUNDLE_MESSAGES = 32
"""No more manifests and chunks wait for the event loop: a flood of them keeps no answer out."""
_MAX_WAITING = 256
_MAX_OUTGOING = 64
_MAX_IN_FLIGHT = 20
_MAX_INBOUND_BYTES = 64 * 1024
_GOODBYE_S = 2.0
_TICK_MS = 1_000
_BELL_BYTES = 4_096
_NO_SUBSCRIBERS = 0x10
_FIRST_FAILURE = 0x80
_UNSPECIFIED = "Unspecified error"
_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME, <openssl/x509_vfy.h>
_MAX_COMPLAINT_CHARS = 200

Protocol = Literal["5", "3.1.1"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to connect; ``tls`` is ``None`` on the loopback only."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    keepalive_s: int
    connect_timeout_s: int
    session_expiry_s: int


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


class Connection:
    """One attempt: a paho client driven by a thread of ours, and its reports handed to the event loop.

    paho's own thread dies silently of some hostile packets; ours ends every connection with a :class:`Down`.
    """

    def __init__(
        self, address: Address, endpoint: Endpoint, protocol: Protocol, will: bytes, counters: Counter[str]
    ) -> None:
        """Call it on the event loop that is to hear of it. ``counters`` takes what is dropped, unheard and refused."""
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._outcome: asyncio.Future[Up | Down] = self._loop.create_future()
        self._room = threading.Semaphore(_MAX_WAITING)
        self._bundle_room = threading.Semaphore(_MAX_BUNDLE_MESSAGES)
        self._address = address
        self._heard = tuple(address.topic(channel) for channel in _DOWN)
        self._subscribing: int | None = None
        self._endpoint = endpoint
        self._counters = counters
        self._is_v5 = protocol == "5"
        self._answered = False
        self._closing = False
        self._over = False
        self._complaint = ""
        self._bell, self._ringer = socket.socketpair()
        self._bell.setblocking(False)
        self._ringer.setblocking(False)
        self._client = self._make_client(will)

    def open(self) -> None:
        """Connect in a thread, since names, TCP and TLS block; the outcome comes as an event."""
        threading.Thread(target=self._work, name="mqtt", daemon=True).start()

    def publish(self, channel: Channel, payload: bytes, *, retain: bool) -> bool:
        """Queue a message at QoS 1; ``False`` if there is no room."""
        info = self._client.publish(self._address.topic(channel), payload, qos=1, retain=retain)
        return info.rc is mqtt.MQTT_ERR_SUCCESS

    async def next_event(self) -> Event | None:
        """The next report of this connection; ``None`` after :meth:`interrupt`."""
        event = await self._events.get()
        if isinstance(event, Received):
            self._room_for(event.topic).release()
        return event

    async def outcome(self) -> Up | Down:
        """What became of the attempt; :meth:`next_event` tells it as well, in its place."""
        return await asyncio.shield(self._outcome)

    def hear(self, topic_filter: str) -> None:
        """Subscribe to something below the bundles."""
        self._client.subscribe(topic_filter, qos=1)

    def hear_no_more(self, topic_filter: str) -> None:
        """Unsubscribe from it."""
        self._client.unsubscribe(topic_filter)

    def interrupt(self) -> None:
        """Let :meth:`next_event` return ``None``."""
        self._events.put_nowait(None)

    async def close(self) -> None:
        """Say goodbye and end the thread; a broker that does not take it within two seconds is cut off."""
        self._closing = True
        self._client.disconnect()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    while not self._over:
                        await self._events.get()
        finally:
            if not self._over:
                self._cut()

    def _cut(self) -> None:
        sock = self._client.socket()
        if isinstance(sock, socket.socket):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _make_client(self, will: bytes) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._address.terminal,
            clean_session=None if self._is_v5 else False,
            protocol=MQTTProtocolVersion.MQTTv5 if self._is_v5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = self._endpoint.connect_timeout_s
        client.max_queued_messages_set(_MAX_OUTGOING)
        client.max_inflight_messages_set(_MAX_IN_FLIGHT)
        client.will_set(self._address.topic(Channel.STATE), will, qos=1, retain=True)
        if self._endpoint.tls is not None:
            client.tls_set_context(self._endpoint.tls)
        client.on_socket_open = self._tune
        client.on_socket_register_write = self._ring
        client.on_log = self._on_log
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        return client

    def _work(self) -> None:
        """The thread: connect, serve, and report the end, whatever it was."""
        try:
            self._connect()
            self._serve()
        except OSError as error:
            self._report(Down(fault_of(error), _detail(error)))
        except (ValueError, MQTTException):
            self._report(Down(LinkFault.GARBLED))
        finally:
            self._over = True
            sock = self._client.socket()
            if isinstance(sock, socket.socket):
                sock.close()
            self._bell.close()
            self._ringer.close()
            self._report(Down(LinkFault.LOST))

    def _connect(self) -> None:
        properties = None
        if self._is_v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
            properties.SessionExpiryInterval = self._endpoint.session_expiry_s
            properties.MaximumPacketSize = _MAX_INBOUND_BYTES
        clean_start: bool | Literal[3] = False if self._is_v5 else mqtt.MQTT_CLEAN_START_FIRST_ONLY
        self._client.connect(
            self._endpoint.host,
            self._endpoint.port,
            self._endpoint.keepalive_s,
            clean_start=clean_start,
            properties=properties,
        )
        if self._closing:
            self._client.disconnect()

    def _serve(self) -> None:
        """Read, write and keep alive until paho has closed the socket."""
        while isinstance(sock := self._client.socket(), socket.socket):
            poll = select.poll()
            poll.register(sock, select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
            poll.register(self._bell, select.POLLIN)
            decrypted = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
            ready = dict(poll.poll(0 if decrypted else _TICK_MS))
            if self._bell.fileno() in ready:
                self._bell.recv(_BELL_BYTES)
            if decrypted or ready.get(sock.fileno(), 0) & ~select.POLLOUT:
                self._client.loop_read()
            if self._client.want_write():
                self._client.loop_write()
            self._client.loop_misc()

    def _tune(self, _client: mqtt.Client, _userdata: object, sock: object) -> None:
        """TCP_NODELAY: else each acknowledgement waits for the other side's delayed one, 40 ms and more.

        TCP_USER_TIMEOUT (RFC 5482): what is sent into a line that is dead on one side fails in the time in which a
        missing PINGRESP is noticed, whatever the kernel's retransmissions would take.
        """
        if isinstance(sock, socket.socket):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2 * self._endpoint.keepalive_s * 1000)

    def _ring(self, _client: mqtt.Client, _userdata: object, _sock: object) -> None:
        # A full pair means that the bell is ringing already; a closed one, that the connection is over.
        with contextlib.suppress(OSError):
            self._ringer.send(b"\0")

    def _on_log(self, _client: mqtt.Client, _userdata: object, level: int, text: str) -> None:
        if level == mqtt.MQTT_LOG_ERR:
            self._complaint = text[:_MAX_COMPLAINT_CHARS]

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
            _, self._subscribing = client.subscribe([(topic, 1) for topic in (*self._heard, MANIFESTS)])
        elif reason.getName() == "Unsupported protocol version":
            self._report(Down(LinkFault.VERSION))
        else:
            self._report(Down(LinkFault.REFUSED, reason.getName()))

    def _on_subscribe(
        self,
        _client: mqtt.Client,
        _userdata: object,
        mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if mid != self._subscribing:
            return  # a bundle's: what does not come is asked for again
        if any(reason.is_failure for reason in reasons[: len(self._heard)]):
            self._report(Down(LinkFault.NOT_SUBSCRIBED))
        else:
            self._report(Up())

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        topic = message.topic
        if (
            not (topic in self._heard or topic.startswith(f"{BUNDLES}/"))
            or len(message.payload) > _MAX_INBOUND_BYTES
            or not self._room_for(topic).acquire(blocking=False)
        ):
            self._counters["dropped"] += 1
        else:
            self._report(Received(topic, bytes(message.payload)))

    def _room_for(self, topic: str) -> threading.Semaphore:
        return self._room if topic in self._heard else self._bundle_room

    def _on_publish(
        self, _client: mqtt.Client, _userdata: object, _mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.value == _NO_SUBSCRIBERS:
            self._counters["unheard"] += 1
        elif reason.value >= _FIRST_FAILURE:
            self._counters["refused"] += 1

    def _on_disconnect(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        # paho knows no more of an end without DISCONNECT; what it complained of is the operating system's reason.
        said = reason.getName()
        if said == _UNSPECIFIED:
            said = self._complaint or "the broker closed it"
        self._report(Down(LinkFault.LOST if self._answered else LinkFault.CLOSED, said))

    def _report(self, event: Event) -> None:
        try:
            self._loop.call_soon_threadsafe(self._take, event)
        except RuntimeError:
            return  # the event loop has ended; nobody listens any more

    def _take(self, event: Event) -> None:
        if not isinstance(event, Received) and not self._outcome.done():
            self._outcome.set_result(event)
        self._events.put_nowait(event)


def tls_context(terminal: str, files: TlsFiles | None) -> ssl.SSLContext:
    """TLS 1.2 or later with the terminal's certificate. Raises :class:`LinkError` if it cannot be used."""
    if files is None:
        raise LinkError(
            "加密连接需要密钥目录中的 ca.pem、tls.pem 和 tls-key.pem；请为终端注册",
            "tls needs ca.pem, tls.pem and tls-key.pem in the key store; enrol the terminal",
        )
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=files.ca)
        context.sslsocket_class = ClosingSocket
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        files.load_into(context)
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    except (OSError, ValueError) as error:
        place = files.certificate.parent
        raise LinkError(
            f"{place} 中的证书或密钥无法使用；请为终端重新注册", f"the credentials in {place} cannot be used: {error}"
        ) from error
    names = [attribute.value for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [terminal]:
        raise LinkError(
            f"{files.certificate} 不是终端 {terminal} 的证书；请为终端注册",
            f"{files.certificate} is not the certificate of terminal {terminal}; enrol the terminal",
        )
    return context


def heed_dates(context: ssl.SSLContext, *, trusted: bool) -> None:
    """Whether certificates' dates count from the next connection on: by a clock that nobody vouches for they do not.

    A terminal that thinks it is 1970 would never hear from its platform what time it is. Whoever has an old server's
    key gains what owning a broker gains: what comes is signed by other keys.
    """
    flags = context.verify_flags
    context.verify_flags = flags & ~_NO_CHECK_TIME if trusted else flags | _NO_CHECK_TIME


class ClosingSocket(ssl.SSLSocket):
    """paho forgets a socket whose handshake failed and leaves it open until it is collected."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _detail(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return error.strerror or type(error).__name__
