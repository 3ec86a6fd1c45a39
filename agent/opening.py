"""What follows from the commit of one decision: its pulses, given by the commit itself or refused by the deadline.

The journal's writer gives the pulse in the moment of the commit, without waiting for the event loop's next turn: the
gate does not move later because the loop is busy, and never before its record is on the disk. The event loop is told
when all of it is over, so that nobody reads "please pass" before the gate has confirmed.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from agent.threads import post
from profiles.api import Actuate

PATIENCE_S = 2.0


class Opening:
    """One-shot permission: commit or deadline, whichever claims it first decides. Made on the event loop."""

    def __init__(
        self, pulses: Sequence[Actuate], give: Callable[[Actuate, Callable[[bool], None]], None], deadline_s: float
    ) -> None:
        self._pulses = pulses
        self._give = give
        self._claim = threading.Lock()
        self._unconfirmed = len(pulses)
        self.opened = True
        """Whether every pulse was confirmed; true also when there was none to give."""
        self.silent = False
        """A pulse was given and nothing came back within :data:`PATIENCE_S` after the deadline."""
        self._loop = asyncio.get_running_loop()
        self.settled: asyncio.Future[None] = self._loop.create_future()
        """Done when the append has ended and every pulse that it gave has come back, or when the deadline refused."""
        self.refused = False
        """The deadline was first: whatever the append brings, no pulse is given."""
        self.durable_ns = 0
        """``time.monotonic_ns()`` of the commit."""
        self._deadline_ns = time.monotonic_ns() + round(deadline_s * 1e9)
        self._deadline = self._loop.call_later(deadline_s, self._refuse)

    def follow(self, pending: Future[Any]) -> None:
        """Give the pulses when ``pending`` ends well, in the thread that ends it.

        ``give(pulse, came_back)`` must have ``came_back(confirmed)`` called on the event loop when the device has
        confirmed the pulse or failed.
        """
        pending.add_done_callback(self._ended)

    def _refuse(self) -> None:
        if self._claim.acquire(blocking=False):
            self.refused = True
            self._settle()
        else:
            # The commit was first and its pulses are under way: a device that never answers must not hold the lane.
            self._deadline = self._loop.call_later(PATIENCE_S, self._give_up)

    def _give_up(self) -> None:
        self.silent = True
        self.opened = False
        self._settle()

    def _came_back(self, confirmed: bool) -> None:
        self.opened &= confirmed
        self._unconfirmed -= 1
        if self._unconfirmed == 0:
            self._settle()

    def _ended(self, pending: Future[Any]) -> None:
        self.durable_ns = time.monotonic_ns()
        claimed = self._claim.acquire(blocking=False)
        if claimed and self.durable_ns > self._deadline_ns:
            # The event loop was too busy to refuse in time; the citizen has been waiting all the same.
            self.refused = True
        elif claimed and pending.exception() is None and self._pulses:
            for pulse in self._pulses:
                self._give(pulse, self._came_back)
            return
        post(self._loop, self._settle)

    def _settle(self) -> None:
        self._deadline.cancel()
        if not self.settled.done():
            self.settled.set_result(None)
