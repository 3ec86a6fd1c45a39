"""Site rosters: what a site says of the people it serves."""

from __future__ import annotations

from typing import Protocol

from profiles.api import Subject
from profiles.person import Person


class Roster(Protocol):
    """A source of what a site knows."""

    def person(self, subject: Subject) -> Person | None:
        """What the site says of a subject; ``None`` if it does not know them."""
