"""What a site's roster says of one person: what neither a code nor a card can say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from profiles.pupil import Pupil


@dataclass(frozen=True, slots=True)
class Person:
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
    shown_as: str = field(default="", repr=False)
    """The masked name by which staff tell the holder from a stranger with a copied code: 张*三."""
    pupil: Pupil | None = None
    """At a school; ``None``: no pupil."""
