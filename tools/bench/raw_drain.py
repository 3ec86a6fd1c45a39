"""The raw peer of a drain: an outbox in SQLite, paho, a consumer with one FULL commit a batch, an acknowledgement back.

What nobody could leave out: the consumer keeps the same columns under the same indexes as the platform, takes no
record twice, and has committed a batch before it acknowledges it; what is acknowledged has left the outbox, durably,
before the next batch leaves; one is in flight. Records are read, and believed as they come: no hash, no chain, no
checks, no signature, no model. Terminal and consumer are processes of their own.
"""

from __future__ import annotations

import json
import socket
import sqlite3
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

_NEXT = "SELECT body FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?"
_RECORD = """
CREATE TABLE record (chain_id BLOB NOT NULL, seq INTEGER NOT NULL, id BLOB NOT NULL UNIQUE, kind TEXT NOT NULL,
                     time_ms INTEGER NOT NULL, lane TEXT, profile TEXT, reason TEXT, refers_to BLOB,
                     received_ms INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (chain_id, seq)) STRICT
"""
_TAKE = "INSERT OR IGNORE INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SEQ, _ID, _KIND, _TIME_MS, _LANE, _PROFILE, _REASON, _REFERS_TO = 1, 2, 3, 4, 8, 9, 10, 13
_CHAIN_ID = bytes(16)
_KEEPALIVE_S = 60


def make_outbox(path: Path, journal: Path) -> int:
    """An outbox with the very bytes of a journal's records; how many."""
    connection = _open(path)
    connection.execute("CREATE TABLE outbox (seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT")
    connection.execute("ATTACH ? AS journal", (str(journal),))
    connection.execute("INSERT INTO outbox SELECT place, body FROM journal.record")
    count: int = connection.execute("SELECT count(*) FROM outbox").fetchone()[0]
    connection.close()
    return count


class _Terminal:
    """Sends the next batch whenever one is acknowledged; says how long it took from the first to the last."""

    def __init__(self, path: Path, client: mqtt.Client, topic: str, answers: str, records: int, size: int) -> None:
        self._connection = _open(path)
        self._client = client
        self._topic = topic
        self._records = records
        self._size_bytes = size
        self._head: int = self._connection.execute("SELECT max(seq) FROM outbox").fetchone()[0]
        self._first: tuple[int, int] | None = None
        client.on_connect = _listen(answers)
        client.on_subscribe = lambda *_: self._send(0)
        client.on_message = self._acknowledged

    def _send(self, acknowledged: int) -> None:
        batch: list[bytes] = []
        size_bytes = 0
        for (body,) in self._connection.execute(_NEXT, (acknowledged, self._records)):
            size_bytes += len(body)
            if batch and size_bytes > self._size_bytes:
                break
            batch.append(body)
        self._client.publish(self._topic, cbor2.dumps(batch), qos=1)

    def _acknowledged(self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        seq = int(message.payload)
        self._connection.execute("DELETE FROM outbox WHERE seq <= ?", (seq,))
        now_ns = time.monotonic_ns()
        self._first = self._first or (seq, now_ns)
        if seq < self._head:
            self._send(seq)
            return
        first_seq, first_ns = self._first
        sys.stdout.write(json.dumps({"records": seq - first_seq, "ns": now_ns - first_ns}) + "\n")
        sys.stdout.flush()
        self._client.disconnect()


class _Consumer:
    """Commits each batch and acknowledges it."""

    def __init__(self, path: Path, client: mqtt.Client, topic: str, answers: str) -> None:
        self._connection = _open(path)
        self._connection.execute(_RECORD)
        self._answers = answers
        client.on_connect = _listen(topic)
        client.on_subscribe = lambda *_: self._ready()
        client.on_message = self._take

    def _ready(self) -> None:
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    def _take(self, client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        now_ms = time.time_ns() // 1_000_000
        rows = [_row(body, now_ms) for body in cbor2.loads(message.payload)]
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(_TAKE, rows)
        self._connection.execute("COMMIT")
        client.publish(self._answers, str(rows[-1][1]), qos=1)


def _row(body: bytes, now_ms: int) -> tuple[Any, ...]:
    get = cbor2.loads(body).get
    place = (_CHAIN_ID, get(_SEQ), get(_ID), get(_KIND), get(_TIME_MS))
    return (*place, get(_LANE), get(_PROFILE), get(_REASON), get(_REFERS_TO), now_ms, body)


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _client(name: str, ca: str, certificate: str, key: str) -> mqtt.Client:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion.MQTTv5)
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(certificate, key)
    client.tls_set_context(context)
    client.on_socket_open = _no_delay
    return client


def _listen(topic: str) -> Callable[..., None]:
    def connected(client: mqtt.Client, *_: object) -> None:
        client.subscribe(topic, qos=1)

    return connected


def _no_delay(_client: mqtt.Client, _userdata: object, connection: Any) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def main(task: dict[str, Any]) -> None:
    """Play one of the two parts until it is over: the terminal by itself, the consumer when it is ended."""
    client = _client(task["name"], task["ca"], task["certificate"], task["key"])
    path, topic, answers = Path(task["database"]), task["topic"], task["answers"]
    if task["part"] == "consumer":
        _Consumer(path, client, topic, answers)
    else:
        _Terminal(path, client, topic, answers, task["batch_records"], task["batch_bytes"])
    client.connect(task["host"], task["port"], _KEEPALIVE_S)
    client.loop_forever()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
