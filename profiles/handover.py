"""Handing a verified identity to the software of a counter: what a profile says, and what it hears of it.

The identity is delivered once. The rules:

1. a record that names the counter precedes :class:`HandOver`, which puts the identity where the counter's software may
   ask for it; it lies in memory, and nowhere else;
2. when the software asks, :class:`CounterAsks` comes. Only after a record that says so does :class:`Release` let the
   identity go;
3. exactly one :class:`Delivered` ends each ``HandOver``, unless the terminal is started anew: then
   :class:`profiles.api.Restarted` comes instead, and the identity is gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Undelivered(StrEnum):
    """Why a counter's software does not have an identity."""

    NONE = ""
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    NOT_RELEASED = "not-released"
    """It was asked for, and the record that releases it did not come in time."""
    UNCONFIRMED = "unconfirmed"
    """It left, and the software did not say that it has it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a counter's software is told of a person: no name, and no card's number."""

    namespace: str
    subject: bytes = field(repr=False)
    """The pseudonym, 16 bytes."""
    provisional: bool
    """No register knows the card: it is its own pseudonym, and nobody vouches for a person."""
    source: str
    assurance: str
    """How sure: ``read``, ``static-code``, ``dynamic-code`` …"""
    matter: str
    ticket: str = ""
    number: bytes | None = field(default=None, repr=False)
    """The person's number in the counter's own system, as the roster has it: sealed for that system."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """Keep this identity for the lane's counter, so long and in memory alone; ``about`` is the id of its record."""

    identity: Identity = field(repr=False)
    keep_ms: int
    about: bytes


@dataclass(frozen=True, slots=True)
class Release:
    """The record is on the disk: let it go to whoever asked."""

    about: bytes


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Forget it."""

    about: bytes


@dataclass(frozen=True, slots=True)
class CounterAsks:
    """The counter's software, which may, asks for what is kept for it."""

    about: bytes


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of it: the software has it, or why not. Either way it is forgotten here."""

    about: bytes
    why_not: Undelivered = Undelivered.NONE


HandoverEffect = HandOver | Release | Withdraw
HandoverEvent = CounterAsks | Delivered
