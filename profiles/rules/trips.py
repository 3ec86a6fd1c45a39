"""Open trips: who has come in where and when, and has not gone out yet.

An entry is two durable marks of the person, shared by all lanes of the terminal: its moment, and the station's number.
They know of stations whose lanes are this terminal's, and of no other.
"""

from __future__ import annotations

from typing import NamedTuple

from profiles.api import Facts, Mark, Subject
from profiles.rules.tally import key_of

SINCE_SCOPE = "trip.since"
FROM_SCOPE = "trip.from"
LEFT_SCOPE = "trip.left"
SEEN_SCOPE = "trip.seen"
SEEN_AT_SCOPE = "trip.seen-at"
KEPT_MS = 3 * 86_400_000
"""So long a trip without an exit is remembered."""
_SEEN_MS = 12 * 3_600_000


class OpenTrip(NamedTuple):
    """A trip that has begun."""

    since_ms: int
    station: int


class Seen(NamedTuple):
    """Where somebody was last."""

    at_ms: int
    station: int


def open_trip(subject: Subject, facts: Facts) -> OpenTrip | None:
    """The trip that has no exit yet, if there is one."""
    since_ms, station = facts.mark(SINCE_SCOPE, key_of(subject)), facts.mark(FROM_SCOPE, key_of(subject))
    return None if since_ms is None or station is None else OpenTrip(since_ms, station)


def begun(subject: Subject, trip: OpenTrip, facts: Facts) -> tuple[Mark, ...]:
    """The marks of an entry, or what puts one back."""
    ends_ms = max(facts.now_ms, trip.since_ms) + KEPT_MS
    key = key_of(subject)
    return Mark(SINCE_SCOPE, key, trip.since_ms, ends_ms), Mark(FROM_SCOPE, key, trip.station, ends_ms)


def over(subject: Subject, facts: Facts) -> tuple[Mark, ...]:
    """The marks of an exit, or of an entry that was none."""
    key = key_of(subject)
    return Mark(SINCE_SCOPE, key, None, facts.now_ms), Mark(FROM_SCOPE, key, None, facts.now_ms)


def seen(subject: Subject, facts: Facts) -> Seen | None:
    """Where and when the person was last, as far as this terminal knows."""
    at_ms, station = facts.mark(SEEN_SCOPE, key_of(subject)), facts.mark(SEEN_AT_SCOPE, key_of(subject))
    return None if at_ms is None or station is None else Seen(at_ms, station)


def seen_here(subject: Subject, station: int, facts: Facts) -> tuple[Mark, ...]:
    """The marks of who is here now."""
    key, ends_ms = key_of(subject), facts.now_ms + _SEEN_MS
    return Mark(SEEN_SCOPE, key, facts.now_ms, ends_ms), Mark(SEEN_AT_SCOPE, key, station, ends_ms)


def has_left(subject: Subject, trip: OpenTrip, facts: Facts) -> bool:
    """Whether a trip ended at this terminal, which the platform has not heard of yet."""
    left_ms = facts.mark(LEFT_SCOPE, key_of(subject))
    return left_ms is not None and left_ms >= trip.since_ms


def left(subject: Subject, trip: OpenTrip | None, facts: Facts) -> tuple[Mark, ...]:
    """The mark of a trip that the platform told of and that ends here; ``None``: it does not after all."""
    since_ms = None if trip is None else trip.since_ms
    return (Mark(LEFT_SCOPE, key_of(subject), since_ms, facts.now_ms + KEPT_MS),)
