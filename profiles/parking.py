"""Car park (停车场): in by card or code, out by the same person, who pays for the stay.

An entry is a durable mark of the person with its time, which all lanes of the terminal share: whoever came in by card
may leave by code. At an exit the tariff gives the fee of the stay. Nothing due opens at once; else the fee is paid as
in every scene (:mod:`profiles.payment`), and the barrier opens after the record of the payment. For a lost entry the
staff types what is due, for whoever comes next.

The rules, the first that fails refuses: assurance, admission, schedule, somebody else still paying or being let
through; at an entry that this person has no car inside, and room; at an exit that this person came in, or what the
staff typed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from profiles.amounts import NOTHING_DUE, AmountRefused, yuan
from profiles.api import (
    Actuate,
    Actuated,
    AmountEntered,
    Credential,
    Effect,
    Event,
    Facts,
    Kind,
    Mark,
    Presented,
    ProfileSettings,
    Reason,
    Record,
    RecordedLate,
    Restarted,
    Show,
    State,
    Step,
    Subject,
    Tone,
    Wiring,
)
from profiles.direction import Direction
from profiles.parking_reasons import ParkingReason, ParkingRule
from profiles.payment import Bill, Cashier, Kept, Payment, PaySettings, PayState
from profiles.reasons import Sentence
from profiles.rules.admission import Entitlement
from profiles.rules.occupancy import Occupancy
from profiles.rules.parking import DAY_MINUTES, MAX_DAYS, MINUTE_MS, ParkingTariff
from profiles.rules.tally import key_of
from profiles.trace import Asked, RuleEnum, judge

STAYS_SCOPE = "parking.stays"
_STAY_KEPT_MS = MAX_DAYS * DAY_MINUTES * MINUTE_MS


class Waiver(BaseModel):
    """Minutes that some people need not pay."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    whose: Entitlement = Field(alias="for", description="an entitlement of the credential")
    minutes: int = Field(ge=1, le=DAY_MINUTES, strict=True, description="so many come off the stay")


class ParkingSettings(PaySettings):
    """Settings of one lane; the lanes of one car park belong to one terminal, and name one area."""

    direction: Direction
    area: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="the car park")
    tariff: ParkingTariff
    waivers: tuple[Waiver, ...] = Field(default=(), max_length=16, description="the longest that fits holds")
    capacity: int | None = Field(default=None, ge=1, le=100_000, description="cars at most; null: no bound")
    output: str = Field(default="barrier", description="the output that opens")
    open_pulse_ms: int = Field(default=500, ge=50, le=10_000)

    def wiring(self) -> Wiring:
        """The barrier."""
        return Wiring(outputs={"output": self.output})


class Passage(State):
    """Whom the barrier was opened for, until it is known what came of it."""

    record_id: bytes
    subject_namespace: str
    subject_id: bytes
    provisional: bool
    since_ms: int | None = Field(description="when the person came in; null for a lost entry")
    paid: bool = Field(default=False, description="a barrier that fails now asks for no second fee")

    @property
    def subject(self) -> Subject:
        """The person."""
        return Subject(self.subject_namespace, self.subject_id, self.provisional)


class ParkingState(PayState):
    """State of one lane, saved with every record."""

    typed_fen: int | None = Field(default=None, description="what the staff typed, for whoever comes next")
    lost_entry: bool = Field(default=False, description="whoever is paying has no record of an entry")
    passage: Passage | None = None


class Parking(Cashier[ParkingState]):
    """The car park's reducer."""

    name: ClassVar[str] = "parking"
    Settings: ClassVar[type[ProfileSettings]] = ParkingSettings
    State: ClassVar[type[State]] = ParkingState
    wants: ClassVar[frozenset[str]] = frozenset()
    rules: ClassVar[type[RuleEnum]] = ParkingRule

    def __init__(self, settings: ParkingSettings) -> None:
        super().__init__(settings)
        self._settings = settings
        self._cars = Occupancy(capacity=settings.capacity, daily=False)  # they stay over night

    def idle(self) -> ParkingState:
        """Nobody is at the barrier."""
        return ParkingState()

    def handle(self, state: ParkingState, event: Event, facts: Facts) -> Step[ParkingState]:
        """One event in, one step out."""
        match event:
            case Presented(credential):
                step = self._presented(state, credential, facts)
                return Step(step.state, (*self._settings.schedule.warning(facts), *step.effects))
            case AmountEntered(amount_fen) if self._settings.direction is Direction.OUT:
                return self._typed(state, amount_fen)
            case AmountRefused(problem):
                return Step(state.model_copy(update={"typed_fen": None}), (Show(problem.sentence, Tone.NO),))
            case Actuated(about, fault) if state.passage is not None and state.passage.record_id == about:
                reason = Reason.ACTUATOR_FAILED if fault else Reason.ACTUATED
                return self._passed(state, state.passage, reason, facts)
            case RecordedLate(about) if state.passage is not None and state.passage.record_id == about:
                return self._passed(state, state.passage, Reason.NOT_ACTUATED, facts)
            case Restarted() if state.passage is not None:
                ended = self._passed(state, state.passage, Reason.OUTCOME_UNKNOWN, facts)
                rest = super().handle(ended.state, event, facts)
                return Step(rest.state, (*ended.effects, *rest.effects))
            case _:
                return self._opening(super().handle(state, event, facts), state, facts)

    # In and out -----------------------------------------------------------------------------------------------------

    def _presented(self, state: ParkingState, credential: Credential, facts: Facts) -> Step[ParkingState]:
        since_ms = self._since(credential.subject, facts)
        verdict = judge(self._rules(state, credential, since_ms, facts))
        if verdict.refusal is not None:
            return self.refuse(state, facts, verdict.refusal, credential.medium, credential.subject, verdict.trace)
        if self._settings.direction is Direction.IN:
            marks = (self._stay(credential.subject, facts.now_ms, facts), *self._counted(1, facts))
            now_ms = facts.now_ms
            return self._let_through(state, credential, ParkingReason.ENTERED, marks, now_ms, facts, verdict.trace)
        if since_ms is None:
            fee_fen = state.typed_fen or 0
        else:
            fee_fen = self._settings.tariff.fee_fen(facts.now_ms - since_ms, self._waived(credential))
        if fee_fen == 0:
            marks = (self._stay(credential.subject, None, facts), *self._counted(-1, facts))
            return self._let_through(state, credential, ParkingReason.LEFT_FREE, marks, since_ms, facts, verdict.trace)
        bill = Bill(fee_fen, facts.local_time.strftime("%Y%m%d"))
        public: dict[str, str | int | bool] = {"direction": "out", "area": self._settings.area}
        public |= {} if since_ms is None else {"stayed_minutes": max(0, facts.now_ms - since_ms) // MINUTE_MS}
        fresh = state.model_copy(update={"typed_fen": None, "lost_entry": since_ms is None})
        return self.ask(fresh, credential, bill, verdict.trace, facts, public=public)

    def _rules(
        self, state: ParkingState, credential: Credential, since_ms: int | None, facts: Facts
    ) -> Iterator[Asked]:
        yield from self.admission(state, credential, facts)
        yield ParkingRule.BARRIER_FREE, state.passage is None, Reason.BUSY
        if self._settings.direction is Direction.IN:
            yield ParkingRule.NOT_INSIDE, since_ms is None, ParkingReason.INSIDE_ALREADY
            yield from self._cars.rules(self._settings.area, 1, facts)
        else:
            came_in = since_ms is not None or state.typed_fen is not None
            yield ParkingRule.CAME_IN, came_in, ParkingReason.NO_ENTRY

    def _waived(self, credential: Credential) -> int:
        fitting = [waiver.minutes for waiver in self._settings.waivers if waiver.whose in credential.entitlements]
        return max(fitting, default=0)

    def _let_through(
        self,
        state: ParkingState,
        credential: Credential,
        reason: ParkingReason,
        marks: tuple[Mark, ...],
        since_ms: int | None,
        facts: Facts,
        trace: bytes,
    ) -> Step[ParkingState]:
        """Without money: who comes in, and who owes nothing."""
        public: dict[str, str | int | bool] = {"direction": self._settings.direction.value, "area": self._settings.area}
        public |= {"source": credential.source, "assurance": int(credential.assurance)}
        record = Record(
            id=facts.new_id(),
            kind=Kind.DECISION,
            reason=reason,
            medium=credential.medium,
            subject=credential.subject,
            public=public,
            marks=(*marks, *credential.marks),
            trace=trace,
        )
        passage = _passage(record.id, credential.subject, since_ms)
        after = state.model_copy(update={"passage": passage, "typed_fen": None})
        return Step(after, (record, self._pulse(record.id), Show(reason.citizen, Tone.OK)))

    def _typed(self, state: ParkingState, amount_fen: int) -> Step[ParkingState]:
        """What is due from whoever comes next, whatever the marks say; 0 takes it back."""
        if amount_fen == 0:
            return Step(state.model_copy(update={"typed_fen": None}), (Show(NOTHING_DUE, Tone.NO),))
        due = Sentence(f"请付款 {yuan(amount_fen)} 元", f"Please pay {yuan(amount_fen)} yuan")
        return Step(state.model_copy(update={"typed_fen": amount_fen}), (Show(due, Tone.WAIT),))

    # What goes with a payment ---------------------------------------------------------------------------------------

    def paid(self, state: ParkingState, payment: Payment, facts: Facts) -> Kept[ParkingState]:
        """The stay is over with the record that says it is paid, unless another lane has ended it already."""
        if self._since(payment.subject, facts) is None and not state.lost_entry:
            return state, ()
        return state, (self._stay(payment.subject, None, facts), *self._counted(-1, facts))

    def _opening(self, step: Step[ParkingState], before: ParkingState, facts: Facts) -> Step[ParkingState]:
        """After the record of a payment the barrier opens."""
        paid = next((each for each in step.effects if isinstance(each, Record) and each.kind is Kind.PAYMENT), None)
        if paid is None or before.asking is None:
            return step
        since_ms = self._since(before.asking.subject, facts)
        after = step.state.model_copy(update={"passage": _passage(paid.id, before.asking.subject, since_ms, paid=True)})
        effects: list[Effect] = []
        for effect in step.effects:
            effects += [effect, self._pulse(paid.id)] if effect is paid else [effect]
        return Step(after, tuple(effects))

    def undone(self, state: ParkingState, payment: Payment, facts: Facts, was_paid: bool) -> Kept[ParkingState]:
        """A payment that was taken back in time: the car is inside as before, as far as it is known since when.

        Its barrier was never told to open, so nothing else would end the passage.
        """
        passage = state.passage
        if not was_paid or passage is None:
            return state, ()
        after = state.model_copy(update={"passage": None})
        if passage.since_ms is None:
            return after, self._counted(1, facts) if state.lost_entry else ()
        stay = self._stay(payment.subject, passage.since_ms, facts)
        return after, (stay, *self._counted(1, facts))

    def anew(self, state: ParkingState) -> ParkingState:
        """The staff types again."""
        return state.model_copy(update={"typed_fen": None})

    # What became of it ----------------------------------------------------------------------------------------------

    def _passed(self, state: ParkingState, passage: Passage, reason: Reason, facts: Facts) -> Step[ParkingState]:
        """Where the barrier failed all is as before, but that who has paid has paid: the call button helps."""
        opened = reason in (Reason.ACTUATED, Reason.OUTCOME_UNKNOWN)
        back = () if opened else self._as_before(passage, facts)
        record = Record(facts.new_id(), Kind.OUTCOME, reason, refers_to=passage.record_id, marks=back)
        shown = () if opened else (Show(reason.citizen, Tone.NO),)
        return Step(state.model_copy(update={"passage": None}), (record, *shown))

    def _as_before(self, passage: Passage, facts: Facts) -> tuple[Mark, ...]:
        """Who did not drive in is not inside; who owed nothing and did not get out still is."""
        since_ms = self._since(passage.subject, facts)
        if self._settings.direction is Direction.IN and since_ms == passage.since_ms:
            return (self._stay(passage.subject, None, facts), *self._counted(-1, facts))
        if self._settings.direction is Direction.OUT and since_ms is None and not passage.paid:
            return (self._stay(passage.subject, passage.since_ms, facts), *self._counted(1, facts))
        return ()

    def _since(self, subject: Subject, facts: Facts) -> int | None:
        return facts.mark(STAYS_SCOPE, key_of(subject, self._settings.area))

    def _stay(self, subject: Subject, since_ms: int | None, facts: Facts) -> Mark:
        return Mark(STAYS_SCOPE, key_of(subject, self._settings.area), since_ms, facts.now_ms + _STAY_KEPT_MS)

    def _counted(self, cars: int, facts: Facts) -> tuple[Mark, ...]:
        return self._cars.changed(self._settings.area, cars, facts)

    def _pulse(self, about: bytes) -> Actuate:
        return Actuate(self._settings.output, self._settings.open_pulse_ms, about)


def _passage(record_id: bytes, subject: Subject, since_ms: int | None, *, paid: bool = False) -> Passage:
    return Passage(
        record_id=record_id,
        subject_namespace=subject.namespace,
        subject_id=subject.id,
        provisional=subject.provisional,
        since_ms=since_ms,
        paid=paid,
    )
