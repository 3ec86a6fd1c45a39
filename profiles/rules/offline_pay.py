"""How much a till sells while nobody can be asked: ceilings a payment, a person and a terminal, each day.

What was sold offline is counted in durable marks that all lanes of a terminal share, saved with the payment's record:
a restart forgets nothing. They end with the local day.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field

from profiles.api import Facts, Mark, Subject
from profiles.dates import midnight_ms
from profiles.reasons import ReasonEnum
from profiles.trace import Asked, Rule

SCOPE = "pay.offline"
_TERMINAL = b"terminal"


class OfflinePay(BaseModel):
    """Ceilings in fen; 0 sells nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    payment_fen: int = Field(default=2_000, ge=0, le=10_000_000, description="for one payment")
    subject_fen: int = Field(default=5_000, ge=0, le=10_000_000, description="for one person and day")
    provisional_fen: int = Field(
        default=1_000, ge=0, le=10_000_000, description="the same for a card that no register knows"
    )
    terminal_fen: int = Field(default=200_000, ge=0, le=1_000_000_000, description="for this terminal and day")

    def rules(self, amount_fen: int, subject: Subject, facts: Facts, refusal: ReasonEnum) -> Iterator[Asked]:
        """Whether this may be sold without asking; ``refusal`` is what the scene says where it may not."""
        person_fen = self.provisional_fen if subject.provisional else self.subject_fen
        yield Rule.OFFLINE_PAYMENT, amount_fen <= self.payment_fen, refusal
        person_so_far_fen = facts.mark(SCOPE, _key(subject)) or 0
        yield Rule.OFFLINE_PERSON, amount_fen + person_so_far_fen <= person_fen, refusal
        terminal_so_far_fen = facts.mark(SCOPE, _TERMINAL) or 0
        yield Rule.OFFLINE_TERMINAL, amount_fen + terminal_so_far_fen <= self.terminal_fen, refusal


def sold(amount_fen: int, subject: Subject, facts: Facts) -> tuple[Mark, ...]:
    """The marks of an offline sale; of a negative amount, what takes one back."""
    ends_ms = midnight_ms(facts)
    keys = (_key(subject), _TERMINAL)
    return tuple(Mark(SCOPE, key, max(0, (facts.mark(SCOPE, key) or 0) + amount_fen), ends_ms) for key in keys)


def _key(subject: Subject) -> bytes:
    return subject.namespace.encode() + b":" + subject.id
