"""The HTTP server of :mod:`agent.exposition`: off unless configured, on loopback by default, one request at a time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from agent.exposition import MetricsConfig, families
from agent.standing import Standing
from agent.threads import in_thread

_LOOK_S = 2.0


class Exposition:
    """One server, in one thread: who asks is answered after whoever asked before. ``look`` runs on the event loop."""

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
            server.server_close()

    def _server(self, loop: asyncio.AbstractEventLoop) -> WSGIServer:
        async def look() -> Standing:
            return self._look()

        class Looking(Collector):
            def collect(self) -> Iterator[Metric]:
                yield from families(asyncio.run_coroutine_threadsafe(look(), loop).result(_LOOK_S))

        registry = CollectorRegistry()
        registry.register(Looking())
        kind = _Server6 if self._config.address.version == 6 else WSGIServer
        server = kind((str(self._config.address), self._config.port), _Quiet)
        server.set_app(make_wsgi_app(registry))
        return server


class _Server6(WSGIServer):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    """Who says nothing for two seconds is not waited for; who asks is not logged."""

    timeout = _LOOK_S

    def log_message(self, *_: object) -> None:
        """Nothing: requests are no event of the terminal."""
