"""What a canteen's till keeps, saved with every record."""

from __future__ import annotations

from pydantic import Field

from profiles.api import Assurance, Credential, State, Subject
from profiles.counter_state import CounterState
from profiles.meal import Meal


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


class Order(State):
    """What the cashier typed, for whoever pays next."""

    id: bytes = b""
    amount_fen: int = 0
    dishes: tuple[int, ...] = ()
    guests: int = Field(default=0, description="so many guests' meals, at the price of the moment they are paid")

    def public(self) -> dict[str, str | int | bool]:
        """What of it stands in the record of the intent."""
        if self.dishes:
            return {"dishes": ",".join(map(str, self.dishes))}
        return {"guests": self.guests} if self.guests else {}


class CanteenState(CounterState):
    """State of one canteen till, saved with every record."""

    order: Order | None = Field(default=None, description="of whoever pays next")
    asked_order: Order | None = Field(default=None, description="of whoever is paying: another card may pay it")
    waiting: Waiting | None = Field(default=None, description="a card that was presented before there is an amount")
    counted: Meal | None = Field(default=None, description="the last count: its record may still prove late")
