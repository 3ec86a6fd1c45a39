"""Sends commands to terminals: at once, and again, ever more seldom, until the terminal has answered or they end.

A terminal that is away finds them in its session at the broker, or is sent them when that has lost them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from agent.sync.contract import Address, Channel
from tools.platform import orders
from tools.platform.store import Store

AGAIN_S = 5.0
AGAIN_CAP_S = 300.0


class Dispatcher:
    """Says what is to be published now; used in the publisher's thread. Faults of the database are raised."""

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms
        self._sent: dict[bytes, tuple[float, float]] = {}
        self._anew = False

    def due(self) -> Iterator[tuple[str, bytes]]:
        """Topics and payloads."""
        with self._store.transaction() as transaction:
            waiting = orders.due(transaction, self._now_ms())
        now_s = time.monotonic()
        sent = {} if self._anew else self._sent
        self._anew = False
        self._sent = {row.id: sent[row.id] for row in waiting if row.id in sent}
        for row in waiting:
            again_s, pause_s = self._sent.get(row.id, (now_s, AGAIN_S))
            if now_s >= again_s:
                self._sent[row.id] = now_s + pause_s, min(AGAIN_CAP_S, 2 * pause_s)
                yield Address(row.terminal).topic(Channel.COMMAND), row.payload

    def begin_anew(self) -> None:
        """The broker may have lost everything; called in any thread."""
        self._anew = True
