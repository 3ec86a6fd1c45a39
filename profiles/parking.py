"""Car park (停车场): in by card or code, out by the same person, who pays for the stay.

An entry is a durable mark of the person with its time, which all lanes of the terminal share: whoever came in by card
may leave by code. At an exit the tariff gives the fee of the stay. Nothing due opens at once; else the fee is paid as
in every scene (:mod:`profiles.payment`), and the barrier opens after the record of the payment. While it is being paid
no other exit takes it: the intent marks that the person is leaving, until it is paid or has come to nothing. For a lost
entry the staff types what is due, for whoever comes next.

With a loop before the reader only a car is let through, and each car once: nobody begins a second, shorter stay on
foot. With one behind the barrier it is known who drove through; a barrier that nobody drove through changed nothing.

With ``accounts`` a holder to whom an issuer has granted credit leaves first and pays later (先离场后付费): what the
other accounts do not cover is owed, up to a ceiling, and the screen says by when it is to be settled.

A number plate counts for a holder who has had it entered in the register, which is the consent; of any other nothing
is kept.

The rules, the first that fails refuses: assurance, admission, schedule, somebody else still paying or being let
through, a car; at an entry that this person has no car inside, and room; at an exit that this person pays at no
other one, came in, or what the staff typed, and that the clock is not behind what it has shown before: that would make
the stay shorter.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from profiles.amounts import NOTHING_DUE, AmountRefused, due
from profiles.api import (
    AmountEntered,
    ClockState,
    Credential,
    Event,
    Facts,
    InputChanged,
    Mark,
    Presented,
    ProfileSettings,
    Reason,
    Show,
    StartTimer,
    State,
    Step,
    Subject,
    TimerFired,
    Tone,
    Wiring,
)
from profiles.by_hand import TYPED_TIMER, ByHand, gone, typed
from profiles.by_order import is_failure
from profiles.dates import compact
from profiles.direction import Direction
from profiles.helping import opened_again
from profiles.orders import OpenOnce
from profiles.paid_way import Grant, PaidWay, Passage, PublicFields, WayState
from profiles.parking_reasons import ParkingReason, ParkingRule
from profiles.passage import PassageReason
from profiles.payers import Payers
from profiles.payment import Bill, Kept, Payment, PaySettings, Settled, with_amount
from profiles.reasons import ReasonEnum
from profiles.rules import lease
from profiles.rules.accounts import Accounts
from profiles.rules.admission import Entitlement
from profiles.rules.occupancy import Occupancy
from profiles.rules.parking import DAY_MINUTES, MAX_DAYS, MINUTE_MS, ParkingTariff
from profiles.rules.tally import key_of
from profiles.rules.visits import visited
from profiles.trace import Asked, Rule, RuleEnum, judge

STAYS_SCOPE = "parking.stays"
LEAVING_SCOPE = "parking.leaving"
LEAVING_MS = 900_000
"""Every intent ends within seconds and takes its mark away; one whose lane has lost its state keeps nobody for ever."""
CLOCK_SCOPE = "parking.clock"
DRIVE_TIMER = "drive"
USE = "parking"
"""What the holder's accounts are asked to pay for."""
PLATE = "plate"
_STAY_KEPT_MS = MAX_DAYS * DAY_MINUTES * MINUTE_MS
_CLOCK_KEPT_MS = 7 * DAY_MINUTES * MINUTE_MS
_CLOCK_SLACK_MS = MINUTE_MS
"""A clock that is corrected by less has not gone back."""


class Plates(StrEnum):
    """What the plate of a consenting holder is good for. Anybody can paint one."""

    NOTHING = "nothing"
    PASS = "pass"  # noqa: S105 -- a way in, and out where nothing is due
    PAY = "pay"


class Waiver(BaseModel):
    """Minutes that some people need not pay."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    whose: Entitlement = Field(
        alias="for", description="an entitlement of the credential, or a place that the person visited today"
    )
    minutes: int = Field(ge=1, le=DAY_MINUTES, strict=True, description="so many come off the stay")


class ParkingSettings(PaySettings):
    """Settings of one lane; the lanes of one car park belong to one terminal, and name one area."""

    direction: Direction
    area: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="the car park")
    tariff: ParkingTariff
    waivers: tuple[Waiver, ...] = Field(default=(), max_length=16, description="the longest that fits holds")
    accounts: Accounts | None = Field(
        default=None, description="which of the holder's accounts pay, credit (leave first, pay later) among them"
    )
    capacity: int | None = Field(default=None, ge=1, le=100_000, description="cars at most; null: no bound")
    plates: Plates = Field(
        default=Plates.NOTHING, description="nothing, pass or pay: what consenting holders' plates do"
    )
    output: str = Field(default="barrier", description="the output that opens")
    open_pulse_ms: int = Field(default=500, ge=50, le=10_000)
    loop_input: str | None = Field(
        default=None, description="the loop before the reader; null: none, so people on foot count"
    )
    beyond_input: str | None = Field(default=None, description="the loop behind the barrier; null: none")
    drive_ms: int = Field(default=30_000, ge=1_000, le=600_000, description="so long a car may take to drive through")

    def wiring(self) -> Wiring:
        """The barrier and its loops."""
        loops = {"loop_input": self.loop_input, "beyond_input": self.beyond_input}
        return Wiring(outputs={"output": self.output}, inputs={key: name for key, name in loops.items() if name})


class ParkingState(WayState, ByHand):
    """State of one lane, saved with every record; the loops say anew how they are after a start."""

    typed_fen: int | None = Field(default=None, description="what the staff typed, for whoever comes next")
    car: bool = Field(default=False, exclude=True, description="one stands before the reader")
    served: bool = Field(default=False, exclude=True, description="and the barrier has been opened for it")
    under: bool = Field(default=False, exclude=True, description="one stands behind the barrier")


class Parking(PaidWay[ParkingState]):
    """The car park's reducer."""

    name: ClassVar[str] = "parking"
    Settings: ClassVar[type[ProfileSettings]] = ParkingSettings
    State: ClassVar[type[State]] = ParkingState
    wants: ClassVar[frozenset[str]] = frozenset()
    rules: ClassVar[type[RuleEnum]] = ParkingRule

    def __init__(self, settings: ParkingSettings) -> None:
        super().__init__(settings, settings.area, settings.direction, settings.output, settings.open_pulse_ms)
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
                return step.led_by(self._settings.schedule.warning(facts))
            case AmountEntered(amount_fen) if self._settings.direction is Direction.OUT:
                return self._typed(state, amount_fen, facts)
            case AmountRefused(problem):
                return Step(self._fresh(state), (Show(problem.sentence, Tone.NO),))
            case TimerFired(name, about) if name == TYPED_TIMER:
                return gone(state, self._fresh(state), about)
            case InputChanged(name, active) if name == self._settings.loop_input:
                return Step(state.model_copy(update={"car": active, "served": state.served and active}))
            case InputChanged(name, active) if name == self._settings.beyond_input:
                return self._beyond(state.model_copy(update={"under": active}), facts)
            case TimerFired(name, about) if name == DRIVE_TIMER and about == state.ordered:
                return self.order_ended(state, about, PassageReason.TIMED_OUT, facts)
            case TimerFired(name, about) if name == DRIVE_TIMER:
                if state.passage is None or state.passage.record_id != about:
                    return Step(state)
                return self.ended(state, state.passage, PassageReason.TIMED_OUT, facts)
            case _:
                step = super().handle(state, event, facts)
                opened = step.state.passage is not None and step.state.passage is not state.passage
                return Step(step.state.model_copy(update={"served": True}), step.effects) if opened else step

    # In and out -----------------------------------------------------------------------------------------------------

    def _presented(self, state: ParkingState, credential: Credential, facts: Facts) -> Step[ParkingState]:
        plates = self._settings.plates
        if credential.source == PLATE and (plates is Plates.NOTHING or credential.subject.provisional):
            return Step(state, (Show(ParkingReason.PLATE_UNKNOWN.citizen, Tone.WAIT),))
        since_ms = self._since(credential.subject, facts)
        owed = self.is_owed(credential, facts) and since_ms is None
        verdict = judge(self._rules(state, credential, since_ms, owed, facts))
        if verdict.refusal is not None:
            return self.refuse(state, facts, verdict.refusal, credential.medium, credential.subject, verdict.trace)
        if self._settings.direction is Direction.IN:
            marks = (self._stay(credential.subject, facts.now_ms, facts), *self._counted(1, facts))
            grant = Grant(ParkingReason.ENTERED, self._public(), (*marks, *self._seen(facts)), facts.now_ms)
            return self._granted(state, credential, grant, facts, verdict.trace)
        if owed:
            return self._granted(state, credential, self.owed(credential, self._public(), facts), facts, verdict.trace)
        if since_ms is None or not self._clock_goes_on(since_ms, facts):
            fee_fen = state.typed_fen or 0
        else:
            fee_fen = self._settings.tariff.fee_fen(facts.now_ms - since_ms, self._waived(credential, facts))
        left = (self._stay(credential.subject, None, facts), *self._counted(-1, facts), *self._seen(facts))
        if fee_fen == 0:
            grant = Grant(ParkingReason.LEFT_FREE, self._public(), left, since_ms)
            return self._granted(state, credential, grant, facts, verdict.trace)
        if credential.source == PLATE and plates is not Plates.PAY:
            return Step(state, (Show(with_amount(ParkingReason.PLATE_PAYS_NOT.citizen, fee_fen), Tone.WAIT),))
        if lease.refusal(facts) is not None:  # money stops, and nobody is kept for it
            grant = Grant(ParkingReason.LEFT_UNPAID, self._public() | {"unpaid_fen": fee_fen}, left, since_ms)
            unpaid = judge([(Rule.LEASE, False, None)], verdict.trace)
            return self._granted(state, credential, grant, facts, unpaid.trace)
        accounts = self._settings.accounts
        payers = None if accounts is None else Payers.of(accounts, credential, USE, facts)
        bill = Bill(fee_fen, compact(facts.local_time), payers=payers, since_ms=since_ms)
        public = self._public()
        public |= {} if since_ms is None else {"stayed_minutes": max(0, facts.now_ms - since_ms) // MINUTE_MS}
        marks = (self._leaving(credential.subject, facts.now_ms + LEAVING_MS, facts), *self._seen(facts))
        return self.ask(self._fresh(state), credential, bill, verdict.trace, facts, public=public, marks=marks)

    def _rules(
        self, state: ParkingState, credential: Credential, since_ms: int | None, owed: bool, facts: Facts
    ) -> Iterator[Asked]:
        is_plate = credential.source == PLATE
        yield from (
            each for each in self.admission(state, credential, facts) if not (is_plate and each[0] is Rule.ASSURANCE)
        )
        yield ParkingRule.BARRIER_FREE, self.is_free(state) and not state.under, Reason.BUSY
        if self._settings.loop_input is not None:
            yield ParkingRule.A_CAR, state.car and not state.served, ParkingReason.NO_CAR
        if self._settings.direction is Direction.IN:
            yield ParkingRule.NOT_INSIDE, since_ms is None, ParkingReason.INSIDE_ALREADY
            yield from self._cars.rules(self._settings.area, 1, facts)
            return
        pays = facts.mark(LEAVING_SCOPE, key_of(credential.subject, self._settings.area)) is not None
        yield ParkingRule.PAYS_HERE, not pays, ParkingReason.PAYS_ELSEWHERE
        yield ParkingRule.CAME_IN, since_ms is not None or state.typed_fen is not None or owed, ParkingReason.NO_ENTRY
        if since_ms is not None:
            told = self._clock_goes_on(since_ms, facts) or state.typed_fen is not None
            yield ParkingRule.CLOCK_GOES_ON, told, ParkingReason.CLOCK_WENT_BACK

    def _clock_goes_on(self, since_ms: int, facts: Facts) -> bool:
        latest_ms = facts.mark(CLOCK_SCOPE, self._settings.area.encode()) or since_ms
        return facts.now_ms >= since_ms and facts.now_ms >= latest_ms - _CLOCK_SLACK_MS

    def _waived(self, credential: Credential, facts: Facts) -> int:
        fitting = [
            waiver.minutes
            for waiver in self._settings.waivers
            if waiver.whose in credential.entitlements or visited(waiver.whose, credential.subject, facts)
        ]
        return max(fitting, default=0)

    def _public(self) -> PublicFields:
        return {"direction": self._settings.direction.value, "area": self._settings.area}

    def _granted(
        self, state: ParkingState, credential: Credential, grant: Grant, facts: Facts, trace: bytes
    ) -> Step[ParkingState]:
        fresh = self._fresh(state).model_copy(update={"served": True})
        return self.let_through(fresh, credential, grant, facts, trace)

    def _typed(self, state: ParkingState, amount_fen: int, facts: Facts) -> Step[ParkingState]:
        """What is due from whoever comes next, whatever the marks say; 0 takes it back."""
        if amount_fen == 0:
            return Step(self._fresh(state), (Show(NOTHING_DUE, Tone.NO),))
        return typed(state, {"typed_fen": amount_fen}, due(amount_fen), facts)

    def _fresh(self, state: ParkingState) -> ParkingState:
        return state.model_copy(update={"typed_fen": None, "typed": b""})

    # What goes with a payment ---------------------------------------------------------------------------------------

    def paid(self, state: ParkingState, payment: Payment, facts: Facts) -> Settled:  # noqa: ARG002 -- the protocol's
        """The stay is over with the record that says it is paid, unless a failed way in has ended it already."""
        left = self._leaving(payment.subject, None, facts)
        if self._since(payment.subject, facts) is None and payment.since_ms is not None:
            return {}, (left,)
        return {}, (left, self._stay(payment.subject, None, facts), *self._counted(-1, facts))

    def undone(self, state: ParkingState, payment: Payment, facts: Facts, was_paid: bool) -> Kept[ParkingState]:
        """Any exit may take the fee again; of a payment that was taken back the car is inside as before.

        Its barrier was never told to open, or nobody knows what came of it: nothing else would end the passage.
        """
        left = self._leaving(payment.subject, None, facts)
        if not was_paid:
            return state, (left,)
        after = state if state.passage is None else state.model_copy(update={"passage": None, "served": False})
        stay = () if payment.since_ms is None else (self._stay(payment.subject, payment.since_ms, facts),)
        return after, (left, *stay, *self._counted(1, facts))

    def anew(self, state: ParkingState) -> ParkingState:
        """The staff types again."""
        return self._fresh(state)

    # What became of it ----------------------------------------------------------------------------------------------

    def actuated(self, state: ParkingState, passage: Passage, fault: str, facts: Facts) -> Step[ParkingState]:
        """With a loop behind the barrier, it is the car that tells."""
        if fault or self._settings.beyond_input is None:
            return super().actuated(state, passage, fault, facts)
        return Step(state, (StartTimer(DRIVE_TIMER, self._settings.drive_ms, passage.record_id),))

    def _beyond(self, state: ParkingState, facts: Facts) -> Step[ParkingState]:
        if state.under and state.ordered is not None:
            return self.order_ended(state, state.ordered, PassageReason.PASSED, facts)
        if state.passage is None or not state.under:
            return Step(state)
        return self.ended(state, state.passage, PassageReason.PASSED, facts)

    def ended(self, state: ParkingState, passage: Passage, reason: ReasonEnum, facts: Facts) -> Step[ParkingState]:
        """A car that did not get through may try again."""
        step = super().ended(state, passage, reason, facts)
        return Step(step.state.model_copy(update={"served": state.served and not is_failure(reason)}), step.effects)

    # By order: a car is counted, and nobody's stay begins or ends -----------------------------------------------------

    def ordered(self, state: ParkingState, order: OpenOnce, facts: Facts) -> Step[ParkingState]:
        """Also for a car for which it has not risen, and onto a loop that says for ever that one stands behind it."""
        if state.passage is not None and order.way((self.leads,)) is not None:
            return Step(state, opened_again(self.pulse(order.about), self._public(), facts))
        step = super().ordered(state, order, facts)
        opened = step.state.ordered is not None and state.ordered is None
        return Step(step.state.model_copy(update={"served": True}), step.effects) if opened else step

    def order_actuated(self, state: ParkingState, about: bytes, fault: str, facts: Facts) -> Step[ParkingState]:
        """As of every car that is let through."""
        if fault or self._settings.beyond_input is None:
            return super().order_actuated(state, about, fault, facts)
        return Step(state, (StartTimer(DRIVE_TIMER, self._settings.drive_ms, about),))

    def order_ended(self, state: ParkingState, about: bytes, reason: ReasonEnum, facts: Facts) -> Step[ParkingState]:
        """A car that did not get through may try again."""
        step = super().order_ended(state, about, reason, facts)
        return Step(step.state.model_copy(update={"served": state.served and not is_failure(reason)}), step.effects)

    def order_public(self) -> PublicFields:
        """Which car park."""
        return self._public()

    def order_counted(self, outcome: ReasonEnum | None, facts: Facts) -> tuple[Mark, ...]:
        """In with the opening, and back where nobody drove in; out once it has, or may have, driven out."""
        if self._settings.direction is Direction.OUT:
            return self._counted(0 if outcome is None or is_failure(outcome) else -1, facts)
        if outcome is None:
            return self._counted(1, facts)
        return self._counted(-1 if is_failure(outcome) else 0, facts)

    # ----------------------------------------------------------------------------------------------------------------

    def came(self, subject: Subject, facts: Facts) -> tuple[int | None, int | None]:
        """Since when the car is inside."""
        return self._since(subject, facts), None

    def as_before(self, passage: Passage, facts: Facts) -> tuple[Mark, ...]:
        """Who did not drive in is not inside; who owed nothing and did not get out still is."""
        since_ms = self._since(passage.subject, facts)
        if self._settings.direction is Direction.IN and since_ms == passage.since_ms:
            return (self._stay(passage.subject, None, facts), *self._counted(-1, facts))
        if self._settings.direction is Direction.OUT and since_ms is None:
            return (self._stay(passage.subject, passage.since_ms, facts), *self._counted(1, facts))
        return ()

    def _since(self, subject: Subject, facts: Facts) -> int | None:
        return facts.mark(STAYS_SCOPE, key_of(subject, self._settings.area))

    def _stay(self, subject: Subject, since_ms: int | None, facts: Facts) -> Mark:
        return Mark(STAYS_SCOPE, key_of(subject, self._settings.area), since_ms, facts.now_ms + _STAY_KEPT_MS)

    def _leaving(self, subject: Subject, until_ms: int | None, facts: Facts) -> Mark:
        """The mark of who is paying, until then; ``None``: it is taken away."""
        key = key_of(subject, self._settings.area)
        return Mark(LEAVING_SCOPE, key, None if until_ms is None else facts.now_ms, until_ms or facts.now_ms)

    def _counted(self, cars: int, facts: Facts) -> tuple[Mark, ...]:
        return self._cars.changed(self._settings.area, cars, facts)

    def _seen(self, facts: Facts) -> tuple[Mark, ...]:
        """How late it has been here. A clock that nobody vouches for says nothing of that."""
        key = self._settings.area.encode()
        if facts.clock is ClockState.UNTRUSTED or facts.now_ms <= (facts.mark(CLOCK_SCOPE, key) or 0):
            return ()
        return (Mark(CLOCK_SCOPE, key, facts.now_ms, facts.now_ms + _CLOCK_KEPT_MS),)
