"""The verdict on a reading. Checks, in this order, the first that fails is the reason:

1. the card's validity, by the terminal's local day, which is never earlier than what the terminal knows; a clock that
   says an earlier one does not tell that a card is not valid yet;
2. the emergency list;
3. the registers: a medium that any of them reports lost is refused, one that nobody knows is its own provisional
   subject.

A list that is installed and cannot be read any more denies nobody: where it would have decided, the credential is
refused until the list is brought again.

Codes have rulebooks of their own: :mod:`agent.credentials.codes`, :mod:`agent.credentials.hcert`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from types import MappingProxyType

from agent.clock import Moment
from agent.credentials import hcert
from agent.credentials.codes import CodeVerifier
from agent.credentials.lists import ListLost, Lists
from agent.credentials.medium import Mac, medium_of
from agent.credentials.register import Register, known_holder, provisional
from agent.credentials.replay import Marks
from drivers.api import CardFault, CardReading
from profiles.api import Assurance, Credential, Presented, Reason, Rejected
from profiles.foreign import ForeignShown
from profiles.rules.codes import AskingCodes, CodePolicy

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


_ASSURANCE = MappingProxyType({"plate": Assurance.UID, "vehicle-tag": Assurance.UID})
"""Of what anybody can paint or copy from afar; other cards are read."""


class Verifier:
    """Turns readings into credentials for all lanes of one terminal."""

    def __init__(self, mac: Mac, register: Register, lists: Callable[[], Lists] = Lists, site: str = "") -> None:
        """``register`` is the terminal's own, of cards, and goes before those of the lists, read once a verdict."""
        self._mac = mac
        self._register = register
        self._lists = lists
        self._codes = CodeVerifier(site)

    def card(self, reading: CardReading, today: datetime, *, lost: bool = False) -> Presented | Rejected:
        """The verdict on a card; ``today`` is a moment of the terminal's local time, where it is lost the earliest."""
        lists = self._lists()
        medium = medium_of(reading, self._mac)
        try:
            rows = (*self._register.holders(medium), *lists.register.holders(medium))
            denied = lists.emergency.holds(medium)
        except ListLost:
            return Rejected(Reason.LIST_DAMAGED, medium)
        holder = known_holder(rows) or provisional(medium)
        refusal = _validity(reading, today, lost=lost)
        if refusal is None and denied:
            refusal = Reason.MEDIUM_DENIED
        if refusal is None and holder.lost:
            refusal = Reason.MEDIUM_LOST
        if refusal is None and holder.until_ms is not None and today.timestamp() * 1000 >= holder.until_ms:
            refusal = Reason.EXPIRED
        if refusal is not None:
            return Rejected(refusal, medium, holder.subject)
        as_read = _ASSURANCE.get(reading.application, Assurance.READ)
        assurance = Assurance.AUTHENTICATED_CARD if reading.authenticated else as_read
        return Presented(Credential(medium, holder.subject, reading.application, assurance, holder.entitlements))

    def code(self, text: str, policy: CodePolicy, moment: Moment, marks: Marks) -> Presented | Rejected | ForeignShown:
        """The verdict on the text of a code, by what the lane accepts; of another system's, whether to ask about it."""
        lists = self._lists()
        try:
            if text.startswith(hcert.PREFIX):
                return self._health(text, policy, moment, lists)
            verdict = self._codes.verdict(text, policy, moment, marks, lists)
        except ListLost:
            return Rejected(Reason.LIST_DAMAGED)
        asked = policy.ask if isinstance(policy, AskingCodes) else frozenset()
        if isinstance(verdict, Rejected) and verdict.reason.code in asked:
            return ForeignShown(verdict.reason, text)
        return verdict

    def fault(self, fault: CardFault) -> Rejected:
        """What the citizen is told about a card that could not be read."""
        return Rejected(REASON_OF_FAULT[fault])

    def _health(self, text: str, policy: CodePolicy, moment: Moment, lists: Lists) -> Presented | Rejected:
        verdict = hcert.verdict(text, lists.signers, policy, moment, self._mac)
        if isinstance(verdict, Presented) and lists.emergency.holds(verdict.credential.medium):
            return Rejected(Reason.MEDIUM_DENIED, verdict.credential.medium, verdict.credential.subject)
        return verdict


def _validity(reading: CardReading, today: datetime, *, lost: bool) -> Reason | None:
    """``YYYYMMDD`` compares as text; a card that states no day is not limited by it."""
    day = f"{today.year:04d}{today.month:02d}{today.day:02d}"
    if reading.valid_until is not None and day > reading.valid_until:
        return Reason.EXPIRED
    if reading.valid_from is not None and day < reading.valid_from and not lost:
        return Reason.NOT_YET_VALID
    return None
