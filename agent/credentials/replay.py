"""Every showing of a code is accepted once, by all lanes of a terminal together, through restarts.

A showing is (issuer, token, shown at), not a text and not a signature: ECDSA signatures can be changed by strangers
without becoming wrong. Its mark is saved by the record that accepts it. Marks are bounded: when there are too many,
the oldest make way, and the newest moment among them becomes a floor at or below which everything is refused.
"""

from __future__ import annotations

from typing import Protocol

from profiles.api import Mark
from profiles.rules.codes import MAX_CLOCK_UNCERTAINTY_MS, MAX_LIFETIME_MS

SCOPE = "code"
FLOOR_SCOPE = "code-floor"
MAX_SHOWINGS = 20_000
EVICTED_AT_ONCE = 256
_FLOOR_KEY = b"\0"


class Marks(Protocol):
    """The durable marks of a terminal: :class:`agent.facts.Marks`."""

    def get(self, scope: str, key: bytes, now_ms: int) -> int | None:
        """The value of a mark that has not expired."""

    def count(self, scope: str) -> int:
        """How many marks a scope holds, expired ones among them."""

    def lowest(self, scope: str, count: int) -> list[tuple[bytes, int]]:
        """Keys and values of the marks with the lowest values, lowest first."""


def showing(issuer: int, token: bytes, shown_at_s: int) -> bytes:
    """The key of one showing, 22 bytes."""
    return issuer.to_bytes(2, "big") + token + shown_at_s.to_bytes(4, "big")


def was_accepted(marks: Marks, key: bytes, now_ms: int) -> bool:
    """Whether a record has accepted this showing."""
    return marks.get(SCOPE, key, now_ms) is not None


def is_forgotten(marks: Marks, shown_at_s: int, now_ms: int) -> bool:
    """Whether a showing is so old that its mark may have had to make way."""
    floor_s = marks.get(FLOOR_SCOPE, _FLOOR_KEY, now_ms)
    return floor_s is not None and shown_at_s <= floor_s


def acceptance(marks: Marks, key: bytes, shown_at_s: int, now_ms: int) -> tuple[Mark, ...]:
    """What the record that accepts a showing saves: its mark, and who makes way for it."""
    mark = Mark(SCOPE, key, shown_at_s, _kept_until_ms(shown_at_s))
    if marks.count(SCOPE) < MAX_SHOWINGS:
        return (mark,)
    evicted = marks.lowest(SCOPE, EVICTED_AT_ONCE)
    floor_s = max(evicted[-1][1], marks.get(FLOOR_SCOPE, _FLOOR_KEY, now_ms) or 0)
    floor = Mark(FLOOR_SCOPE, _FLOOR_KEY, floor_s, _kept_until_ms(floor_s))
    return (mark, floor, *(Mark(SCOPE, old, None, 0) for old, _ in evicted))


def _kept_until_ms(shown_at_s: int) -> int:
    """No lane's lifetime and no clock's uncertainty lets the showing count as fresh then: its last moment is past."""
    return shown_at_s * 1000 + MAX_LIFETIME_MS + MAX_CLOCK_UNCERTAINTY_MS + 1
