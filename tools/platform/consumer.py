"""The platform's MQTT 5 client: hands each message to the ingest in order, and lets the broker forget it afterwards.

A message is acknowledged to the broker (PUBACK) only when the ingest has committed it and its answer is on its way; a
platform that dies in between gets it again. The session is persistent, so what terminals send meanwhile waits, bounded.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Iterable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from sqlalchemy.exc import SQLAlchemyError

from agent.sync.contract import Channel, subscription
from tools.platform.broker import Endpoint
from tools.platform.ca import PLATFORM_NAME, Authority
from tools.platform.ingest import Ingest

ALL_SHARDS = "+"

_UP = (Channel.HELLO, Channel.JOURNAL, Channel.STATE, Channel.ALARM)
_KEEPALIVE_S = 20
_SESSION_EXPIRY_S = 7 * 86_400
# An answer is bound to one hello; a terminal that was away longer says hello anew.
_ANSWER_EXPIRY_S = 600
_MAX_DELAY_S = 5

log = logging.getLogger(__name__)


class Consumer:
    """Consumes the shards it is given (two hexadecimal digits each; all by default) in a thread of its own."""

    def __init__(
        self, endpoint: Endpoint, authority: Authority, ingest: Ingest, shards: Iterable[str] = (ALL_SHARDS,)
    ) -> None:
        self._endpoint = endpoint
        self._ingest = ingest
        self._filters = [(subscription(channel, shard), 1) for shard in shards for channel in _UP]
        self._ready = threading.Event()
        self._failed = threading.Event()
        self._context = ssl.create_default_context(cafile=authority.ca.certificate)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.load_cert_chain(authority.client.certificate, authority.client.key)
        self._client: mqtt.Client | None = None

    def start(self) -> None:
        """Begin to connect and to consume; a connection that is lost is made again."""
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, PLATFORM_NAME, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
        )
        client.tls_set_context(self._context)
        client.reconnect_delay_set(1, _MAX_DELAY_S)
        client.on_socket_open = _send_at_once
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = _SESSION_EXPIRY_S
        client.connect_async(
            self._endpoint.host, self._endpoint.port, _KEEPALIVE_S, clean_start=False, properties=properties
        )
        client.loop_start()
        self._client = client

    def stop(self) -> None:
        """Finish the message in hand, disconnect and end the thread."""
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Wait until every subscription is granted; whether that came in time."""
        return self._ready.wait(timeout_s)

    def recover(self) -> None:
        """After a fault of the database: connect anew, upon which the broker sends again what was not acknowledged."""
        if self._failed.is_set():
            self.stop()
            self._failed.clear()
            self.start()

    def _on_connect(
        self, client: mqtt.Client, _userdata: Any, _flags: mqtt.ConnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            log.warning("the broker refused the platform: %s", reason)
            return
        client.subscribe(self._filters)

    def _on_subscribe(
        self, _client: mqtt.Client, _userdata: Any, _mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            log.error("the broker refused a subscription: %s", reasons)
            return
        self._ready.set()

    def _on_disconnect(self, *_: object) -> None:
        self._ready.clear()

    def _on_message(self, client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        if self._failed.is_set():
            return
        try:
            reply = self._ingest.handle(message.topic, bytes(message.payload))
        except SQLAlchemyError as error:
            # Its text may quote the statement's values.
            log.error("the platform's database failed (%s); messages wait at the broker", type(error).__name__)  # noqa: TRY400
            self._failed.set()
            client.disconnect()
            return
        if reply is not None:
            expiry = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            expiry.MessageExpiryInterval = _ANSWER_EXPIRY_S
            client.publish(reply.topic, reply.payload, qos=1, properties=expiry)
        client.ack(message.mid, message.qos)


def _send_at_once(_client: mqtt.Client, _userdata: Any, connection: Any) -> None:
    """Nagle's algorithm would hold each answer back for 40 ms."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
