"""Leave first, pay later (先享受后付费): on credit for whom an issuer signed an entitlement, up to a ceiling of debt.

What somebody owes is a durable mark of the person that all lanes of a terminal share, saved with the record of the debt
and taken off with the record that settles it. It bounds what is given on credit while nobody can be asked; whoever owes
elsewhere is the platform's to know, which decides by its own ceiling. A card that no register knows gets no credit.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from profiles.api import Credential, Facts, Mark, Subject
from profiles.dates import compact
from profiles.rules.admission import Entitlement
from profiles.rules.tally import count, counted, key_of

SCOPE = "pay.debt"
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
        return max(0, self.ceiling_fen - owed_fen(credential.subject, facts)) if self.is_for(credential) else 0

    def due(self, moment: datetime) -> str:
        """When a debt of this moment is due, ``YYYYMMDD``."""
        return compact(moment + timedelta(days=self.due_days))


def owed_fen(subject: Subject, facts: Facts) -> int:
    """What the person owes, as far as this terminal knows."""
    return counted(SCOPE, key_of(subject), facts)


def owing(amount_fen: int, subject: Subject, facts: Facts) -> Mark:
    """The mark of a new debt; of a negative amount, what settles one or takes it back."""
    return count(SCOPE, key_of(subject), amount_fen, facts.now_ms + _KEPT_MS, facts)


def owes(owed_fen: int, subject: Subject, facts: Facts) -> Mark:
    """The mark of what the platform says is owed, in place of what this terminal knew."""
    return Mark(SCOPE, key_of(subject), max(0, owed_fen), facts.now_ms + _KEPT_MS)
