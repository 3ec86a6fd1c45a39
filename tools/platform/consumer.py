"""One worker of the platform: takes messages of its shards from the broker in groups, commits them, answers them.

A message is acknowledged to the broker (PUBACK) only when the ingest has committed it and its answer is on its way; a
worker that dies in between gets it again. The session is persistent, so what terminals send meanwhile waits, bounded.
While one group is committed the next one gathers: the slower the database, the larger the groups. What gathers is
bounded too, whatever terminals send: an MQTT 5 broker is told how many messages may be under way (Receive Maximum, MQTT
5 §3.1.2.11.3) and how large one may be; one of 3.1.1 has a setting of its own for that. If it hands over more even so,
nothing more is read from it until there is room; at QoS 0, which no terminal uses and which promises nothing, it is
dropped.

A PUBACK names a message by a number that means it on its own connection only: on the next one the number may be another
message's, as at RabbitMQ, which counts anew, or after a broker lost the session. paho sends an acknowledgement on
whichever connection there is; so each connection has a client of its own, which makes no second one, and a message is
acknowledged by the client that it came from or not at all. What is not comes again, and is stored once.

MQTT 5 where the broker has it, 3.1.1 otherwise. Workers share the load by shards, each under a number of its own, which
is its name at the broker; where shards overlap, the database still commits each record once. Of several brokers, the
nodes of a cluster, it goes to the next one when it loses one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.sync.contract import Channel, subscription
from tools.platform.broker import Endpoint
from tools.platform.ca import Authority, worker_name
from tools.platform.inbox import Inbox
from tools.platform.ingest import MACHINES_FAULTS, Ingest, Message
from tools.platform.shards import EVERY, Served
from tools.platform.tls import context_of, send_at_once

MAX_GROUP = 100
"""No more messages in one transaction, nor under way from the broker."""
MAX_PACKET_BYTES = 2 * 1024 * 1024
"""As mosquitto's `message_size_limit`: twice the largest batch of the contract."""
MAX_WAITING = 2 * MAX_GROUP
MAX_WAITING_BYTES = 64 * 1024 * 1024
_UP = (Channel.HELLO, Channel.JOURNAL, Channel.STATE, Channel.ALARM, Channel.ASK, Channel.RESULT)
_KEEPALIVE_S = 20
_SESSION_EXPIRY_S = 7 * 86_400
# An answer is bound to one hello; a terminal that was away longer says hello anew.
_ANSWER_EXPIRY_S = 600
_PAUSE_S = 0.5
_FILTERS_A_PACKET = 256
_UNKNOWN_VERSION = "Unsupported protocol version"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of the load a worker takes, under which number; two of one number throw each other out."""

    number: int = 0
    shards: Sequence[str] = EVERY


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A message that the broker has handed over on one connection, and not heard about yet."""

    mid: int
    qos: int
    message: Message


class Consumer:
    """Consumes its share in a thread of its own, until it is stopped."""

    def __init__(
        self, endpoints: Sequence[Endpoint], authority: Authority, ingest: Ingest, share: Share | None = None
    ) -> None:
        self._share = share or Share()
        self._endpoints = tuple(endpoints)
        self._at = 0
        self._ingest = ingest
        self._served = Served(authority.workers, self._share.number)
        self._context = context_of(authority, self._share.number)
        self._is_v5 = True
        self._proven = False
        self._ungranted = 0
        self._inbox = _inbox()
        self._ready = threading.Event()
        self._broken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"consumer-{self._share.number}")

    def start(self) -> None:
        """Begin to connect and to consume; a connection that is lost is made again."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the group in hand, disconnect and end the thread."""
        self._stopping.set()
        self._inbox.ring()
        if self._thread.ident is not None:
            self._thread.join()

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Wait until every subscription is granted; whether that came in time."""
        return self._ready.wait(timeout_s)

    def _run(self) -> None:
        """One client after another: of a new one the broker hears anew what it sent and was not acknowledged."""
        while not self._stopping.is_set():
            self._broken.clear()
            inbox = self._inbox = _inbox()
            client = self._connect(inbox)
            while not self._stopping.is_set() and not self._broken.is_set():
                self._take(client, inbox.take(MAX_GROUP))
            self._ready.clear()
            inbox.close()
            client.disconnect()
            client.loop_stop()
            if self._broken.is_set():
                self._stopping.wait(_PAUSE_S)

    def _take(self, client: mqtt.Client, group: list[_Waiting]) -> None:
        if not group:
            return
        try:
            replies = self._ingest.handle_all([item.message for item in group])
        except MACHINES_FAULTS as error:
            # Its text may quote the statement's values.
            log.error("the platform failed (%s); messages wait at the broker", type(error).__name__)  # noqa: TRY400
            self._broken.set()
            return
        for reply in replies:
            if reply is not None:
                client.publish(reply.topic, reply.payload, qos=1, properties=self._expiry())
        for item in group:
            client.ack(item.mid, item.qos)

    def _expiry(self) -> Properties | None:
        if not self._is_v5:
            return None
        expiry = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        expiry.MessageExpiryInterval = _ANSWER_EXPIRY_S
        return expiry

    def _connect(self, inbox: Inbox[_Waiting]) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            worker_name(self._share.number),
            clean_session=None if self._is_v5 else False,
            protocol=MQTTProtocolVersion.MQTTv5 if self._is_v5 else MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        client.tls_set_context(self._context)
        client.on_socket_open = send_at_once
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_connect_fail = self._on_connect_fail
        client.on_message = partial(_on_message, inbox)
        endpoint = self._endpoints[self._at]
        properties = None
        if self._is_v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = _SESSION_EXPIRY_S
            properties.ReceiveMaximum = MAX_GROUP
            properties.MaximumPacketSize = MAX_PACKET_BYTES
        clean_start: bool | Literal[3] = False if self._is_v5 else mqtt.MQTT_CLEAN_START_FIRST_ONLY
        client.connect_async(endpoint.host, endpoint.port, _KEEPALIVE_S, clean_start=clean_start, properties=properties)
        client.loop_start()
        return client

    def _on_connect(
        self, client: mqtt.Client, _userdata: Any, _flags: mqtt.ConnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            log.warning("the broker refused the platform: %s", reason)
            if reason.getName() == _UNKNOWN_VERSION:
                self._speak_the_other()
            return  # it closes the connection
        self._proven = True
        if former := _filters(self._served.former(self._share.shards)):
            client.unsubscribe(former)
        wanted = _filters(self._share.shards)
        packets = [wanted[first : first + _FILTERS_A_PACKET] for first in range(0, len(wanted), _FILTERS_A_PACKET)]
        self._ungranted = len(packets)
        for packet in packets:
            client.subscribe([(each, 1) for each in packet])

    def _on_subscribe(
        self, _client: mqtt.Client, _userdata: Any, _mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        refused = next((reason for reason in reasons if reason.is_failure), None)
        if refused is not None:
            # It may be for a moment, as at a cluster that has just lost a node: nobody else would ask again.
            if not self._broken.is_set():
                log.error("the broker refused a subscription: %s", refused)
                self._go_on()
            return
        self._ungranted -= 1
        if self._ungranted == 0:
            self._served.note(self._share.shards)
            self._ready.set()

    def _on_disconnect(self, *_: object) -> None:
        self._ready.clear()
        if self._broken.is_set():
            return  # what follows from it has been done
        if not self._proven:
            # A 3.1.1 broker may also answer a level that it does not know by closing (MQTT 3.1.1 §3.1.2.2).
            self._speak_the_other()
        self._go_on()

    def _on_connect_fail(self, *_: object) -> None:
        self._go_on()

    def _go_on(self) -> None:
        """With a new client, at the next broker where there are several."""
        self._at = (self._at + 1) % len(self._endpoints)
        self._broken.set()
        self._inbox.ring()

    def _speak_the_other(self) -> None:
        self._is_v5 = not self._is_v5
        self._broken.set()
        self._inbox.ring()


def _inbox() -> Inbox[_Waiting]:
    return Inbox(MAX_WAITING, MAX_WAITING_BYTES)


def _on_message(inbox: Inbox[_Waiting], _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
    taken = Message(message.topic, bytes(message.payload))
    inbox.put(_Waiting(message.mid, message.qos, taken), len(taken.payload), waits=message.qos > 0)


def _filters(shards: Sequence[str]) -> list[str]:
    return [subscription(channel, shard) for shard in shards for channel in _UP]
