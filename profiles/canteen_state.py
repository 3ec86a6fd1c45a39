"""What a canteen's till keeps, saved with every record."""

from __future__ import annotations

from pydantic import Field

from profiles.api import Assurance, Credential, State, Subject
from profiles.meal import Meal
from profiles.ordering import OrderState


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


class CanteenState(OrderState):
    """State of one canteen till, saved with every record."""

    waiting: Waiting | None = Field(default=None, description="a card that was presented before there is an amount")
    counted: Meal | None = Field(default=None, description="the last count: its record may still prove late")
