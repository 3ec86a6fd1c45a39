"""What a virtual card is, and where it can be put.

A :class:`CardProgram` answers APDUs as a chip does; a :class:`CardSlot` is the place for it in a virtual reader.
Carriers (vpcd, the virtual PN532) know no card application, and programs know no carrier.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class Torn(Exception):
    """Raised by a program to say that the card has just left the field: the carrier then behaves as on a removal."""


class CardProgram(Protocol):
    """A chip: reset it, then ask it."""

    atr: bytes
    """Answer to reset for contact; its historical bytes make the ATS of a contactless carrier."""
    contactless: bool

    def reset(self) -> None:
        """Power-on state: no application selected."""

    def answer(self, apdu: bytes) -> bytes:
        """Data and status bytes for one command APDU. May raise :class:`Torn`; never raises anything else."""


class CardSlot(Protocol):
    """A place for one card in a virtual reader; safe to use from any thread."""

    def insert(self, program: CardProgram) -> None:
        """Present a card; replaces the one that is there."""

    def remove(self) -> None:
        """Take the card away; harmless when there is none."""


class Use(Enum):
    """Whether anything can come of what is done to a virtual device."""

    UNPLUGGED = "unplugged"
    IDLE = "idle"
    IN_USE = "in use"
