"""Thousands of simulated terminals in one process: the agent's own uplink, paho and TLS, one selector, one thread.

Each has its certificate, its TLS context, its MQTT session and its uplink. Handshakes block, so a few threads make the
connections and hand them over. The process says ``ready``, waits for a line, connects them all at once, and ends with
one JSON object when the platform has acknowledged everything.
"""

from __future__ import annotations

import json
import os
import queue
import selectors
import socket
import ssl
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from agent import cose
from agent.clock import SystemClock, SystemRandom
from agent.keys import TlsFiles
from agent.sync.connection import tls_context
from agent.sync.contract import Address, Channel
from agent.sync.uplink import Publish, Uplink
from tools.bench.fleet_outbox import FleetOutbox
from tools.bench.process import rss_mb
from tools.bench.report import percentile

_CONNECTING = 4
_KEEPALIVE_S = 300
_CONNECT_S = 120.0
_AGAIN_S = 1.0
_TICK_S = 0.25
_STALLED_S = 180.0


class SimulatedTerminal:
    """One terminal over one connection at a time. ``lags_s`` is how long each batch waited for its acknowledgement."""

    def __init__(self, name: str, task: dict[str, Any], keys: dict[bytes, cose.VerifyKey]) -> None:
        directory = Path(task["directory"])
        self._address = Address(name)
        self._server = (task["host"], task["port"])
        self.outbox = FleetOutbox(directory / f"{name}.journal")
        self.uplink = Uplink(
            name, self.outbox, self.outbox, lambda: keys, lambda *_: None, SystemClock(), SystemRandom()
        )
        files = TlsFiles(Path(task["ca"]), directory / f"{name}.pem", directory / f"{name}-key.pem")
        self._tls = tls_context(name, files)
        self._sent_s = 0.0
        self.lags_s: list[float] = []
        self.is_lost = False
        self.client = self._make_client()

    def _make_client(self) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            self._address.terminal,
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.tls_set_context(self._tls)
        client.connect_timeout = _CONNECT_S
        client.on_socket_open = _no_delay
        client.on_connect = self._connected
        client.on_subscribe = lambda *_: self.say(self.uplink.connected)
        client.on_message = lambda _client, _userdata, message: self._answered(bytes(message.payload))
        client.on_disconnect = self._disconnected
        return client

    def connect(self) -> None:
        """TCP, TLS and CONNECT; blocks. Raises ``OSError``."""
        self.is_lost = False
        self.client.connect(*self._server, keepalive=_KEEPALIVE_S)

    def serve(self, *, readable: bool) -> None:
        """Read what came and write what waits."""
        connection = self.client.socket()
        while readable and isinstance(connection, ssl.SSLSocket):
            self.client.loop_read()
            connection = self.client.socket()
            readable = isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
        if self.client.want_write():
            self.client.loop_write()

    def say(self, step: Callable[[], tuple[Publish, ...]]) -> None:
        """Publish what a step of the uplink brings."""
        for item in step():
            if item.channel is Channel.JOURNAL:
                self._sent_s = time.monotonic()
            self.client.publish(self._address.topic(item.channel), item.payload, qos=1)

    def _connected(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe(self._address.topic(Channel.ACK), qos=1)

    def _answered(self, payload: bytes) -> None:
        before, sent_s = self.uplink.counters["acknowledgements"], self._sent_s
        self.say(lambda: self.uplink.answered(payload))
        if self.uplink.counters["acknowledgements"] > before and sent_s:
            self.lags_s.append(time.monotonic() - sent_s)

    def _disconnected(self, *_: object) -> None:
        self.is_lost = True
        self.uplink.disconnected()


class Fleet:
    """All of them on one selector."""

    def __init__(self, terminals: list[SimulatedTerminal]) -> None:
        self._terminals = terminals
        self._selector = selectors.DefaultSelector()
        self._connected: queue.SimpleQueue[SimulatedTerminal] = queue.SimpleQueue()
        self._sockets: dict[SimulatedTerminal, socket.socket] = {}
        self.connected_s = 0.0
        self.lost = 0
        self.peak_mb = 0.0

    def drain(self) -> float:
        """Connect all at once and serve them until every outbox is empty; the seconds that took."""
        started_s = moved_s = time.monotonic()
        left = len(self._terminals)
        with ThreadPoolExecutor(_CONNECTING) as pool:
            for terminal in self._terminals:
                pool.submit(self._connect, terminal)
            tick_s = started_s
            while left:
                self._adopt(started_s)
                for key, events in self._selector.select(_TICK_S / 10):
                    self._serve(key.data, events, pool)
                if (now_s := time.monotonic()) - tick_s >= _TICK_S:
                    tick_s = now_s
                    waiting = self._tick()
                    moved_s = now_s if waiting < left else moved_s
                    left = waiting
                if now_s - moved_s > _STALLED_S:
                    raise TimeoutError(f"{left} terminals wait, and nothing moves")
        return time.monotonic() - started_s

    def _connect(self, terminal: SimulatedTerminal) -> None:
        while True:
            with suppress(OSError):
                terminal.connect()
                self._connected.put(terminal)
                return
            time.sleep(_AGAIN_S)

    def _adopt(self, started_s: float) -> None:
        with suppress(queue.Empty):
            while True:
                terminal = self._connected.get_nowait()
                connection = terminal.client.socket()
                if isinstance(connection, socket.socket):
                    self._sockets[terminal] = connection
                    self._selector.register(connection, selectors.EVENT_READ, terminal)
                    terminal.serve(readable=True)
                self.connected_s = time.monotonic() - started_s

    def _serve(self, terminal: SimulatedTerminal, events: int, pool: ThreadPoolExecutor) -> None:
        terminal.serve(readable=bool(events & selectors.EVENT_READ))
        if terminal.is_lost:
            self.lost += 1
            self._selector.unregister(self._sockets.pop(terminal))
            pool.submit(self._connect, terminal)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if terminal.client.want_write() else 0)
        connection = self._sockets[terminal]
        if self._selector.get_key(connection).events != wanted:
            self._selector.modify(connection, wanted, terminal)

    def _tick(self) -> int:
        """Let overdue terminals say hello; how many are not done."""
        self.peak_mb = max(self.peak_mb, rss_mb(os.getpid()))
        waiting = [terminal for terminal in self._terminals if not terminal.outbox.is_empty]
        for terminal in waiting:
            if terminal in self._sockets:
                terminal.say(terminal.uplink.tick)
                terminal.serve(readable=False)
        return len(waiting)


def _no_delay(_client: mqtt.Client, _userdata: object, connection: Any) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def main(task: dict[str, Any]) -> None:
    """See the module."""
    keys = cose.keyring([cose.VerifyKey.from_pem(Path(task["ack_key"]).read_bytes())])
    before_mb = rss_mb(os.getpid())
    terminals = [SimulatedTerminal(name, task, dict(keys)) for name in task["terminals"]]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    fleet = Fleet(terminals)
    took_s = fleet.drain()
    lags_s = [lag for terminal in terminals for lag in terminal.lags_s]
    done = {
        "seconds": took_s,
        "connected_s": fleet.connected_s,
        "lag_p50_s": percentile(lags_s, 0.5),
        "lag_p99_s": percentile(lags_s, 0.99),
        "overdue": sum(terminal.uplink.counters["overdue"] for terminal in terminals),
        "lost": fleet.lost,
        "kib_a_terminal": (fleet.peak_mb - before_mb) * 1_000_000 / 1024 / len(terminals),
    }
    sys.stdout.write(json.dumps(done) + "\n")
    sys.stdout.flush()
    os._exit(0)  # two thousand sessions that nobody needs any more


if __name__ == "__main__":
    main(json.loads(sys.stdin.readline()))
