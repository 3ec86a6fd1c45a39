"""What a canteen's till keeps, saved with every record."""

from __future__ import annotations

from pydantic import Field

from profiles.api import Assurance, Credential, Facts, Mark, State, Subject
from profiles.payment import PayState
from profiles.rules.meal_limits import taken
from profiles.rules.subsidy import claimed


class Waiting(State):
    """Whoever presented a card before there was an amount. A code is not kept: it is shown when the amount stands."""

    id: bytes
    medium: bytes
    subject_namespace: str
    subject_id: bytes
    provisional: bool
    source: str
    assurance: int
    entitlements: tuple[str, ...]

    @classmethod
    def of(cls, credential: Credential, name: bytes) -> Waiting:
        """What is kept of a credential, under a name of its own."""
        return cls(
            id=name,
            medium=credential.medium,
            subject_namespace=credential.subject.namespace,
            subject_id=credential.subject.id,
            provisional=credential.subject.provisional,
            source=credential.source,
            assurance=int(credential.assurance),
            entitlements=tuple(sorted(credential.entitlements)),
        )

    @property
    def credential(self) -> Credential:
        """The credential again."""
        return Credential(
            medium=self.medium,
            subject=Subject(self.subject_namespace, self.subject_id, self.provisional),
            source=self.source,
            assurance=Assurance(self.assurance),
            entitlements=frozenset(self.entitlements),
        )


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


class CanteenState(PayState):
    """State of one canteen till, saved with every record."""

    amount_fen: int | None = Field(default=None, description="what the cashier typed, for whoever pays next")
    waiting: Waiting | None = Field(default=None, description="a card that was presented before there is an amount")
    asking_meal: Meal | None = Field(default=None, description="of the payment that is under way")
    latest_meal: Meal | None = Field(default=None, description="of the last payment or count")
