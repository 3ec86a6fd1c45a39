"""What one meal has taken of a person's limits and subsidies, so that it can be given back."""

from __future__ import annotations

from profiles.api import Facts, Mark, State, Subject
from profiles.rules.meal_limits import taken
from profiles.rules.subsidy import claimed


class Meal(State):
    """What a payment, or a count, has taken of the person's limits and subsidies."""

    about: bytes
    """The record of a count; empty where a payment took it."""
    medium: bytes
    subject_namespace: str
    subject_id: bytes
    period: str
    business_date: str
    ends_ms: int
    """When the business date ends, and with it all that was counted on it."""
    amount_fen: int = 0
    meals: int = 1
    subsidised: bool = False

    def marks(self, facts: Facts, by: int) -> tuple[Mark, ...]:
        """What takes it (1), or gives it back (-1): nothing once the business date is over."""
        if facts.now_ms >= self.ends_ms:
            return ()
        subject = Subject(self.subject_namespace, self.subject_id)
        where = (subject, self.period, self.business_date, self.ends_ms, facts)
        counts = taken(*where, amount_fen=by * self.amount_fen, meals=by * self.meals)
        return (*counts, claimed(*where, meals=by)) if self.subsidised else counts
