"""Metro (地铁): in at one station, out at another, and the fare of the way between.

An entry opens a trip of the person (:mod:`profiles.rules.trips`), which all lanes of the terminal share: whoever came
in by card may leave by code. The exit's fare is recorded in full with its split over concession, transfer, day's cap
and the holder's account, then paid as in every scene (:mod:`profiles.payment`); the gate opens after the record of the
payment. The trip ends with the intent, so that no second gate charges it meanwhile, and is open again if nothing comes
of that.

With ``entries: platform`` the gates are many terminals', and the platform is asked where the person came in, with a
deadline. It knows what has reached it. Where it does not answer, the exit charges what the settings say, and no guess
of its own.

Of a trip without an exit the next entry charges the highest fare, of an exit without a trip the staff types where it
began, or what is due.

The rules, the first that fails refuses: assurance, admission, schedule, somebody else still paying or being let
through, and that the person can have come so fast from where he was last; at an exit that he came in, and a fare.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from pydantic import Field

from profiles.amounts import NOTHING_DUE, AmountRefused, FunctionKey, KeyPressed, due
from profiles.api import (
    AmountEntered,
    Ask,
    Credential,
    Event,
    Facts,
    Kind,
    Mark,
    Presented,
    ProfileSettings,
    Reason,
    Record,
    RecordedLate,
    Show,
    State,
    Step,
    Subject,
    TimerFired,
    Tone,
)
from profiles.by_hand import TYPED_TIMER, ByHand, gone, typed
from profiles.dates import compact, elapsed_ms
from profiles.direction import Direction
from profiles.inspecting import CHECK_TIMER, Inspected, TicketReason, begin, end, inspection
from profiles.metro_reasons import MetroReason, MetroRule
from profiles.metro_settings import MetroSettings
from profiles.paid_way import Grant, PaidWay, Passage, PublicFields, WayState, passage_of
from profiles.payers import own_share_fen
from profiles.payment import Bill, Kept, Payment, Settled, with_amount
from profiles.questions import Answer, Answered, Declined, NotRecorded, QueryTravel, Travelled, Unanswered
from profiles.reasons import Sentence
from profiles.ride import Ride
from profiles.riding import given_back, taken, ticket_of, ticket_said, with_lamp
from profiles.rules import guardian, lease
from profiles.rules.concession import concession_of
from profiles.rules.discounts import Discounts, Rides, travelled
from profiles.rules.funds import ACCOUNT
from profiles.rules.impossible import is_possible
from profiles.rules.trips import OpenTrip, Seen, begun, has_left, left, open_trip, over, seen, seen_here
from profiles.trace import Asked, RuleEnum, Verdict, judge

MINUTE_MS = 60_000
_REFUSED = {"medium-lost": Reason.MEDIUM_LOST, "wrong-person": Reason.MEDIUM_DENIED}
"""What the platform's register has against a medium, by the code of its no; any other no is no answer."""
_NOWHERE = Sentence("无", "nowhere")
_MISSING_EXIT = Sentence("补收上次未出站车费", "Paid for the last trip, which has no exit")


@dataclass(frozen=True, slots=True)
class Looking:
    """Whose trip the platform is asked about; ``about`` is the record that says so."""

    about: bytes
    credential: Credential
    inspects: bool = False
    """Nobody leaves: an inspector wants to know."""


class Known(NamedTuple):
    """What is known of who wants to leave."""

    trip: OpenTrip | None
    rides: Rides
    unanswered: bool = False
    """The platform was asked, and has not told in time."""


class MetroState(WayState, Inspected, ByHand):
    """State of one lane, saved with every record; who is looked up is not, since the evidence may lie in no state."""

    typed_fen: int | None = Field(default=None, description="what the staff typed, for whoever comes next")
    declared: str | None = Field(default=None, description="the station that the staff typed, for whoever comes next")
    looking: Looking | None = Field(default=None, exclude=True)


class Metro(PaidWay[MetroState]):
    """The metro's reducer."""

    name: ClassVar[str] = "metro"
    Settings: ClassVar[type[ProfileSettings]] = MetroSettings
    State: ClassVar[type[State]] = MetroState
    wants: ClassVar[frozenset[str]] = frozenset()
    rules: ClassVar[type[RuleEnum]] = MetroRule

    def __init__(self, settings: MetroSettings) -> None:
        at = f"{settings.station}/{settings.direction.value}"  # who paid to leave is owed no way in
        super().__init__(settings, at, settings.direction, settings.output, settings.open_pulse_ms)
        self._settings = settings

    def idle(self) -> MetroState:
        """Nobody is at the gate."""
        return MetroState()

    def handle(self, state: MetroState, event: Event, facts: Facts) -> Step[MetroState]:
        """One event in, one step out."""
        match event:
            case Presented(credential) if state.checking and self.is_free(state):
                return self._inspected(end(state), credential, facts)
            case KeyPressed(FunctionKey.CHECK):
                return begin(state)
            case TimerFired(name) if name == CHECK_TIMER:
                return Step(end(state))
            case TimerFired(name, about) if name == TYPED_TIMER:
                return gone(state, self._fresh(state), about)
            case Presented(credential):
                step = self._presented(state, credential, facts)
                return step.led_by(self._settings.schedule.warning(facts))
            case AmountEntered(amount_fen) if self._settings.direction is Direction.OUT:
                return self._typed(state, amount_fen, facts)
            case AmountRefused(problem):
                return Step(self._fresh(state), (Show(problem.sentence, Tone.NO),))
            case KeyPressed(FunctionKey.STATION, number):
                return self._declared(state, number, facts)
            case Answered(about, answer) if state.looking is not None and state.looking.about == about:
                return self._answer(state, state.looking.credential, answer, facts)
            case Unanswered(about) if state.looking is not None and state.looking.about == about:
                known = Known(None, travelled(state.looking.credential.subject, facts), unanswered=True)
                return self._known(state, state.looking.credential, known, facts)
            case RecordedLate(about) | NotRecorded(about) if state.looking is not None and state.looking.about == about:
                return Step(state.cleared("looking"))
            case _:
                step = super().handle(state, event, facts)
                paying = None if state.asking is None else self._settings.concession_in(state.asking)
                return Step(step.state, with_lamp(step.effects, paying))

    # In and out -----------------------------------------------------------------------------------------------------

    def _presented(self, state: MetroState, credential: Credential, facts: Facts) -> Step[MetroState]:
        verdict = judge(self._rules(state, credential, facts))
        if verdict.refusal is not None:
            return self._refused(state, credential, verdict, facts)
        if self.is_owed(credential, facts):
            grant = self.owed(credential, self._public(), facts)
            return self.let_through(self._fresh(state), credential, grant, facts, verdict.trace)
        trip, is_here = open_trip(credential.subject, facts), not self._settings.asks
        if self._settings.direction is Direction.IN:
            if trip is not None and not is_here and not self._goes_on(trip, facts):
                trip = None  # it ended elsewhere, or the platform knows that it did not
            verdict = verdict.then([(MetroRule.TRIP_ENDED, trip is None or self._goes_on(trip, facts), None)])
            return self._enter(state, credential, trip, facts, verdict.trace)
        if not is_here:
            return self._look_up(state, credential, facts, verdict.trace)
        return self._known(state, credential, Known(trip, travelled(credential.subject, facts)), facts, verdict.trace)

    def _rules(self, state: MetroState, credential: Credential, facts: Facts) -> Iterator[Asked]:
        yield from self.admission(state, credential, facts)
        yield MetroRule.GATE_FREE, self.is_free(state), Reason.BUSY
        possible = self._is_possible(seen(credential.subject, facts), facts)
        yield MetroRule.POSSIBLE, possible, MetroReason.IMPOSSIBLE_TRAVEL

    def is_free(self, state: MetroState) -> bool:
        """Nor is anybody looked up."""
        return state.looking is None and super().is_free(state)

    def _look_up(
        self, state: MetroState, credential: Credential, facts: Facts, trace: bytes, *, inspects: bool = False
    ) -> Step[MetroState]:
        """Ask the platform where the person came in. Who stands there is kept in memory alone."""
        record = Record(
            id=facts.new_id(),
            kind=Kind.DECISION,
            reason=MetroReason.TRIP_ASKED,
            medium=credential.medium,
            subject=credential.subject,
            public=self._public(),
            marks=credential.marks,
            trace=trace,
        )
        question = QueryTravel(self._settings.line)
        ask = Ask(question, self._pay.ask_deadline_ms, record.id, credential.medium, credential.subject)
        after = state.model_copy(update={"looking": Looking(record.id, credential, inspects)})
        return Step(after, (record, Show(MetroReason.TRIP_ASKED.citizen, Tone.WAIT), ask))

    def _answer(self, state: MetroState, credential: Credential, answer: Answer, facts: Facts) -> Step[MetroState]:
        here = travelled(credential.subject, facts)
        match answer:
            case Travelled():
                known = Known(self._told_trip(credential, answer, facts), self._both(here, answer, facts))
                return self._known(state, credential, known, facts)
            case Declined(code) if code in _REFUSED:
                verdict = judge([(MetroRule.TRIP_TOLD, False, _REFUSED[code])])
                return self._refused(state.cleared("looking"), credential, verdict, facts)
            case _:
                return self._known(state, credential, Known(None, here, unanswered=True), facts)

    def _told_trip(self, credential: Credential, told: Travelled, facts: Facts) -> OpenTrip | None:
        """The open trip that the platform knows, unless it ended here and that is still on its way."""
        station = self._settings.network.stations.get(told.station or "")
        if station is None or told.entered_ms is None:
            return None
        trip = OpenTrip(told.entered_ms, station.number)
        return None if has_left(credential.subject, trip, facts) else trip

    def _both(self, here: Rides, told: Travelled, facts: Facts) -> Rides:
        """What this terminal and the platform know together; what both know is not counted twice.

        While the last ride here is on its way, nobody knows which of the others are: then the passenger has the doubt.
        """
        told_fen = told.spent_fen if told.spent_date == compact(facts.local_time) else 0
        last_ms = max((each for each in (here.last_ms, told.last_ms) if each is not None), default=None)
        is_on_its_way = here.last_ms is not None and (told.last_ms is None or told.last_ms < here.last_ms)
        return Rides(last_ms, here.spent_fen + told_fen if is_on_its_way else max(here.spent_fen, told_fen))

    def _known(
        self,
        state: MetroState,
        credential: Credential,
        known: Known,
        facts: Facts,
        trace: bytes = b"",
    ) -> Step[MetroState]:
        """At the way out, once it is known where the person came in, or that nobody tells."""
        fresh = state.cleared("looking")
        if state.looking is not None and state.looking.inspects:
            return self._told_inspector(fresh, credential, known, facts)
        verdict = judge(self._exit_rules(fresh, known, facts), trace)
        if verdict.refusal is not None:
            return self._refused(fresh, credential, verdict, facts)
        return self._leave(fresh, credential, known, facts, verdict.trace)

    def _inspected(self, state: MetroState, credential: Credential, facts: Facts) -> Step[MetroState]:
        if self._settings.asks:
            return self._look_up(state, credential, facts, b"", inspects=True)
        known = Known(open_trip(credential.subject, facts), travelled(credential.subject, facts))
        return self._told_inspector(state, credential, known, facts)

    def _told_inspector(
        self, state: MetroState, credential: Credential, known: Known, facts: Facts
    ) -> Step[MetroState]:
        trip, stations = known.trip, self._settings.network.stations
        start = None if trip is None else self._settings.network.numbered(trip.station)
        if trip is None or start is None or not self._in_time(trip, facts):
            reason = TicketReason.UNKNOWN if known.unanswered else TicketReason.NONE
            return Step(state, inspection(credential, reason, None, _NOWHERE, None, facts, self._public()))
        name = stations[start].name
        came_in = Sentence(f"{name.zh}进站", f"came in at {name.en}")
        concession = concession_of(self._settings.concessions, credential, facts)
        public = {**self._public(), "from": start}
        told = inspection(credential, TicketReason.VALID, trip.since_ms, came_in, concession, facts, public)
        return Step(state, told)

    def _exit_rules(self, state: MetroState, known: Known, facts: Facts) -> Iterator[Asked]:
        trip, start = known.trip, self._start(state, known.trip)
        if self._settings.asks:
            yield MetroRule.TRIP_TOLD, not known.unanswered, None
        fare_fen = self._fare_fen(state, known, start, facts)
        is_told = start is not None or state.typed_fen is not None
        yield MetroRule.CAME_IN, is_told or (known.unanswered and fare_fen is not None), MetroReason.NO_ENTRY
        if trip is not None:
            possible = self._is_possible(Seen(trip.since_ms, trip.station), facts)
            yield MetroRule.POSSIBLE, possible, MetroReason.IMPOSSIBLE_TRAVEL
            yield MetroRule.IN_TIME, self._in_time(trip, facts), None
        yield MetroRule.FARE_KNOWN, fare_fen is not None, MetroReason.NO_FARES

    def _refused(self, state: MetroState, credential: Credential, verdict: Verdict, facts: Facts) -> Step[MetroState]:
        reason = verdict.refusal or Reason.BUSY
        return self.refuse(state, facts, reason, credential.medium, credential.subject, verdict.trace)

    def _enter(
        self, state: MetroState, credential: Credential, trip: OpenTrip | None, facts: Facts, trace: bytes
    ) -> Step[MetroState]:
        here = seen_here(credential.subject, self._settings.here, facts)
        if trip is not None and self._goes_on(trip, facts):
            grant = Grant(MetroReason.ENTERED_AGAIN, self._public(), here)
            return self.let_through(self._fresh(state), credential, grant, facts, trace)
        if trip is not None and (fare_fen := self._missing_fen(state, trip, facts)):
            return self._charge_missing_exit(state, credential, trip, fare_fen, facts, trace)
        began = OpenTrip(facts.now_ms, self._settings.here)
        marks = (*begun(credential.subject, began, facts), *here)
        grant = Grant(MetroReason.ENTERED, self._public(), marks, began.since_ms, began.station)
        return self.let_through(self._fresh(state), credential, grant, facts, trace)

    def _missing_fen(self, state: MetroState, trip: OpenTrip, facts: Facts) -> int:
        """The highest fare, or that to where the staff was told that the trip ended."""
        settings, start = self._settings, self._settings.network.numbered(trip.station)
        told = None
        if start is not None and state.declared is not None:
            told = settings.fare_fen(start, state.declared, 0, facts)
        return settings.highest_fen() if told is None else told

    def _charge_missing_exit(
        self, state: MetroState, credential: Credential, trip: OpenTrip, fare_fen: int, facts: Facts, trace: bytes
    ) -> Step[MetroState]:
        """At no concession and no discount; it makes the next ride no transfer, and counts to no day's cap."""
        settings, start = self._settings, self._settings.network.numbered(trip.station)
        ride = Ride(
            line=settings.line,
            before_ms=travelled(credential.subject, facts).last_ms,
            entered_ms=trip.since_ms,
            station=trip.station,
            missing_exit=True,
        )
        marks = over(credential.subject, facts)
        bill = Bill(fare_fen, compact(facts.local_time), funds={ACCOUNT: fare_fen}, ride=ride)
        public = {**self._public(), "missing_exit": start or str(trip.station)}
        return self.ask(self._fresh(state), credential, bill, trace, facts, public, marks)

    def _leave(
        self, state: MetroState, credential: Credential, known: Known, facts: Facts, trace: bytes
    ) -> Step[MetroState]:
        settings, subject, trip = self._settings, credential.subject, known.trip
        start = self._start(state, trip)
        fare_fen = self._fare_fen(state, known, start, facts)
        public: PublicFields = {**self._public(), **({} if start is None else {"from": start})}
        ended = (*over(subject, facts), *seen_here(subject, settings.here, facts))
        if settings.asks and trip is not None:
            ended = (*ended, *left(subject, trip, facts))
        if not fare_fen:
            since_ms, station = trip or (None, None)
            grant = Grant(MetroReason.LEFT_FREE, public, ended, since_ms, station)
            return self.let_through(self._fresh(state), credential, grant, facts, trace)
        is_a_fare = trip is not None or state.typed_fen is None
        concessions, discounts = (settings.concessions, settings.discounts) if is_a_fare else ((), Discounts())
        began_ms = facts.now_ms if trip is None else trip.since_ms
        ticket = ticket_of(fare_fen, concessions, discounts, credential, known.rides, began_ms, facts)
        own_fen, date = own_share_fen(fare_fen, ticket.funds), compact(facts.local_time)
        money = (*lease.rules(facts), *guardian.rules(subject, own_fen, date, facts))
        if not all(may for _, may, _ in money):  # money stops, and nobody is kept for it
            since_ms, station = trip or (None, None)
            grant = Grant(MetroReason.LEFT_UNPAID, public | {"unpaid_fen": fare_fen}, ended, since_ms, station)
            unpaid = judge([(rule, may, None) for rule, may, _ in money], trace)
            return self.let_through(self._fresh(state), credential, grant, facts, unpaid.trace)
        ride = Ride(
            line=settings.line,
            own_fen=ticket.own_fen,
            before_ms=known.rides.last_ms,
            entered_ms=None if trip is None else trip.since_ms,
            station=None if trip is None else trip.station,
        )
        marks = (*ended, *taken(ride, ticket.concession, subject, facts))
        bill = Bill(fare_fen, date, funds=ticket.funds, ride=ride)
        return self.ask(self._fresh(state), credential, bill, trace, facts, public, marks)

    def _fare_fen(self, state: MetroState, known: Known, start: str | None, facts: Facts) -> int | None:
        """What is due: by the stations, where the trip is known; else what the staff typed; else an outage's fare."""
        settings, trip = self._settings, known.trip
        if trip is None and state.typed_fen is not None:
            return state.typed_fen
        if start is None:
            return settings.unknown_fen() if known.unanswered and state.typed_fen is None else state.typed_fen
        if trip is None:
            return settings.fare_fen(start, settings.station, 0, facts)
        minutes = max(0, facts.now_ms - trip.since_ms) // MINUTE_MS
        if start == settings.station and minutes < settings.free_minutes:
            return 0
        fare_fen = settings.fare_fen(start, settings.station, minutes, facts)
        if fare_fen is None:
            return state.typed_fen
        return fare_fen if self._in_time(trip, facts) else max(fare_fen, settings.highest_fen())

    def _start(self, state: MetroState, trip: OpenTrip | None) -> str | None:
        """Where the trip began: as the entry says, else as the staff was told."""
        return state.declared if trip is None else self._settings.network.numbered(trip.station)

    def _goes_on(self, trip: OpenTrip, facts: Facts) -> bool:
        """Whether this entry is the one before once more: the gate was not used, or somebody came back at once."""
        again = 0 <= facts.now_ms - trip.since_ms < self._settings.again_minutes * MINUTE_MS
        return trip.station == self._settings.here and again

    def _in_time(self, trip: OpenTrip, facts: Facts) -> bool:
        return elapsed_ms(trip.since_ms, facts) <= self._settings.longest_minutes * MINUTE_MS

    def _is_possible(self, last: Seen | None, facts: Facts) -> bool:
        settings = self._settings
        before = None if last is None else settings.network.numbered(last.station)
        if last is None or before is None:
            return True
        metres = settings.network.metres(before, settings.station)
        return is_possible(metres, facts.now_ms - last.at_ms, settings.top_speed_kmh, facts.clock)

    # What the staff types -------------------------------------------------------------------------------------------

    def _typed(self, state: MetroState, amount_fen: int, facts: Facts) -> Step[MetroState]:
        """What is due from whoever comes next without an entry; 0 takes it back."""
        if amount_fen == 0:
            return Step(self._fresh(state), (Show(NOTHING_DUE, Tone.NO),))
        return typed(state, {"typed_fen": amount_fen}, due(amount_fen), facts)

    def _declared(self, state: MetroState, number: int | None, facts: Facts) -> Step[MetroState]:
        """Where the trip of whoever comes next began; at the way in, where the last one ended."""
        name = self._settings.network.numbered(number)
        if name is None:
            return Step(self._fresh(state), (Show(MetroReason.NO_STATION.citizen, Tone.NO),))
        told = self._settings.network.stations[name].name
        if self._settings.direction is Direction.IN:
            said = Sentence(f"上次出站：{told.zh}，请刷卡", f"Last exit: {told.en}; please tap")
        else:
            said = Sentence(f"进站：{told.zh}，请刷卡", f"Entry: {told.en}; please tap")
        return typed(state, {"declared": name}, said, facts)

    def _fresh(self, state: MetroState) -> MetroState:
        return state.model_copy(update={"typed_fen": None, "declared": None, "typed": b""})

    def anew(self, state: MetroState) -> MetroState:
        """The staff types again."""
        return self._fresh(state)

    # What goes with a payment ---------------------------------------------------------------------------------------

    def paid(self, state: MetroState, payment: Payment, facts: Facts) -> Settled:  # noqa: ARG002
        """Whoever paid for a missing exit comes in."""
        if self._settings.direction is Direction.OUT:
            return {}, ()
        began = OpenTrip(facts.now_ms, self._settings.here)
        here = seen_here(payment.subject, self._settings.here, facts)
        return {}, (*begun(payment.subject, began, facts), *here)

    def undone(self, state: MetroState, payment: Payment, facts: Facts, was_paid: bool) -> Kept[MetroState]:
        """The trip is open as before; a gate that was never told to open lets nobody through."""
        ride = payment.ride or Ride(line=self._settings.line)
        marks = given_back(ride, self._settings.concession_in(payment), payment.subject, facts)
        if ride.entered_ms is not None and ride.station is not None:
            trip = OpenTrip(ride.entered_ms, ride.station)
            marks = (*marks, *begun(payment.subject, trip, facts), *left(payment.subject, None, facts))
        after = state.cleared("passage") if was_paid else state
        return after, marks

    def unpaid(self, step: Step[MetroState], payment: Payment, facts: Facts) -> Step[MetroState]:
        """Nobody is kept inside because the platform is silent: the trip ends, and what was not taken is recorded."""
        if self._settings.direction is Direction.IN:
            return step
        ride = payment.ride or Ride(line=self._settings.line)
        trip = None if ride.entered_ms is None or ride.station is None else OpenTrip(ride.entered_ms, ride.station)
        marks = (*over(payment.subject, facts), *seen_here(payment.subject, self._settings.here, facts))
        if self._settings.asks and trip is not None:
            marks = (*marks, *left(payment.subject, trip, facts))
        record = Record(
            id=facts.new_id(),
            kind=Kind.DECISION,
            reason=MetroReason.LEFT_UNPAID,
            medium=payment.medium,
            subject=payment.subject,
            public=self._public() | {"unpaid_fen": payment.amount_fen},
            marks=marks,
        )
        after = step.state.model_copy(
            update={"passage": passage_of(record.id, payment.subject, ride.entered_ms, ride.station)}
        )
        recorded = tuple(effect for effect in step.effects if not isinstance(effect, Show))
        shown = Show(MetroReason.LEFT_UNPAID.citizen, Tone.OK)
        return Step(after, (*recorded, record, self.pulse(record.id), shown))

    def said(self, state: MetroState, what: Sentence, payment: Payment) -> Sentence:  # noqa: ARG002 -- the protocol's
        """The ticket, and what the holder's own account pays."""
        account_fen = payment.funds.get(ACCOUNT, 0)
        if payment.ride is not None and payment.ride.missing_exit:
            return with_amount(_MISSING_EXIT, account_fen)
        return ticket_said(what, self._settings.concession_in(payment), account_fen)

    # What became of it ----------------------------------------------------------------------------------------------

    def came(self, subject: Subject, facts: Facts) -> tuple[int | None, int | None]:
        """Of a payment the trip has ended with its intent."""
        return open_trip(subject, facts) or (None, None)

    def as_before(self, passage: Passage, facts: Facts) -> tuple[Mark, ...]:
        """Who could not come in has no trip; who owed nothing and could not go out still has it."""
        if passage.since_ms is None or passage.place is None:
            return ()
        trip = OpenTrip(passage.since_ms, passage.place)
        if self._settings.direction is Direction.OUT:
            return (*begun(passage.subject, trip, facts), *left(passage.subject, None, facts))
        return over(passage.subject, facts) if open_trip(passage.subject, facts) == trip else ()

    def _public(self) -> PublicFields:
        settings = self._settings
        return {"direction": settings.direction.value, "station": settings.station, "line": settings.line}
