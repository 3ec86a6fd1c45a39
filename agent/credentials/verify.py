"""The verdict on a reading. Checks, in this order, the first that fails is the reason:

1. the reading's kind is one that can become a credential (a code's format is known);
2. the card's validity, by the terminal's local day;
3. the register: a medium reported lost is refused, one that nobody knows is its own provisional subject.
"""

from __future__ import annotations

from datetime import datetime
from types import MappingProxyType

from agent.credentials.medium import Mac, medium_of
from agent.credentials.register import Register, provisional
from drivers.api import CardFault, CardReading, CodeReading
from profiles.api import Assurance, Credential, Presented, Reason, Rejected

REASON_OF_FAULT = MappingProxyType(
    {
        CardFault.REMOVED: Reason.CARD_REMOVED,
        CardFault.MUTE: Reason.CARD_UNREADABLE,
        CardFault.GARBLED: Reason.CARD_UNREADABLE,
        CardFault.BUDGET: Reason.CARD_UNREADABLE,
        CardFault.SHARED: Reason.CARD_HELD,
        CardFault.UNSUPPORTED: Reason.CARD_UNSUPPORTED,
        CardFault.INTERFACE: Reason.CARD_INTERFACE,
        CardFault.SEVERAL: Reason.CARD_SEVERAL,
        CardFault.LOCKED: Reason.CARD_LOCKED,
    }
)


class Verifier:
    """Turns readings into credentials for all lanes of one terminal."""

    def __init__(self, mac: Mac, register: Register) -> None:
        self._mac = mac
        self._register = register

    def card(self, reading: CardReading, today: datetime) -> Presented | Rejected:
        """The verdict on a card; ``today`` is a moment in the terminal's local time."""
        medium = medium_of(reading, self._mac)
        holder = self._register.holder(medium) or provisional(medium)
        refusal = _validity(reading, today) or (Reason.MEDIUM_LOST if holder.lost else None)
        if refusal is not None:
            return Rejected(refusal, medium, holder.subject)
        assurance = Assurance.AUTHENTICATED_CARD if reading.authenticated else Assurance.READ
        return Presented(Credential(medium, holder.subject, reading.application, assurance, holder.entitlements))

    def code(self, reading: CodeReading) -> Rejected:
        """The verdict on a code: no code format is known to this version, so every code is refused with its reason."""
        del reading
        return Rejected(Reason.CODE_UNKNOWN)

    def fault(self, fault: CardFault) -> Rejected:
        """What the citizen is told about a card that could not be read."""
        return Rejected(REASON_OF_FAULT[fault])


def _validity(reading: CardReading, today: datetime) -> Reason | None:
    """``YYYYMMDD`` compares as text; a card that states no day is not limited by it."""
    day = f"{today.year:04d}{today.month:02d}{today.day:02d}"
    if reading.valid_until is not None and day > reading.valid_until:
        return Reason.EXPIRED
    if reading.valid_from is not None and day < reading.valid_from:
        return Reason.NOT_YET_VALID
    return None
