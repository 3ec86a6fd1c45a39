"""What a hospital's counter keeps, saved with every record."""

from __future__ import annotations

from pydantic import Field

from profiles.api import State, Subject
from profiles.counter_state import CounterState
from profiles.hospital_settings import Use
from profiles.rules.funds import AccountKind
from profiles.waiting import Waiting


class Order(State):
    """What was typed, for whoever presents a credential next."""

    id: bytes
    use: Use
    amount_fen: int = Field(default=0, description="0: not known yet")
    clinic: int | None = None
    number: int | None = Field(default=None, description="in the clinic's queue, once it is drawn")
    prescription: int | None = Field(default=None, description="that is collected with it")

    @property
    def named(self) -> str:
        """The prescription's number, as the payment keeps it."""
        return "" if self.prescription is None else str(self.prescription)

    def public(self) -> dict[str, str | int | bool]:
        """What of it stands in the record."""
        named = {"clinic": self.clinic, "number": self.number, "prescription": self.prescription}
        return {"use": self.use.value, **{name: value for name, value in named.items() if value is not None}}


class Query(State):
    """Of whom the platform is asked what is owed."""

    about: bytes
    who: Waiting
    settles: bool
    first: AccountKind | None = None
    covered_fen: int = 0
    """What was lent here and will be in the answer."""


class Foreign(State):
    """A code of another system that the platform is reading."""

    about: bytes
    source: str


class Collected(State):
    """What was handed over last: its record may still prove late."""

    record_id: bytes
    subject_namespace: str
    subject_id: bytes
    provisional: bool
    prescriptions: tuple[int, ...]

    @property
    def subject(self) -> Subject:
        """The patient."""
        return Subject(self.subject_namespace, self.subject_id, self.provisional)


class HospitalState(CounterState):
    """State of one counter."""

    order: Order | None = Field(default=None, description="of whoever comes next")
    first: AccountKind | None = Field(default=None, description="the account that the next holder wants to pay first")
    asked_order: Order | None = Field(default=None, description="of whoever is paying: another card may pay it")
    query: Query | None = None
    foreign: Foreign | None = None
    collected: Collected | None = None
