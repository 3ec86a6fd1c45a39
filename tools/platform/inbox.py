"""What a broker has handed over and nobody has taken yet: bounded in messages and in bytes, whatever the broker does.

Who brings more than there is room for either waits, and with him the broker at the other end of the TCP connection, or
is told that it is not taken. So a flood fills no memory here.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Inbox(Generic[Item]):
    """One thread brings, one takes. A message that alone is larger than ``most_bytes`` comes in when nothing waits."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._items: deque[tuple[Item, int]] = deque()
        self._size_bytes = 0
        self._rung = False
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: Item, size_bytes: int, *, waits: bool) -> bool:
        """Whether it came in: who ``waits`` does so until there is room or the inbox is closed."""
        with self._changed:
            while not self._closed and not self._has_room(size_bytes):
                if not waits:
                    return False
                self._changed.wait()
            if self._closed:
                return False
            self._items.append((item, size_bytes))
            self._size_bytes += size_bytes
            self._changed.notify_all()
            return True

    def take(self, most: int, timeout_s: float | None = None) -> list[Item]:
        """Up to ``most`` of what waits, in its order; nothing when somebody rings, or the time is up."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._rung or self._closed, timeout_s)
            self._rung = False
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._size_bytes -= sum(size_bytes for _, size_bytes in taken)
            self._changed.notify_all()
            return [item for item, _ in taken]

    def ring(self) -> None:
        """Let the one who takes look up, once."""
        with self._changed:
            self._rung = True
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing comes in any more, and nobody waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _has_room(self, size_bytes: int) -> bool:
        if not self._items:
            return True
        return len(self._items) < self._most and self._size_bytes + size_bytes <= self._most_bytes
