"""Hears who wants to be enrolled, or certified anew, and lets the desk answer; a client of its own, in a thread.

Nothing is lost where a message is: boxes ask every second, and terminals until they have what they want. What waits is
bounded, and whoever floods the queue keeps out only those who enrol.
"""

from __future__ import annotations

import logging
import queue
import secrets
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from sqlalchemy.exc import SQLAlchemyError

from agent.sync.contract import Channel, subscription
from agent.sync.contract.enrol import MAX_CERTIFICATE_BYTES
from agent.sync.contract.topics import ENROLLING
from tools.platform.broker import Endpoint
from tools.platform.ca import REGISTRAR, Authority, worker_name
from tools.platform.enrol_desk import EnrolDesk
from tools.platform.errors import PlatformError
from tools.platform.tls import anew_if_refused, context_of, send_at_once

CERTIFYING = subscription(Channel.CERTIFY)
__all__ = ["CERTIFYING", "ENROLLING", "Registrar"]

MAX_WAITING = 1_000
_MAX_BYTES = MAX_CERTIFICATE_BYTES + 4_096
_LOOK_S = 0.5
_KEEPALIVE_S = 20
_MAX_DELAY_S = 5

log = logging.getLogger(__name__)


class Registrar:
    """Runs from `start` until `stop`, for one kind of topic: `CERTIFYING` where terminals are, else `ENROLLING`."""

    def __init__(self, endpoints: Sequence[Endpoint], authority: Authority, desk: EnrolDesk, heard: str) -> None:
        self._heard = heard
        self._endpoints = tuple(endpoints)
        self._at = 0
        self._desk = desk
        self._context = context_of(authority, REGISTRAR)
        self._waiting: queue.Queue[tuple[str, bytes]] = queue.Queue(MAX_WAITING)
        self._stopping = threading.Event()
        self._client = self._make_client()
        self._thread = threading.Thread(target=self._run, name="registrar")

    def start(self) -> None:
        """Begin to connect and to hear."""
        self._aim(self._client)
        self._client.loop_start()
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()

    def _make_client(self) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            self._client_id(),
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
        )
        client.tls_set_context(self._context)
        client.on_socket_open = send_at_once
        client.reconnect_delay_set(1, _MAX_DELAY_S)
        client.on_connect = self._on_connect
        client.on_subscribe = anew_if_refused
        client.on_disconnect = lambda client, *_: self._aim(client)
        client.on_connect_fail = lambda client, _userdata: self._aim(client)
        client.on_message = self._on_message
        return client

    def _on_connect(self, client: mqtt.Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.warning("the broker refused the registrar: %s", reason)
            return
        client.subscribe(self._heard, qos=1)

    def _client_id(self) -> str:
        """Where strangers connect, one that none of them guesses: the same id would throw the platform out."""
        name = worker_name(REGISTRAR)
        return name if self._heard == CERTIFYING else f"{name}.{secrets.token_hex(8)}"

    def _aim(self, client: mqtt.Client) -> None:
        """The next try goes to the next broker."""
        endpoint = self._endpoints[self._at]
        self._at = (self._at + 1) % len(self._endpoints)
        client.connect_async(endpoint.host, endpoint.port, _KEEPALIVE_S)

    def _on_message(self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        if len(message.payload) <= _MAX_BYTES:
            with suppress(queue.Full):
                self._waiting.put_nowait((message.topic, bytes(message.payload)))

    def _run(self) -> None:
        while not self._stopping.is_set():
            with suppress(queue.Empty):
                self._answer(*self._waiting.get(timeout=_LOOK_S))

    def _answer(self, topic: str, payload: bytes) -> None:
        try:
            reply = self._desk.take(topic, payload)
        except (SQLAlchemyError, PlatformError, OSError) as error:
            # Its text may quote the statement's values.
            log.error("enrolment failed (%s); it is asked for again", type(error).__name__)  # noqa: TRY400
            return
        if reply is not None:
            self._client.publish(reply.topic, reply.payload, qos=1)
