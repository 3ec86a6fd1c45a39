"""Gives out bundles and commands over MQTT: offers are retained or sent to whom they concern, chunks follow on demand.

A client of its own, so that a flood of chunks holds up no acknowledgement. Retained offers are a hint that brokers
lose: whenever a terminal reports its state, what it lacks is offered to it again, soon at first and then ever more
seldom. A chunk that several terminals want at about the same time is published once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from sqlalchemy.exc import SQLAlchemyError

from agent.bundles.chunk_tree import ChunkTree
from agent.sync.contract import (
    Address,
    Channel,
    Chunk,
    ContractError,
    Offer,
    State,
    Want,
    chunk_topic,
    manifest_topic,
    parse_topic,
    subscription,
)
from tools.platform.broker import Endpoint
from tools.platform.bundle_store import BundleStore, Latest, Published
from tools.platform.ca import PUBLISHER, Authority, worker_name
from tools.platform.dispatcher import Dispatcher
from tools.platform.inbox import Inbox
from tools.platform.leases import renew
from tools.platform.tls import anew_if_refused, context_of, send_at_once

LOOK_S = 0.5
RENEW_S = 60.0
AGAIN_S = 30.0
AGAIN_CAP_S = 3_600.0
ONCE_WITHIN_S = 1.0
"""A chunk that was published so lately is on its way to whoever wants it."""
MAX_WANTED = 10_000
MAX_WANTED_BYTES = 16 * 1024 * 1024
MAX_TREES = 16
"""Trees over bodies that are kept in memory: one of the largest body has two megabytes."""
MAX_OFFERED = 100_000
_UNDER_WAY = 64
_KEEPALIVE_S = 20
_MAX_DELAY_S = 5

log = logging.getLogger(__name__)


class Publisher:
    """Runs in a thread of its own from `start` until `stop`."""

    def __init__(
        self, endpoints: Sequence[Endpoint], authority: Authority, directory: Path, dispatcher: Dispatcher
    ) -> None:
        self._dispatcher = dispatcher
        self._endpoints = tuple(endpoints)
        self._at = 0
        self.store = BundleStore(directory)
        self._authority = authority
        self._renewed_s = -RENEW_S
        self._context = context_of(authority, PUBLISHER)
        self._wanted: Inbox[tuple[str, bytes]] = Inbox(MAX_WANTED, MAX_WANTED_BYTES)
        self._latest: list[Latest] | None = None
        self._bodies: dict[bytes, Published] = {}
        self._seen: object = None
        self._offered: OrderedDict[tuple[str, bytes], tuple[float, float]] = OrderedDict()
        self._trees: OrderedDict[bytes, ChunkTree] = OrderedDict()
        self._lately: OrderedDict[tuple[bytes, int], float] = OrderedDict()
        self._room = threading.Semaphore(_UNDER_WAY)
        self._connected = threading.Event()
        self._stopping = threading.Event()
        self._client = self._make_client()
        self._thread = threading.Thread(target=self._run, name="publisher")

    def start(self) -> None:
        """Begin to connect and to give out."""
        self._aim(self._client)
        self._client.loop_start()
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._stopping.set()
        self._wanted.ring()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()

    def _make_client(self) -> mqtt.Client:
        # 3.1.1 does for all that is asked here, and every broker speaks it.
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            worker_name(PUBLISHER),
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
        )
        client.tls_set_context(self._context)
        client.on_socket_open = send_at_once
        client.reconnect_delay_set(1, _MAX_DELAY_S)
        client.on_connect = self._on_connect
        client.on_subscribe = anew_if_refused
        client.on_disconnect = self._on_disconnect
        client.on_connect_fail = lambda client, _userdata: self._aim(client)
        client.on_message = self._on_message
        client.on_publish = lambda *_: self._room.release()
        return client

    def _on_connect(self, client: mqtt.Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.warning("the broker refused the publisher: %s", reason)
            return
        client.subscribe([(subscription(Channel.ASK), 1), (subscription(Channel.STATE), 1)])
        self._seen = None  # what the broker retains may be gone
        self._dispatcher.begin_anew()
        self._connected.set()

    def _on_disconnect(self, client: mqtt.Client, *_: object) -> None:
        self._connected.clear()
        self._aim(client)

    def _aim(self, client: mqtt.Client) -> None:
        """The next try goes to the next broker."""
        endpoint = self._endpoints[self._at]
        self._at = (self._at + 1) % len(self._endpoints)
        client.connect_async(endpoint.host, endpoint.port, _KEEPALIVE_S)

    def _on_message(self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        # What is not heard is asked for again.
        self._wanted.put((message.topic, bytes(message.payload)), len(message.payload), waits=False)

    def _run(self) -> None:
        while not self._stopping.is_set():
            for topic, payload in self._wanted.take(1, LOOK_S):
                self._hear(topic, payload)
            try:
                self._renew()
                if self._connected.is_set():
                    self._look()
                    for topic, payload in self._dispatcher.due():
                        self._publish(topic, payload)
            except SQLAlchemyError as error:
                # Its text may quote the statement's values.
                log.error("commands cannot be read (%s)", type(error).__name__)  # noqa: TRY400
            except OSError as error:
                log.error("the bundles cannot be read: %s", error.strerror)  # noqa: TRY400 - a sentence for the operator

    def _renew(self) -> None:
        """Leases that are half over."""
        if time.monotonic() >= self._renewed_s + RENEW_S:
            self._renewed_s = time.monotonic()
            renew(self.store, self._authority, time.time_ns() // 1_000_000)

    def _look(self) -> None:
        """Retain anew what has changed in the directory."""
        seen = self.store.fingerprint()
        if seen == self._seen:
            return
        self._seen = seen
        before, self._latest = self._latest, self.store.latest()
        self._bodies = {form.manifest.body_sha256: form for latest in self._latest for form in latest.forms}
        self._offered.clear()
        for latest in self._latest:
            if latest.for_all:
                self._publish(manifest_topic(latest.name), Offer(envelopes=latest.envelopes).encode(), retain=True)
            elif before is not None and latest not in before and (terminal := latest.terminal) is not None:
                self._offer(Address(terminal), latest)

    def _hear(self, topic: str, payload: bytes) -> None:
        """A terminal's state or wish; what is neither is somebody else's."""
        with suppress(ContractError):
            address, channel = parse_topic(topic)
            if channel is Channel.STATE:
                self._offer_what_lacks(address, State.decode(payload))
            elif channel is Channel.ASK:
                self._give(Want.decode(payload))

    def _offer_what_lacks(self, address: Address, state: State) -> None:
        if state.report is None:
            return
        held = {bundle.name: bundle.version for bundle in state.report.bundles}
        for latest in self._latest or ():
            if held.get(latest.name, 0) < latest.version and latest.may_be_for(address.terminal):
                self._offer(address, latest)

    def _offer(self, address: Address, latest: Latest) -> None:
        """Offer it to one terminal, if it is time to."""
        if self._is_due((address.terminal, latest.forms[0].manifest.content_sha256)):
            self._publish(address.topic(Channel.OFFER), Offer(envelopes=latest.envelopes).encode())

    def _is_due(self, key: tuple[str, bytes]) -> bool:
        """Whether to offer it now; each time later than the time before."""
        now_s = time.monotonic()
        not_before_s, pause_s = self._offered.pop(key, (now_s, AGAIN_S))
        due = now_s >= not_before_s
        self._offered[key] = (now_s + pause_s, min(AGAIN_CAP_S, 2 * pause_s)) if due else (not_before_s, pause_s)
        if len(self._offered) > MAX_OFFERED:
            self._offered.popitem(last=False)
        return due

    def _give(self, want: Want) -> None:
        published = self._bodies.get(want.body_sha256)
        if published is None:
            return
        manifest, now_s = published.manifest, time.monotonic()
        for number in range(want.first, want.first + want.count):
            key = (want.body_sha256, number)
            if now_s - self._lately.get(key, -ONCE_WITHIN_S) < ONCE_WITHIN_S:
                continue
            try:
                data = published.chunk(number)
                path = self._path(published, number) if data else None
            except OSError as error:
                log.error("a bundle cannot be read: %s", error.strerror)  # noqa: TRY400 - a sentence for the operator
                return
            if not data:
                return
            chunk = Chunk(body_sha256=want.body_sha256, number=number, data=data, path=path)
            self._publish(chunk_topic(manifest.name, manifest.bundle_version, number), chunk.encode())
            self._lately[key] = now_s
        while len(self._lately) > MAX_WANTED:
            self._lately.popitem(last=False)

    def _path(self, published: Published, number: int) -> tuple[bytes, ...] | None:
        """What proves a chunk by itself; of a bundle that was made before there were trees, nothing."""
        digest = published.manifest.body_sha256
        if published.manifest.chunk_root is None:
            return None
        tree = self._trees.pop(digest, None) or published.tree()
        self._trees[digest] = tree
        if len(self._trees) > MAX_TREES:
            self._trees.popitem(last=False)
        return tree.path(number)

    def _publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """So many under way and no more: the broker's pace is the publisher's."""
        while not self._room.acquire(timeout=LOOK_S):
            if self._stopping.is_set() or not self._connected.is_set():
                return
        if self._client.publish(topic, payload, qos=1, retain=retain).rc is not mqtt.MQTT_ERR_SUCCESS:
            self._room.release()
