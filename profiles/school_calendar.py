"""A school's year as its calendar bundle tells it: terms, days off, and days off that are made up for (调休)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class SchoolCalendar:
    """Terms with their first and last day, ascending and apart; it speaks of no day outside the first and the last."""

    terms: tuple[tuple[date, date], ...]
    holidays: frozenset[date] = frozenset()
    """Days without lessons, beside weekends."""
    workdays: frozenset[date] = frozenset()
    """Weekend days and public holidays with lessons."""

    def speaks_of(self, day: date) -> bool:
        """Whether the calendar was made for this day."""
        return bool(self.terms) and self.terms[0][0] <= day <= self.terms[-1][1]

    def in_term(self, day: date) -> bool:
        """Whether a day lies in a term; those between two terms are vacation."""
        return any(first <= day <= last for first, last in self.terms)
