"""A further ingest worker: the same database and broker as the platform's, a share of its own."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from tools.cli.words import say
from tools.platform.broker import Endpoint
from tools.platform.ca import Authority
from tools.platform.consumer import Consumer, Share
from tools.platform.errors import PlatformError
from tools.platform.service import Layout, ingest_of
from tools.platform.store import Store

READY_S = 15.0


class Worker:
    """Runs from `start` until `stop`, or as a context manager."""

    def __init__(self, store: Store, consumer: Consumer) -> None:
        self._store = store
        self._consumer = consumer

    @classmethod
    def start(cls, directory: Path, database: str, broker: str | None, share: Share) -> Self:
        """Start a worker beside the platform of `directory`, and return when it consumes. Raises `PlatformError`."""
        layout = Layout(directory)
        authority = Authority.at(layout.keys)
        endpoints = Endpoint.parse_all(broker or _endpoint_of(layout))
        store = Store.open(database)
        worker = cls(store, Consumer(endpoints, authority, ingest_of(store, authority), share))
        worker._consumer.start()
        if not worker._consumer.wait_until_ready(READY_S):
            worker.stop()
            raise PlatformError(
                say(
                    f"无法在消息服务器 {endpoints[0]} 订阅：请检查地址，以及它是否使用本平台的证书。",
                    f"Cannot subscribe at the broker {endpoints[0]}: "
                    "check the address, and that it uses this platform's certificates.",
                )
            )
        return worker

    def stop(self) -> None:
        """Finish the group in hand, and end."""
        self._consumer.stop()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _endpoint_of(layout: Layout) -> str:
    try:
        return layout.endpoint.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise PlatformError(
            say(
                "平台没有在此目录运行过：请先运行 onecard platform run，或用 --broker 给出消息服务器。",
                "The platform never ran in this directory: run `onecard platform run` first, or name the --broker.",
            )
        ) from error
