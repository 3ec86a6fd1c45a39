"""Site rosters: what a site says of the people it serves, beyond what a code or a card can say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from profiles.api import Subject


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One person at one site. Every text is a code of the site's own, never a name."""

    unit: str = ""
    """Class, department, household."""
    areas: frozenset[str] = frozenset()
    category: str = ""
    """Person category, such as ``student`` or ``retired``."""
    price_class: str = ""
    subsidy: str = ""
    """Which subsidy rule applies; the amount stands in the tariff."""
    sealed_numbers: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """External numbers by their kind (``patron``, ``student``), each sealed for whom it is meant."""


class Roster(Protocol):
    """A source of enrolments."""

    def enrolment(self, subject: Subject) -> Enrolment | None:
        """What the site says of a subject; ``None`` if it does not know them."""
