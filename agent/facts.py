"""What profiles may know: clock, fresh ids and durable marks, the same for the whole of one decision."""

from __future__ import annotations

import copy
import heapq
from collections.abc import Callable, Iterable
from datetime import datetime, tzinfo
from operator import itemgetter
from typing import Self

from agent.clock import Clock, RecordIds
from agent.credentials.lists import Lists
from profiles.api import ClockState, Mark, Subject
from profiles.person import Person
from profiles.published import Prices, Tariff
from profiles.school_calendar import SchoolCalendar

MAX_MARKS = 100_000
People = Callable[[Subject], Person | None]
"""Where the site's rosters are asked."""


IsDelivered = Callable[[], bool]
"""Whether the platform has acknowledged all that was handed to the journal."""


def not_delivered() -> bool:
    """A terminal that does not know what the platform has."""
    return False


def nobody(subject: Subject) -> Person | None:  # noqa: ARG001 -- the rosters' interface
    """A place without rosters knows nobody."""
    return None


class Marks:
    """The marks of all lanes in memory. The disk's copy is the truth; after a failed append it is read again."""

    def __init__(self) -> None:
        self._scopes: dict[str, dict[bytes, tuple[int, int]]] = {}

    def load(self, marks: Iterable[Mark]) -> None:
        """Replace everything by what the disk holds."""
        self._scopes = {}
        for mark in marks:
            self._set(mark)

    def put(self, marks: Iterable[Mark], now_ms: int) -> None:
        """Set marks at once, so that no other lane can decide on what they replace."""
        for mark in marks:
            self._set(mark)
        if sum(map(len, self._scopes.values())) > MAX_MARKS:
            for scope, held in self._scopes.items():
                self._scopes[scope] = {key: mark for key, mark in held.items() if mark[1] > now_ms}

    def get(self, scope: str, key: bytes, now_ms: int) -> int | None:
        """The value of a mark that has not expired."""
        held = self._scopes.get(scope)
        mark = None if held is None else held.get(key)
        return mark[0] if mark is not None and mark[1] > now_ms else None

    def count(self, scope: str) -> int:
        """How many marks a scope holds, expired ones among them."""
        return len(self._scopes.get(scope, ()))

    def lowest(self, scope: str, count: int) -> list[tuple[bytes, int]]:
        """Keys and values of the ``count`` marks with the lowest values of a scope, lowest first."""
        held = ((key, value) for key, (value, _) in self._scopes.get(scope, {}).items())
        return heapq.nsmallest(count, held, key=itemgetter(1))

    def _set(self, mark: Mark) -> None:
        held = self._scopes.setdefault(mark.scope, {})
        if mark.value is None:
            held.pop(mark.key, None)
        else:
            held[mark.key] = (mark.value, mark.expires_ms)


class TerminalFacts:
    """Implements :class:`profiles.api.Facts` for one decision."""

    def __init__(
        self,
        clock: Clock,
        ids: RecordIds,
        marks: Marks,
        zone: tzinfo,
        people: People = nobody,
        lists: Lists | None = None,
        delivered: IsDelivered = not_delivered,
    ) -> None:
        self.moment = clock.moment()
        self.now_ms = self.moment.now_ms
        self.least_ms = self.moment.least_ms
        self.clock: ClockState = self.moment.state
        self.monotonic_ms = clock.monotonic_ms()
        self._ids = ids
        self._marks = marks
        self.local_time = datetime.fromtimestamp(self.least_ms / 1000, zone)
        self._people = people
        self._known: dict[Subject, Person | None] = {}
        self._lists = lists or Lists()
        self.is_delivered = delivered

    def anew(self) -> Self:
        """The same moment for another decision, which asks about people again."""
        again = copy.copy(self)
        again._known = {}
        return again

    def new_id(self) -> bytes:
        """A fresh record id."""
        return self._ids.new(self.now_ms)

    def mark(self, scope: str, key: bytes) -> int | None:
        """The value of a mark that has not expired."""
        return self._marks.get(scope, key, self.now_ms)

    def person(self, subject: Subject) -> Person | None:
        """What the site's roster says of somebody; looked up once, since most rules ask about the same person."""
        try:
            return self._known[subject]
        except KeyError:
            self._known[subject] = person = self._people(subject)
            return person

    def prices(self, name: str) -> Prices | None:
        """A signed price list that is in force."""
        return self._lists.prices(name, self.least_ms)

    def tariff(self, name: str) -> Tariff | None:
        """A signed tariff that is in force."""
        return self._lists.tariff(name, self.least_ms)

    def lease(self) -> bool | None:
        """Whether the platform's lease holds."""
        return self._lists.leased(self.least_ms)

    def calendar(self, name: str) -> SchoolCalendar | None:
        """A school's calendar."""
        return self._lists.calendars.get(name)
