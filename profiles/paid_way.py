"""A way that is paid for: a barrier or a gate that opens after the record of a payment, or of what needs none.

Whom it was opened for is the lane's :class:`Passage` until it is known what came of it. Where it failed, what the
grant changed is taken back (:meth:`PaidWay.as_before`), but who has paid has paid: within :data:`OWED_MS` the same
person passes once more for nothing (:meth:`PaidWay.is_owed`), also where a power cut leaves unknown what came of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import Field

from profiles.api import (
    Actuate,
    Actuated,
    Credential,
    Effect,
    Event,
    Facts,
    Kind,
    Mark,
    Reason,
    Record,
    RecordedLate,
    Restarted,
    Show,
    State,
    Step,
    Subject,
    Tone,
)
from profiles.by_order import OpensByOrder, OrderedState, is_failure
from profiles.direction import Direction
from profiles.passage import PassageReason
from profiles.payment import Cashier, PaySettings, PayState
from profiles.reasons import ReasonEnum
from profiles.rules.double_tap import not_used, used, used_just_now
from profiles.rules.tally import key_of

OWED_SCOPE = "way.owed"
OWED_MS = 900_000
PublicFields = dict[str, str | int | bool]


class Passage(State):
    """Whom the way was opened for, until it is known what came of it."""

    record_id: bytes
    subject_namespace: str
    subject_id: bytes
    provisional: bool
    since_ms: int | None = Field(default=None, description="when the person came in; null where nobody knows")
    place: int | None = Field(default=None, description="and where, by its number, if there are several places")
    paid: bool = Field(default=False, description="a way that fails now asks for no second fee")

    @property
    def subject(self) -> Subject:
        """The person."""
        return Subject(self.subject_namespace, self.subject_id, self.provisional)


def passage_of(
    record_id: bytes, subject: Subject, since_ms: int | None, place: int | None = None, *, paid: bool = False
) -> Passage:
    """Of a person."""
    return Passage(
        record_id=record_id,
        subject_namespace=subject.namespace,
        subject_id=subject.id,
        provisional=subject.provisional,
        since_ms=since_ms,
        place=place,
        paid=paid,
    )


class WayState(OrderedState, PayState):
    """Base of the state of a lane with a paid way."""

    passage: Passage | None = None


W = TypeVar("W", bound=WayState)


@dataclass(frozen=True, slots=True)
class Grant:
    """What opens without money, and what it changes."""

    reason: ReasonEnum
    public: PublicFields
    marks: tuple[Mark, ...] = ()
    since_ms: int | None = None
    place: int | None = None
    paid: bool = False


class PaidWay(OpensByOrder[W], Cashier[W], Generic[W]):
    """Base of the reducers that open a way."""

    def __init__(self, settings: PaySettings, at: str, direction: Direction, output: str, pulse_ms: int) -> None:
        """``at``: the car park, or the station and its way in or out, where an opening is owed."""
        super().__init__(settings)
        self._direction = direction
        self._at = at
        self._output = output
        self._pulse_ms = pulse_ms

    def handle(self, state: W, event: Event, facts: Facts) -> Step[W]:
        """What became of the way, then what all scenes with payments make of an event."""
        passage = state.passage
        match event:
            case Actuated(about, fault) if passage is not None and passage.record_id == about:
                return self.actuated(state, passage, fault, facts)
            case RecordedLate(about) if passage is not None and passage.record_id == about:
                return self.ended(state, passage, Reason.NOT_ACTUATED, facts)
            case Restarted() if passage is not None:
                ended = self.ended(state, passage, Reason.OUTCOME_UNKNOWN, facts)
                rest = super().handle(ended.state, event, facts)
                return Step(rest.state, (*ended.effects, *rest.effects))
            case _:
                return self._opening(super().handle(state, event, facts), state, facts)

    # What a scene adds ----------------------------------------------------------------------------------------------

    def came(self, subject: Subject, facts: Facts) -> tuple[int | None, int | None]:
        """Since when the person is inside, and where they came in, as far as is known."""
        raise NotImplementedError

    def as_before(self, passage: Passage, facts: Facts) -> tuple[Mark, ...]:
        """The marks that take back what a grant changed which nobody could use."""
        raise NotImplementedError

    def actuated(self, state: W, passage: Passage, fault: str, facts: Facts) -> Step[W]:
        """The way has opened, or has not."""
        return self.ended(state, passage, Reason.ACTUATOR_FAILED if fault else Reason.ACTUATED, facts)

    # Opening --------------------------------------------------------------------------------------------------------

    def let_through(self, state: W, credential: Credential, grant: Grant, facts: Facts, trace: bytes) -> Step[W]:
        """Without money: who comes in, and who owes nothing."""
        record = Record(
            id=facts.new_id(),
            kind=Kind.DECISION,
            reason=grant.reason,
            medium=credential.medium,
            subject=credential.subject,
            public={**grant.public, "source": credential.source, "assurance": int(credential.assurance)},
            marks=(*grant.marks, *credential.marks),
            trace=trace,
        )
        passage = passage_of(record.id, credential.subject, grant.since_ms, grant.place, paid=grant.paid)
        after = state.model_copy(update={"passage": passage})
        return Step(after, (record, self.pulse(record.id), Show(grant.reason.citizen, Tone.OK)))

    def is_owed(self, credential: Credential, facts: Facts) -> bool:
        """Whether this person has paid here just now, and the way did not open."""
        return used_just_now(OWED_SCOPE, key_of(credential.subject, self._at), OWED_MS, facts)

    def owed(self, credential: Credential, public: PublicFields, facts: Facts) -> Grant:
        """Who has paid, once more."""
        marks = (not_used(OWED_SCOPE, key_of(credential.subject, self._at), facts),)
        return Grant(PassageReason.GRANTED_AGAIN, public, marks, paid=True)

    @property
    def leads(self) -> Direction:
        """In, or out."""
        return self._direction

    def is_free(self, state: W) -> bool:
        """Whether nobody pays here, or is being let through."""
        return state.asking is None and state.passage is None and state.ordered is None

    def held_by(self, state: W) -> ReasonEnum | None:
        """Whoever is being served."""
        return None if self.is_free(state) else Reason.BUSY

    def order_public(self) -> PublicFields:
        """In, or out."""
        return {"direction": self._direction.value}

    def pulse(self, about: bytes) -> Actuate:
        """Open."""
        return Actuate(self._output, self._pulse_ms, about)

    def _opening(self, step: Step[W], before: W, facts: Facts) -> Step[W]:
        """After the record of a payment the way opens."""
        paid = next((each for each in step.effects if isinstance(each, Record) and each.kind is Kind.PAYMENT), None)
        if paid is None or before.asking is None:
            return step
        since_ms, place = self.came(before.asking.subject, facts)
        passage = passage_of(paid.id, before.asking.subject, since_ms, place, paid=True)
        effects: list[Effect] = []
        for effect in step.effects:
            effects += [effect, self.pulse(paid.id)] if effect is paid else [effect]
        return Step(step.state.model_copy(update={"passage": passage}), tuple(effects))

    # What became of it ----------------------------------------------------------------------------------------------

    def ended(self, state: W, passage: Passage, reason: ReasonEnum, facts: Facts) -> Step[W]:
        """The outcome's record; where the way failed all is as before, and what was paid for is owed.

        So it is where a restart leaves unknown whether the way opened, unless that takes the payment back.
        """
        failed = is_failure(reason)
        marks: tuple[Mark, ...] = ()
        if passage.paid and (failed or (reason is Reason.OUTCOME_UNKNOWN and not state.unconfirmed)):
            marks = (used(OWED_SCOPE, key_of(passage.subject, self._at), OWED_MS, facts),)
        elif failed:
            marks = self.as_before(passage, facts)
        record = Record(facts.new_id(), Kind.OUTCOME, reason, refers_to=passage.record_id, marks=marks)
        shown = (Show(reason.citizen, Tone.NO),) if failed else ()
        return Step(state.model_copy(update={"passage": None}), (record, *shown))
