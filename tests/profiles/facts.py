"""Facts that a test holds in its hand: a clock it moves, ids it can foresee, marks it can read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from profiles.api import ClockState, Effect, Kind, Mark, Profile, Record, Subject
from profiles.person import Person
from profiles.published import Prices, Tariff
from profiles.questions import Confirmed
from profiles.school_calendar import SchoolCalendar

NOON_MS = int(datetime(2026, 11, 23, 12, 0, tzinfo=timezone(timedelta(hours=8))).timestamp() * 1000)
"""Monday, 2026-11-23, 12:00 in China."""


class HeldFacts:
    """Implements :class:`profiles.api.Facts`."""

    def __init__(self, now_ms: int = NOON_MS) -> None:
        self.now_ms = now_ms
        self.floor_ms = 0
        self.clock = ClockState.SYNCHRONISED
        self.marks: dict[tuple[str, bytes], Mark] = {}
        self.people: dict[Subject, Person] = {}
        self.price_lists: dict[str, Prices] = {}
        self.tariffs: dict[str, Tariff] = {}
        self.calendars: dict[str, SchoolCalendar] = {}
        self.leased: bool | None = None
        self.delivered = True
        self._ids = 0

    @property
    def least_ms(self) -> int:
        return max(self.now_ms, self.floor_ms)

    @property
    def local_time(self) -> datetime:
        return datetime.fromtimestamp(self.least_ms / 1000, UTC).astimezone(timezone(timedelta(hours=8)))

    def new_id(self) -> bytes:
        self._ids += 1
        return self._ids.to_bytes(16, "big")

    def mark(self, scope: str, key: bytes) -> int | None:
        mark = self.marks.get((scope, key))
        return mark.value if mark is not None and mark.expires_ms > self.now_ms else None

    def person(self, subject: Subject) -> Person | None:
        return self.people.get(subject)

    def prices(self, name: str) -> Prices | None:
        return self.price_lists.get(name)

    def tariff(self, name: str) -> Tariff | None:
        return self.tariffs.get(name)

    def lease(self) -> bool | None:
        return self.leased

    def calendar(self, name: str) -> SchoolCalendar | None:
        return self.calendars.get(name)

    def is_delivered(self) -> bool:
        return self.delivered

    def keep(self, effects: tuple[Effect, ...]) -> None:
        """Do what the agent does with the marks of recorded effects."""
        for effect in effects:
            if isinstance(effect, Record):
                self.put(*effect.marks)

    def put(self, *marks: Mark) -> None:
        """Set marks."""
        self.marks.update({(mark.scope, mark.key): mark for mark in marks})


def confirmed(profile: Profile[Any], state: Any, effects: tuple[Effect, ...], facts: HeldFacts) -> Any:
    """The state when the agent has told, of each payment among the effects, that the disk took it in time."""
    for effect in effects:
        if isinstance(effect, Record) and effect.kind is Kind.PAYMENT and effect.refers_to is not None:
            state = profile.handle(state, Confirmed(effect.refers_to), facts).state
    return state
