"""The platform's own MQTT client in the tests: keeps what it hears, and answers if it is told how."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from agent.keys import TlsFiles

_DEADLINE_S = 10.0


class Watcher:
    """Connected as ``platform``; ``answer(topic, payload)`` may return a topic and payload to publish."""

    def __init__(
        self, port: int, tls: TlsFiles, answer: Callable[[str, bytes], tuple[str, bytes] | None] = lambda *_: None
    ) -> None:
        self.heard: list[mqtt.MQTTMessage] = []
        self._changed = threading.Condition()
        self._answer = answer
        self._subscribed = threading.Event()
        context = ssl.create_default_context(cafile=tls.ca)
        context.load_cert_chain(tls.certificate, tls.key)
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, "platform", protocol=mqtt.MQTTv5)
        self.client.tls_set_context(context)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda client, *_: client.subscribe("onecard/1/+/+/up/#", 1)
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def __enter__(self) -> Self:
        assert self._subscribed.wait(_DEADLINE_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def wait(self, wanted: Callable[[mqtt.MQTTMessage], bool]) -> mqtt.MQTTMessage:
        """The first message heard so far or yet to come that is ``wanted``."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(wanted, self.heard)), _DEADLINE_S)
            return next(filter(wanted, self.heard))

    def _on_message(self, client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        with self._changed:
            self.heard.append(message)
            self._changed.notify_all()
        answer = self._answer(message.topic, bytes(message.payload))
        if answer is not None:
            client.publish(*answer, qos=1)
