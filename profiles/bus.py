"""Bus (公交): one tap pays the fare on entering, at a concession with its own ticket, lamp and words.

The fare is fixed, or what the driver types for the passenger who comes next (分段计价); where that is not paid it holds
for the next card. A credential passes the rules in this order, the first that fails refuses: assurance, admission,
schedule, somebody else still paying, and the same person just now. What follows is every scene's
(:mod:`profiles.payment`), with a deadline so short that the vehicle never waits: small sums are sold without the
platform, within the ceilings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from profiles.amounts import MAX_AMOUNT_FEN, NOTHING_DUE, AmountRefused, FunctionKey, KeyPressed, yuan
from profiles.api import (
    AmountEntered,
    Credential,
    Event,
    Facts,
    Mark,
    Presented,
    ProfileSettings,
    Show,
    State,
    Step,
    TimerFired,
    Tone,
    Wiring,
)
from profiles.by_hand import TYPED_TIMER, ByHand, again, gone, typed
from profiles.dates import compact, elapsed_ms
from profiles.inspecting import CHECK_TIMER, Inspected, TicketReason, begin, end, inspection
from profiles.payment import Bill, Cashier, Kept, Payment, PayState, Settled
from profiles.printable import Printable
from profiles.reasons import ReasonEnum, Sentence
from profiles.ride import Ride
from profiles.riding import RideSettings, given_back, taken, ticket_of, ticket_said, with_lamp
from profiles.rules.concession import concession_of
from profiles.rules.discounts import travelled
from profiles.rules.double_tap import used, used_just_now
from profiles.rules.funds import ACCOUNT
from profiles.rules.tally import key_of
from profiles.trace import Asked, Rule, RuleEnum, judge

MAX_PEOPLE = 20
RIDES_SCOPE = "bus.rides"
_NOTHING_ASKED: dict[str, Any] = {"asked_fare_fen": None, "asked_people": 1}
_S = Sentence


class BusReason(ReasonEnum):
    """What only a bus has to say."""

    JUST_RODE = (
        "just-rode",
        _S("您刚刚已刷卡，请上车", "You have just paid; please get in"),
        _S(
            "同一人在间隔时间内再次刷卡；同行人请司机先输入人数",
            "the same person within the interval; for companions the driver types the number",
        ),
    )
    TOO_MANY = (
        "too-many",
        _S(f"一次最多 {MAX_PEOPLE} 人，请分次刷卡", f"At most {MAX_PEOPLE} people at once; please tap in several"),
        _S("输入的人数过多", "too many people were typed"),
        True,
    )


class BusSettings(RideSettings):
    """Settings of one vehicle."""

    line: Printable = Field(min_length=1, max_length=32, description="as the platform names the line")
    fare_fen: int = Field(ge=1, le=MAX_AMOUNT_FEN, strict=True, description="the full fare of one person")
    interval_ms: int = Field(
        default=60_000, ge=0, le=7_200_000, description="the same person again within it pays nothing and is told so"
    )
    ticket_minutes: int = Field(
        default=90, ge=1, le=360, strict=True, description="so long after it was paid an inspector finds a ride valid"
    )
    ask_deadline_ms: int = Field(default=300, ge=100, le=30_000, description="so long a passenger waits")

    @model_validator(mode="after")
    def fare_is_no_trap(self) -> BusSettings:
        """A fare above the offline ceiling would leave everybody standing whenever the network is gone."""
        if self.fare_fen > self.offline.payment_fen:
            said = {
                "zh": "fare_fen 超过 offline.payment_fen：断网时谁也上不了车，请提高后者",
                "en": "fare_fen is above offline.payment_fen: without a network nobody could ride; raise that",
            }
            raise PydanticCustomError("said", "{en}", said)
        return self

    def wiring(self) -> Wiring:
        """The lamps of concessions."""
        return Wiring(outputs=self.lamps)


class BusState(PayState, Inspected, ByHand):
    """State of one vehicle, saved with every record."""

    fare_fen: int | None = Field(default=None, description="what the driver typed, for whoever comes next")
    people: int = Field(default=1, description="for how many whoever comes next pays")
    asked_fare_fen: int | None = Field(default=None, description="the typed fare of whoever is paying")
    asked_people: int = Field(default=1, description="and for how many: another card may pay the same")


class Bus(Cashier[BusState]):
    """The bus's reducer."""

    name: ClassVar[str] = "bus"
    Settings: ClassVar[type[ProfileSettings]] = BusSettings
    State: ClassVar[type[State]] = BusState
    wants: ClassVar[frozenset[str]] = frozenset()
    rules: ClassVar[type[RuleEnum]] = RuleEnum

    def __init__(self, settings: BusSettings) -> None:
        super().__init__(settings)
        self._settings = settings

    def idle(self) -> BusState:
        """Nobody is getting in."""
        return BusState()

    def handle(self, state: BusState, event: Event, facts: Facts) -> Step[BusState]:
        """One event in, one step out; what was typed and is not paid is said, and waits no longer than before."""
        step = self._serve(state, event, facts)
        after = step.state
        if after.typed in (b"", state.typed) or isinstance(event, AmountEntered | KeyPressed):
            return step
        fare, people = yuan(after.fare_fen or self._settings.fare_fen), after.people
        persons = "person" if people == 1 else "people"
        return again(
            step, Sentence(f"仍为 {people} 人，票价 {fare} 元", f"still for {people} {persons} at {fare} yuan")
        )

    def _serve(self, state: BusState, event: Event, facts: Facts) -> Step[BusState]:
        match event:
            case Presented(credential) if state.checking and state.asking is None:
                return self._inspected(state, credential, facts)
            case KeyPressed(FunctionKey.CHECK):
                return begin(state)
            case TimerFired(name) if name == CHECK_TIMER:
                return Step(end(state))
            case TimerFired(name, about) if name == TYPED_TIMER:
                return gone(state, self._fresh(state), about)
            case Presented(credential):
                step = self._presented(state, credential, facts)
                return step.led_by(self._settings.schedule.warning(facts))
            case AmountEntered(amount_fen):
                return self._typed(state, amount_fen, facts)
            case AmountRefused(problem):
                return Step(self._fresh(state), (Show(problem.sentence, Tone.NO),))
            case KeyPressed(FunctionKey.GUESTS, number):
                return self._companions(state, number or 1, facts)
            case _:
                step = super().handle(state, event, facts)
                paying = None if state.asking is None else self._settings.concession_in(state.asking)
                return Step(step.state, with_lamp(step.effects, paying))

    # What is paid ---------------------------------------------------------------------------------------------------

    def _presented(self, state: BusState, credential: Credential, facts: Facts) -> Step[BusState]:
        verdict = judge(self._rules(state, credential, facts))
        if verdict.refusal is not None:
            return self.refuse(state, facts, verdict.refusal, credential.medium, credential.subject, verdict.trace)
        fare_fen, before = state.fare_fen or self._settings.fare_fen, travelled(credential.subject, facts)
        settings = self._settings
        ticket = ticket_of(
            fare_fen, settings.concessions, settings.discounts, credential, before, facts.now_ms, facts, state.people
        )
        ride = Ride.made(line=settings.line, own_fen=ticket.own_fen, before_ms=before.last_ms)
        bill = Bill(fare_fen * state.people, compact(facts.local_time), funds=ticket.funds, ride=ride)
        # With the intent: at the other door the same person is told so while the platform is asked.
        marks = taken(ride, ticket.concession, credential.subject, facts)
        rode = used(RIDES_SCOPE, key_of(credential.subject), settings.interval_ms, facts)
        public: dict[str, str | int | bool] = {"line": settings.line, "people": state.people}
        asked = {"asked_fare_fen": state.fare_fen, "asked_people": state.people}
        fresh = self._fresh(state).model_copy(update=asked)
        return self.ask(fresh, credential, bill, verdict.trace, facts, public, marks=(rode, *marks))

    def _rules(self, state: BusState, credential: Credential, facts: Facts) -> Iterator[Asked]:
        yield from self.admission(state, credential, facts)
        just_now = used_just_now(RIDES_SCOPE, key_of(credential.subject), self._settings.interval_ms, facts)
        yield Rule.NOT_REPEATED, state.people > 1 or not just_now, BusReason.JUST_RODE

    def _inspected(self, state: BusState, credential: Credential, facts: Facts) -> Step[BusState]:
        """Whether this passenger has paid on this vehicle within the last ``ticket_minutes``."""
        last_ms = travelled(credential.subject, facts).last_ms
        holds = last_ms is not None and elapsed_ms(last_ms, facts) < self._settings.ticket_minutes * 60_000
        reason = TicketReason.VALID if holds else TicketReason.NONE
        line = Sentence(f"已付款 {self._settings.line}", f"paid on {self._settings.line}")
        concession = concession_of(self._settings.concessions, credential, facts)
        public: dict[str, str | int | bool] = {"line": self._settings.line}
        return Step(end(state), inspection(credential, reason, last_ms, line, concession, facts, public))

    def _typed(self, state: BusState, fare_fen: int, facts: Facts) -> Step[BusState]:
        """The full fare of whoever comes next; 0 takes back what was typed."""
        if fare_fen == 0:
            return Step(self._fresh(state), (Show(NOTHING_DUE, Tone.NO),))
        due = Sentence(f"票价 {yuan(fare_fen)} 元", f"Fare: {yuan(fare_fen)} yuan")
        return typed(state, {"fare_fen": fare_fen}, due, facts)

    def _companions(self, state: BusState, people: int, facts: Facts) -> Step[BusState]:
        if people > MAX_PEOPLE:
            return Step(state, (Show(BusReason.TOO_MANY.citizen, Tone.NO),))
        said = Sentence(f"共 {people} 人，请刷卡", f"{people} {'person' if people == 1 else 'people'}: please tap")
        return typed(state, {"people": people}, said, facts)

    def _fresh(self, state: BusState) -> BusState:
        return state.model_copy(update={"fare_fen": None, "people": 1, "typed": b"", **_NOTHING_ASKED})

    # What goes with a payment ---------------------------------------------------------------------------------------

    def paid(self, state: BusState, payment: Payment, facts: Facts) -> Settled:  # noqa: ARG002 -- the protocol's
        """What the driver typed is paid."""
        return _NOTHING_ASKED, ()

    def undone(self, state: BusState, payment: Payment, facts: Facts, was_paid: bool) -> Kept[BusState]:
        """Nobody has ridden; what the driver typed another card may pay, unless he has typed anew."""
        forgotten = Mark(RIDES_SCOPE, key_of(payment.subject), None, facts.now_ms)
        ride = payment.ride or Ride(line=self._settings.line)
        marks = (forgotten, *given_back(ride, self._settings.concession_in(payment), payment.subject, facts))
        asked = {"fare_fen": state.asked_fare_fen, "people": state.asked_people}
        if was_paid:
            return state, marks
        after = state.model_copy(update=_NOTHING_ASKED)
        if state.typed or asked == {"fare_fen": None, "people": 1}:
            return after, marks
        return after.model_copy(update={**asked, "typed": payment.asked_id}), marks

    def said(self, state: BusState, what: Sentence, payment: Payment) -> Sentence:  # noqa: ARG002 -- the protocol's
        """The ticket, and what the holder's own account pays."""
        return ticket_said(what, self._settings.concession_in(payment), payment.funds.get(ACCOUNT, 0))

    def anew(self, state: BusState) -> BusState:
        """The driver types again."""
        return self._fresh(state)
