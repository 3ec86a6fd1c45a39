"""The HTTP server of :mod:`agent.exposition`: off unless configured, on loopback by default, a few requests at once.

Whoever asks whole is answered at once, whatever others do: of too many connections the oldest gives way, none lasts.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from io import BytesIO
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from agent.exposition import MetricsConfig, families
from agent.standing import Standing
from agent.threads import in_thread

_LOOK_S = 2.0
REQUEST_S = 3.0
"""For a whole request: who sends a byte now and then has no longer."""
MAX_HEAD_BYTES = 8_192
"""A request's first line and its headers together; the library would keep hundred headers of 64 KiB."""
MAX_OPEN = 8
"""Connections of all who ask together; the next one ends the oldest."""


class Exposition:
    """One server, a thread for each of its few connections. ``look`` runs on the event loop."""

    def __init__(self, config: MetricsConfig, look: Callable[[], Standing]) -> None:
        self._config = config
        self._look = look

    async def run(self) -> None:
        """Answer until cancelled. Raises ``OSError`` where the address cannot be had."""
        server = self._server(asyncio.get_running_loop())
        try:
            await in_thread(server.serve_forever, "metrics")
        finally:
            await in_thread(server.shutdown, "metrics")
            await in_thread(server.server_close, "metrics")

    def _server(self, loop: asyncio.AbstractEventLoop) -> _Server:
        async def look() -> Standing:
            return self._look()

        class Looking(Collector):
            def collect(self) -> Iterator[Metric]:
                yield from families(asyncio.run_coroutine_threadsafe(look(), loop).result(_LOOK_S))

        registry = CollectorRegistry()
        registry.register(Looking())
        kind = _Server6 if self._config.address.version == 6 else _Server
        server = kind((str(self._config.address), self._config.port), _Quiet)
        server.set_app(make_wsgi_app(registry))
        return server


class _Server(ThreadingMixIn, WSGIServer):
    def __init__(self, address: tuple[str, int], handler: type[WSGIRequestHandler]) -> None:
        super().__init__(address, handler)
        self._lock = threading.Lock()
        self._open: deque[socket.socket] = deque()

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own, in the place of the oldest where there are too many."""
        with self._lock:
            self._open.append(request)
            if len(self._open) > MAX_OPEN:
                _end(self._open.popleft())
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """It is over, whatever it came to."""
        with self._lock, contextlib.suppress(ValueError):
            self._open.remove(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """End every connection, then its thread."""
        with self._lock:
            for request in self._open:
                _end(request)
        super().server_close()

    def server_bind(self) -> None:
        """Without asking DNS for this machine's name, as the library would: the event loop waits here."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who goes away, or is sent away, is no event of the terminal."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    """Who says nothing for two seconds is not waited for; who asks is not logged."""

    timeout = _LOOK_S

    def handle(self) -> None:
        """Answer one request within its time; the connection ends with it."""
        deadline = threading.Timer(REQUEST_S, self._give_up)
        deadline.daemon = True
        deadline.start()
        try:
            self.rfile = BytesIO(self._head())
            super().handle()
        finally:
            deadline.cancel()

    def _head(self) -> bytes:
        """All that is read of a request. Raises ``OSError`` where it does not end within the bound."""
        head = b""
        with self.rfile as received:
            while line := received.readline(MAX_HEAD_BYTES - len(head)):
                head += line
                if not line.strip():
                    return head
        raise ConnectionAbortedError(errno.ECONNABORTED, "no whole request")

    def _give_up(self) -> None:
        _end(self.connection)

    def log_message(self, *_: object) -> None:
        """Nothing: requests are no event of the terminal."""


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it ended by itself meanwhile
        connection.shutdown(socket.SHUT_RDWR)
