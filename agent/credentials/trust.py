"""Whom the terminal believes, and how far: the rows of the signed trust list, each bounding its issuer.

A row is found by issuer and ``kid``, never by trying keys. A school's row cannot spend the city's money: what a code
says beyond its row is cut off or refused by the checks of ``docs/code-format.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from agent.signatures import PublicKey
from profiles.purpose import Purpose

READING_KEY_BYTES = 32


class Freshness(Enum):
    """How a list stands to its own expiry."""

    FRESH = "fresh"
    IN_GRACE = "in-grace"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Expiry:
    """Where a list stands at one moment. ``age_ms`` counts from its issue and is never negative."""

    freshness: Freshness
    age_ms: int
    ends_ms: int
    """From this moment on the list is expired, grace included; Unix milliseconds."""


@dataclass(frozen=True, slots=True)
class Term:
    """From when until when a signed list holds, as its manifest says: Unix milliseconds, and a grace beside them."""

    issued_ms: int
    expires_ms: int
    grace_ms: int

    def expiry(self, now_ms: int) -> Expiry:
        """Fresh until ``expires_ms``, then in grace for ``grace_ms``, then expired."""
        ends_ms = self.expires_ms + self.grace_ms
        freshness = Freshness.FRESH if now_ms < self.expires_ms else Freshness.IN_GRACE
        if now_ms >= ends_ms:
            freshness = Freshness.EXPIRED
        return Expiry(freshness, max(0, now_ms - self.issued_ms), ends_ms)


@dataclass(frozen=True, slots=True)
class TrustRow:
    """One key of one issuer, and the most that what it signs may say."""

    issuer: int
    """16 bits."""
    kid: int
    """16 bits, the issuer's own numbering."""
    key: PublicKey
    valid_from_ms: int
    valid_until_ms: int
    """The key counts for credentials with ``valid_from_ms <= iat < valid_until_ms``; a rotation overlaps two rows."""
    namespace: str
    """Of the subjects that this issuer names."""
    entitlements: int
    """The bits that this issuer may set; 32 bits."""
    purposes: frozenset[Purpose]
    max_ttl_hours: int
    static_allowed: bool
    reading_key: bytes = field(repr=False)
    """Unmasks token and entitlements; 32 bytes, opened from its seal for this terminal."""
    sites: frozenset[str] = frozenset()
    """Where this issuer's codes count; empty: everywhere."""

    def valid_at(self, iat_ms: int) -> bool:
        """Whether a credential issued at this moment may bear this key."""
        return self.valid_from_ms <= iat_ms < self.valid_until_ms

    def counts_at(self, site: str) -> bool:
        """Whether this issuer's codes count at a site."""
        return not self.sites or site in self.sites


@dataclass(frozen=True, slots=True)
class TrustList:
    """The signed trust list that is in force, with every reading key that this terminal could open."""

    version: int
    issued_ms: int
    expires_ms: int
    grace_ms: int
    rows: Mapping[tuple[int, int], TrustRow] = field(default_factory=lambda: MappingProxyType({}))
    """By issuer and kid. A row whose reading key is not sealed for this terminal is left out: it decides nothing."""
    entitlements: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    """The registry: names of the entitlement bits 0 to 31."""

    def row(self, issuer: int, kid: int) -> TrustRow | None:
        """The row of one issuer's key."""
        return self.rows.get((issuer, kid))

    def expiry(self, now_ms: int) -> Expiry:
        """See :meth:`Term.expiry`."""
        return Term(self.issued_ms, self.expires_ms, self.grace_ms).expiry(now_ms)

    def names_of(self, bits: int) -> frozenset[str]:
        """The names of the entitlement bits that are set; a bit that the registry does not name says nothing."""
        return frozenset(name for bit, name in self.entitlements.items() if bits >> bit & 1)
