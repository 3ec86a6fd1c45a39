"""Who holds a medium: the card register, asked by medium id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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


class Register(Protocol):
    """A source of holders."""

    def holder(self, medium: bytes) -> Holder | None:
        """The holder of a medium, or ``None`` if the register does not know it."""


class SiteRegister:
    """The register that the terminal's own configuration holds."""

    def __init__(self, rows: Iterable[tuple[bytes, Holder]]) -> None:
        self._holders = dict(rows)

    def holder(self, medium: bytes) -> Holder | None:
        """The row of this medium."""
        return self._holders.get(medium)


def provisional(medium: bytes) -> Holder:
    """A medium that no register knows is its own provisional subject, without entitlements."""
    return Holder(Subject(PROVISIONAL, medium, provisional=True))
