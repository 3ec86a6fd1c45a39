"""A bare MQTT 5 client with a terminal's certificate: what a terminal, or a thief with its keys, can do."""

from __future__ import annotations

import queue
import ssl
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from agent.keys import FileKeyStore
from tools.platform.broker import Endpoint

PATIENCE_S = 25.0


def context_of(keys: Path) -> ssl.SSLContext:
    """TLS with the credentials of a terminal's key directory."""
    files = FileKeyStore(keys).tls_files()
    context = ssl.create_default_context(cafile=files.ca)
    files.load_into(context)
    return context


class MqttClient:
    """Connected for the length of a `with` block; `got` holds (topic, payload), `puback` the reason of each publish."""

    def __init__(
        self,
        endpoint: Endpoint,
        context: ssl.SSLContext,
        client_id: str = "",
        *,
        version_5: bool = True,
        username: str = "",
    ) -> None:
        self._endpoint = endpoint
        self._reasons: queue.SimpleQueue[ReasonCode] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.got: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        version = MQTTProtocolVersion.MQTTv5 if version_5 else MQTTProtocolVersion.MQTTv311
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, protocol=version, reconnect_on_failure=False)
        self._client.tls_set_context(context)
        if username:
            self._client.username_pw_set(username)
        self._client.on_connect = lambda *_: self._events.put("connected")
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = lambda *_: self._events.put("ended")
        self._client.on_publish = lambda _client, _userdata, _mid, reason, _properties: self._reasons.put(reason)
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        self._client.connect(self._endpoint.host, self._endpoint.port)
        self._client.loop_start()
        assert self._events.get(timeout=PATIENCE_S) == "connected"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def subscribe(self, pattern: str) -> None:
        assert self.may_subscribe(pattern)

    def publish(self, topic: str, payload: bytes) -> ReasonCode:
        """Publish at QoS 1 and return the broker's reason code."""
        self._client.publish(topic, payload, qos=1)
        return self._reasons.get(timeout=PATIENCE_S)

    def mention(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 0, which nobody acknowledges."""
        self._client.publish(topic, payload, qos=0)

    def may_subscribe(self, pattern: str) -> bool:
        """Whether the broker grants it; 3.1.1 brokers may also answer by closing."""
        self._client.subscribe(pattern, qos=1)
        return self._events.get(timeout=PATIENCE_S) == "subscribed"

    def may_publish(self, topic: str) -> bool:
        """Whether the broker takes it; a 3.1.1 broker answers what it denies by closing."""
        self._client.publish(topic, b"", qos=1)
        wait_until(lambda: not self._reasons.empty() or not self._events.empty(), "neither PUBACK nor an end")
        return not self._reasons.empty()

    def retain(self, topic: str, payload: bytes) -> None:
        """Publish a retained message and wait for the broker's PUBACK."""
        self._client.publish(topic, payload, qos=1, retain=True)
        self._reasons.get(timeout=PATIENCE_S)

    def receive(self) -> tuple[str, bytes]:
        return self.got.get(timeout=PATIENCE_S)

    def is_connected(self) -> bool:
        return self._client.is_connected()

    def _on_subscribe(self, _client: mqtt.Client, _userdata: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        self._events.put("denied" if any(reason.is_failure for reason in reasons) else "subscribed")

    def _on_message(self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        self.got.put((message.topic, bytes(message.payload)))


def wait_until(condition: Any, what: str) -> None:
    """Poll until `condition()` is true; fail with `what` after the common patience."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
