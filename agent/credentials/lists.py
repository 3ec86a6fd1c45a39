"""All lists that are in force, as one frozen snapshot; and the one reference by which they are swapped.

A decision reads ``current()`` once and uses that snapshot to its end, so a list that is installed meanwhile changes the
next decision and never half of this one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from agent.credentials.hcert_keys import SignerList
from agent.credentials.register import Holder, Register, SiteRegister
from agent.credentials.roster import Roster
from agent.credentials.status import EmergencyList, StatusList
from agent.credentials.trust import Freshness, Term, TrustList
from profiles.api import Subject
from profiles.person import Person
from profiles.published import Prices, Tariff
from profiles.school_calendar import SchoolCalendar

_P = TypeVar("_P", Prices, Tariff)


class ListLost(Exception):
    """An installed list cannot be read any more: what it would have said is not known."""


@dataclass(frozen=True, slots=True)
class LostEmergencyList:
    """Stands for an emergency list that was installed and is damaged."""

    def holds(self, token_or_medium: bytes) -> bool:
        """Nobody knows. Raises :class:`ListLost`."""
        raise ListLost(token_or_medium.hex())


@dataclass(frozen=True, slots=True)
class LostRegister:
    """Stands for a card register that was installed and is damaged."""

    def holders(self, medium: bytes) -> Sequence[Holder]:
        """Nobody knows. Raises :class:`ListLost`."""
        raise ListLost(medium.hex())


@dataclass(frozen=True, slots=True)
class Lists:
    """What the platform's bundles say. Nothing installed means nothing trusted: every code is refused."""

    trust: TrustList | None = None
    status: Mapping[int, StatusList] = field(default_factory=lambda: MappingProxyType({}))
    """By issuer."""
    emergency: EmergencyList | LostEmergencyList = field(default_factory=EmergencyList)
    register: Register = field(default_factory=lambda: SiteRegister(()))
    rosters: Mapping[str, Roster] = field(default_factory=lambda: MappingProxyType({}))
    """By the bundle's name, such as ``roster-school-3``."""
    signers: SignerList | None = None
    """Of health certificates."""
    price_lists: Mapping[str, tuple[Term, Prices]] = field(default_factory=lambda: MappingProxyType({}))
    """By the name that settings call it."""
    tariffs: Mapping[str, tuple[Term, Tariff]] = field(default_factory=lambda: MappingProxyType({}))
    calendars: Mapping[str, SchoolCalendar] = field(default_factory=lambda: MappingProxyType({}))
    """Of schools, by their own names, such as ``school-3``."""

    lease: Term | None = None
    """Until when the platform lets this terminal take money."""
    lease_lost: bool = False
    """One was installed and is damaged."""

    def leased(self, now_ms: int) -> bool | None:
        """Whether the lease holds; ``None`` where there never was one. One that cannot be read holds no more."""
        if self.lease is None:
            return False if self.lease_lost else None
        return self.lease.expiry(now_ms).freshness is not Freshness.EXPIRED

    def person(self, subject: Subject) -> Person | None:
        """What the first roster that knows a subject says, in the order of their names.

        A roster that is damaged knows nobody: what it would have granted is not granted.
        """
        for roster in self.rosters.values():
            try:
                person = roster.person(subject)
            except ListLost:
                continue
            if person is not None:
                return person
        return None

    def prices(self, name: str, now_ms: int) -> Prices | None:
        """A price list that is installed, whole, and no older than its grace allows."""
        return _in_force(self.price_lists.get(name), now_ms)

    def tariff(self, name: str, now_ms: int) -> Tariff | None:
        """The same for a tariff."""
        return _in_force(self.tariffs.get(name), now_ms)


class CurrentLists:
    """Holds the snapshot. One thread swaps, any thread reads: rebinding one attribute is atomic in Python."""

    def __init__(self, lists: Lists | None = None) -> None:
        self._lists = lists or Lists()

    def current(self) -> Lists:
        """The snapshot in force now."""
        return self._lists

    def swap(self, lists: Lists) -> None:
        """Put another snapshot in force."""
        self._lists = lists


def _in_force(held: tuple[Term, _P] | None, now_ms: int) -> _P | None:
    if held is None or held[0].expiry(now_ms).freshness is Freshness.EXPIRED:
        return None
    return held[1]
