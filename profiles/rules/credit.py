"""Leave first, pay later (先享受后付费): on credit for whom an issuer signed an entitlement, up to a ceiling of debt.

What somebody owes is two durable marks of the person that all lanes of a terminal share: what was put on credit here,
saved with the record of the debt and taken off with the record that settles it, and the platform's last word. The word
takes the place of what it covers, the debts whose records the platform had when it was asked; the others stand beside
it. So the sum is never less than the debt, whatever waits in the outbox, and it bounds what is given on credit while
nobody can be asked; asked, the platform decides by its own ceiling. A card that no register knows gets no credit.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from profiles.api import Credential, Facts, Mark, Subject
from profiles.dates import DAY, compact
from profiles.rules.admission import Entitlement
from profiles.rules.tally import counted, key_of

SCOPE = "pay.debt"
TOLD_SCOPE = "pay.debt-told"
_KEPT_MS = 2 * 366 * 86_400_000
"""A debt that nobody settled in this time is the platform's affair alone."""


class Credit(BaseModel):
    """Settings of a scene that gives credit."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    whose: Entitlement = Field(alias="for", description="the entitlement, signed by its issuer, that a holder needs")
    ceiling_fen: int = Field(
        ge=1, le=10_000_000, strict=True, description="at most so much is owed to this terminal without the platform"
    )
    due_days: int = Field(default=30, ge=1, le=366, strict=True, description="a debt is due after so many days")

    def is_for(self, credential: Credential) -> bool:
        """Whether this holder may pay later at all."""
        return self.whose in credential.entitlements and not credential.subject.provisional

    def room_fen(self, credential: Credential, facts: Facts) -> int:
        """How much more may be owed, as far as this terminal knows."""
        return room_fen(self.ceiling_fen, credential.subject, facts) if self.is_for(credential) else 0

    def due(self, moment: datetime) -> str:
        """When a debt of this moment is due, ``YYYYMMDD``."""
        return compact(moment + self.due_days * DAY)


def room_fen(ceiling_fen: int, subject: Subject, facts: Facts) -> int:
    """How much more a person may owe now, under a ceiling."""
    return max(0, ceiling_fen - owed_fen(subject, facts))


def owed_fen(subject: Subject, facts: Facts) -> int:
    """The most that the person owes, as far as this terminal knows; a debt may be in it twice, until the next word."""
    return lent_fen(subject, facts) + _told_fen(subject, facts)


def sure_fen(subject: Subject, facts: Facts) -> int:
    """What the person owes of which nothing is counted twice."""
    return max(lent_fen(subject, facts), _told_fen(subject, facts))


def lent_fen(subject: Subject, facts: Facts) -> int:
    """What was put on credit here and no word of the platform covers."""
    return counted(SCOPE, key_of(subject), facts)


def covered_fen(subject: Subject, facts: Facts) -> int:
    """What a word that is asked for now will cover."""
    return lent_fen(subject, facts) if facts.is_delivered() else 0


def owing(amount_fen: int, subject: Subject, facts: Facts) -> tuple[Mark, ...]:
    """The marks of a new debt; of a negative amount, what settles one or takes it back."""
    told_fen = min(0, lent_fen(subject, facts) + amount_fen)
    return _marks(max(0, lent_fen(subject, facts) + amount_fen), _told_fen(subject, facts) + told_fen, subject, facts)


def owes(told_fen: int, covered_fen: int, subject: Subject, facts: Facts) -> tuple[Mark, ...]:
    """The marks of what the platform says is owed, in place of what it covers; none where they stand already."""
    lent = max(0, lent_fen(subject, facts) - covered_fen)
    if (lent, max(0, told_fen)) == (lent_fen(subject, facts), _told_fen(subject, facts)):
        return ()
    return _marks(lent, told_fen, subject, facts)


def _told_fen(subject: Subject, facts: Facts) -> int:
    return counted(TOLD_SCOPE, key_of(subject), facts)


def _marks(lent_fen: int, told_fen: int, subject: Subject, facts: Facts) -> tuple[Mark, ...]:
    key, ends_ms = key_of(subject), facts.now_ms + _KEPT_MS
    return Mark(SCOPE, key, lent_fen, ends_ms), Mark(TOLD_SCOPE, key, max(0, told_fen), ends_ms)
