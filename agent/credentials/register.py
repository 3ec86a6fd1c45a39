"""Who holds a medium: the card register, asked by medium id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from profiles.api import Subject

PROVISIONAL = "provisional"
SITE = "site"


@dataclass(frozen=True, slots=True)
class Holder:
    """What a register says of one medium."""

    subject: Subject
    entitlements: frozenset[str] = frozenset()
    lost: bool = False
    until_ms: int | None = None
    """A card that was lent to a visitor counts until then."""


class Register(Protocol):
    """A source of holders."""

    def holders(self, medium: bytes) -> Sequence[Holder]:
        """Every row about a medium, the one that goes before first; none if the register does not know it."""


def known_holder(holders: Sequence[Holder]) -> Holder | None:
    """Who holds a medium by all that is said of it: the first row says who, and a loss in any of them counts."""
    if not holders:
        return None
    return replace(holders[0], lost=any(holder.lost for holder in holders))


class SiteRegister:
    """The register of cards that the terminal's own configuration holds."""

    def __init__(self, rows: Iterable[tuple[bytes, Holder]]) -> None:
        self._holders = dict(rows)

    def holders(self, medium: bytes) -> Sequence[Holder]:
        """The row of this medium."""
        holder = self._holders.get(medium)
        return () if holder is None else (holder,)


def provisional(medium: bytes) -> Holder:
    """A medium that no register knows is its own provisional subject, without entitlements."""
    return Holder(Subject(PROVISIONAL, medium, provisional=True))
