"""What is counted instead of recorded once the store is full beyond its reserve: figures, without a disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

from offline_store.record import Entry, Value

UNRECORDED = "unrecorded"
"""The kind of the record that says what was counted at one lane; :meth:`Tally.public` is what it says."""
MAX_FIGURES = 48
"""More kinds and reasons than a lane has; whatever else came shares :data:`OTHERS`."""
OTHERS = ("others", "")
_LAST_MS = 253_402_300_799_000
"""The end of the year 9999."""


@dataclass(frozen=True, slots=True)
class Instead:
    """How an append is counted where it cannot be stored: as so many openings.

    What is to be ``kept`` gets its own records all the same, with their own time, once there is room: in memory, so
    that after a power cut only its figures are left.
    """

    openings: int = 0
    kept: bool = False


class Figure(NamedTuple):
    """How often, and when for the first and the last time (Unix milliseconds)."""

    times: int
    first_ms: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted at one lane; ``record_id`` is of the record that will say so. Figures are by kind and reason."""

    record_id: bytes
    profile: str | None
    first_ms: int
    last_ms: int
    openings: int = 0
    figures: Mapping[tuple[str, str], Figure] = field(default_factory=dict)

    def plus(self, entry: Entry) -> Self:
        """With one more event. One that is a count itself (``repeated``) counts as often."""
        key = (entry.kind, entry.reason or "")
        if key not in self.figures and len(self.figures) >= MAX_FIGURES - 1:
            key = OTHERS
        repeated = entry.public.get("repeated")
        times = repeated if type(repeated) is int and repeated > 0 else 1
        before = self.figures.get(key, Figure(0, entry.time_ms, entry.time_ms))
        figure = Figure(before.times + times, before.first_ms, entry.time_ms)
        return replace(self, last_ms=entry.time_ms, figures={**self.figures, key: figure})

    def opened(self, openings: int) -> Self:
        """With so many more openings."""
        return replace(self, openings=self.openings + openings)

    def public(self) -> dict[str, Value]:
        """The public fields: openings, first and last time, and ``[kind, reason, times, first_ms, last_ms]`` each."""
        return {
            "openings": self.openings,
            "first_ms": self.first_ms,
            "last_ms": self.last_ms,
            "figures": tuple((*key, *figure) for key, figure in self.figures.items()),
        }

    def to_list(self) -> list[Any]:
        """For the file."""
        figures = [[*key, *figure] for key, figure in self.figures.items()]
        return [self.record_id, self.profile, self.first_ms, self.last_ms, self.openings, figures]

    @classmethod
    def from_list(cls, fields: Any) -> Self:
        """The opposite. Raises ``ValueError`` and ``TypeError``."""
        record_id, profile, first_ms, last_ms, openings, rows = fields
        figures = {(kind, reason): Figure(*figure) for kind, reason, *figure in rows}
        numbers = (first_ms, last_ms, openings, *(number for figure in figures.values() for number in figure))
        if not all(type(number) is int and 0 <= number <= _LAST_MS for number in numbers):
            raise ValueError("a figure is a number, and a time before the year 10000")
        return cls(record_id, profile, first_ms, last_ms, openings, figures)
