"""Gate (道闸、门禁): one direction, one person a grant.

A credential passes the rules in this order, the first that fails refuses: assurance, admission, schedule, age, somebody
else still crossing, double tap, and those of the area behind (anti-passback, capacity). A code passes once, but while
its own crossing is open or ended unused it opens this same lane again (docs/code-format.md §5, check 9). A grant is
recorded, then the gate gets its pulse; what then happened is a second record that names the first. What is refused
again and again, and forced passages, are counted instead of recorded each time (:mod:`profiles.rules.repeats`). The
fire input has opened the gate long before it is seen here; the profile only records it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from pydantic import Field

from profiles.amounts import FunctionKey, KeyPressed
from profiles.api import (
    Actuate,
    Actuated,
    Credential,
    Effect,
    Event,
    Facts,
    InputChanged,
    Kind,
    Mark,
    Presented,
    ProfileSettings,
    RaiseAlarm,
    Reason,
    Record,
    RecordedLate,
    Rejected,
    Restarted,
    Show,
    StartTimer,
    State,
    Step,
    Subject,
    TimerFired,
    Tone,
    Wiring,
)
from profiles.code_reasons import CodeReason
from profiles.direction import Direction
from profiles.doors import DoorSettings
from profiles.helping import PLEASE_PASS, act, awaited, may_help, not_opened, opened_by
from profiles.orders import Obeyed, OpenOnce
from profiles.passage import PASSAGE_TIMER, Crossing, PassageReason, fire_told
from profiles.reasons import ReasonEnum
from profiles.refusals import REPEATS_TIMER, counts, record_once, shown
from profiles.rules.area import Taken
from profiles.rules.assisted import Helping
from profiles.rules.codes import CodePolicy
from profiles.rules.double_tap import not_used, used, used_just_now
from profiles.rules.escort import Awaiting, Escort, EscortReason
from profiles.rules.repeats import Repeats
from profiles.trace import Asked, Rule, RuleEnum, judge

ESCORT_TIMER = "escort"
_AWAITED = Show(EscortReason.ESCORT_AWAITED.citizen, Tone.WAIT)


class GateSettings(DoorSettings):
    """Settings of one gate lane."""

    direction: Direction = Direction.IN
    escort: Escort = Escort()
    output: str = Field(default="gate", description="the board's output that opens the gate")
    passage_input: str | None = Field(default="passage", description="the sensor in the passage; null if there is none")

    def wiring(self) -> Wiring:
        """The gate's output, the passage sensor and the fire line."""
        return Wiring(
            outputs={"output": self.output},
            inputs={} if self.passage_input is None else {"passage_input": self.passage_input},
            fire_inputs={} if self.fire_input is None else {"fire_input": self.fire_input},
        )


class GateState(State):
    """State of one gate lane, saved with every record."""

    crossing: Crossing | None = None
    latest: Crossing | None = Field(default=None, description="the last grant whose passage no sensor can confirm")
    unused: Crossing | None = Field(default=None, description="the last grant that nobody used: its code opens again")
    tolerated_until_ms: int = Field(default=0, description="after a restart an open grant may still be used until then")
    awaiting: Awaiting | None = Field(default=None, description="a visitor whose escort has not come yet")
    helping: Helping | None = Field(default=None, exclude=True, description="an operator said why he lets somebody in")
    fire: bool = False
    repeats: Repeats = Repeats()


class Gate:
    """The gate's reducer."""

    name: ClassVar[str] = "gate"
    Settings: ClassVar[type[ProfileSettings]] = GateSettings
    State: ClassVar[type[State]] = GateState
    wants: ClassVar[frozenset[str]] = frozenset()
    rules: ClassVar[type[RuleEnum]] = RuleEnum

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self._mark_scope = f"gate.{settings.direction}"

    @property
    def codes(self) -> CodePolicy:
        """Which codes this lane accepts."""
        return self._settings.codes

    def idle(self) -> GateState:
        """Nobody is crossing."""
        return GateState()

    def urgent(self, event: InputChanged) -> ReasonEnum | None:
        """A fire; its end may wait for the disk."""
        return Reason.FIRE if event.active and event.input == self._settings.fire_input else None

    def handle(self, state: GateState, event: Event, facts: Facts) -> Step[GateState]:
        """One event in, one step out."""
        match event:
            case Presented(credential):
                step = self._presented(state, credential, facts)
                told = self._settings.duress.beside(credential, step.effects, self._public(None), facts)
                return Step(step.state, (*self._settings.warnings(facts), *told))
            case Rejected(CodeReason.REPLAYED, presentation=bytes() as presentation) as rejected:
                return self._replayed(state, rejected, presentation, facts)
            case Rejected(reason, medium, subject):
                return self._refuse(state, facts, reason, medium, subject)
            case KeyPressed(FunctionKey.ASSIST, number) if self._settings.assisted is not None and not state.fire:
                return self._settings.assisted.pressed(state, number, facts)
            case InputChanged(name, active) if name == self._settings.fire_input:
                return self._fire(state, active, facts)
            case InputChanged(name, True) if name == self._settings.passage_input:
                return self._passage(state, facts)
            case Actuated(about, fault):
                return self._actuated(state, about, fault, facts)
            case TimerFired(name, about) if name == PASSAGE_TIMER:
                return self._close(state, about, PassageReason.TIMED_OUT, facts)
            case TimerFired(name, about) if name == ESCORT_TIMER:
                return self._escort_missing(state, about, facts)
            case TimerFired(name, about) if name == REPEATS_TIMER and about == state.repeats.window:
                return self._end_window(state, facts)
            case RecordedLate(about) if state.awaiting is not None and state.awaiting.record_id == about:
                return self._escort_missing(state, about, facts)
            case RecordedLate(about):
                return self._close(state, about, Reason.NOT_ACTUATED, facts)
            case OpenOnce() as order:
                return self.ordered(state, order, facts)
            case Restarted():
                return self._restarted(state, facts)
            case _:
                return Step(state)

    def _presented(self, state: GateState, credential: Credential, facts: Facts) -> Step[GateState]:
        if state.fire:
            return Step(state, (Show(Reason.FIRE.citizen, Tone.OK),))
        if (helping := awaited(self._settings, state.helping, credential, facts)) is not None:
            return self._assist(state, helping, credential, facts)
        if state.crossing is not None and state.crossing.medium == credential.medium:
            return self._grant_again(state, _shown_by(state.crossing, credential), facts, credential.marks)
        if state.awaiting is not None and state.awaiting.medium == credential.medium:
            return Step(state, (_AWAITED,))
        verdict = judge(self._rules(state, credential, facts))
        again = state.latest if verdict.refusal is PassageReason.JUST_PASSED else None
        if again is not None and again.medium == credential.medium:
            return self._grant_again(state, _shown_by(again, credential), facts, credential.marks, verdict.trace)
        if verdict.refusal is not None:
            return self._refuse(state, facts, verdict.refusal, credential.medium, credential.subject, verdict.trace)
        if self._settings.escort.is_needed(credential, facts):
            return self._await_escort(state, credential, facts, verdict.trace)
        if state.awaiting is not None and self._settings.escort.may(credential, state.awaiting, facts):
            return self._escorted(state, credential, state.awaiting, facts, verdict.trace)
        return self._grant(state, credential, facts, verdict.trace)

    def _await_escort(self, state: GateState, visitor: Credential, facts: Facts, trace: bytes) -> Step[GateState]:
        """One visitor waits at a time: another one takes his place."""
        replaced = () if state.awaiting is None else (self._not_escorted(state.awaiting, facts),)
        record = Record(
            id=facts.new_id(),
            kind=Kind.DECISION,
            reason=EscortReason.ESCORT_AWAITED,
            medium=visitor.medium,
            subject=visitor.subject,
            public=self._public(visitor),
            marks=visitor.marks,
            trace=trace,
        )
        awaiting = self._settings.escort.awaits(visitor, record.id, facts)
        begin = StartTimer(ESCORT_TIMER, self._settings.escort.within_ms, record.id)
        return Step(state.model_copy(update={"awaiting": awaiting}), (*replaced, record, _AWAITED, begin))

    def _escorted(
        self, state: GateState, escort: Credential, awaiting: Awaiting, facts: Facts, trace: bytes
    ) -> Step[GateState]:
        """Both are there: the way is the visitor's. The escort then passes with his own credential, as always."""
        visitor = awaiting.credential
        verdict = judge(self._area_rules(visitor.subject, facts))
        if verdict.refusal is not None:
            return self._refuse(state, facts, verdict.refusal, visitor.medium, visitor.subject, verdict.trace)
        granted = self._grant(state, visitor, facts, verdict.trace, escorted=True)
        record = Record(
            id=facts.new_id(),
            kind=Kind.OUTCOME,
            reason=EscortReason.ESCORTED,
            medium=escort.medium,
            subject=escort.subject,
            refers_to=awaiting.record_id,
            public=self._public(escort),
            marks=escort.marks,
            trace=trace,
        )
        return Step(granted.state.model_copy(update={"awaiting": None}), (record, *granted.effects))

    def _escort_missing(self, state: GateState, about: bytes, facts: Facts) -> Step[GateState]:
        if state.awaiting is None or state.awaiting.record_id != about:
            return Step(state)
        record = self._not_escorted(state.awaiting, facts)
        return Step(state.model_copy(update={"awaiting": None}), (record, shown(EscortReason.ESCORT_MISSING)))

    def _not_escorted(self, awaiting: Awaiting, facts: Facts) -> Record:
        visitor, reason = awaiting.credential, EscortReason.ESCORT_MISSING
        return Record(
            facts.new_id(), Kind.OUTCOME, reason, visitor.medium, visitor.subject, refers_to=awaiting.record_id
        )

    def _assist(self, state: GateState, helping: Helping, operator: Credential, facts: Facts) -> Step[GateState]:
        """One person passes on an operator's word."""
        settings, public = self._settings, self._public(operator)
        verdict = may_help(settings, settings.direction, state.crossing is None, operator, facts)
        state = state.model_copy(update={"helping": None})
        if verdict.refusal is not None:
            return self._refuse(state, facts, verdict.refusal, operator.medium, operator.subject, verdict.trace)
        record = act(settings, settings.direction, helping, operator, public, facts, verdict.trace)
        crossing = Crossing(
            record_id=record.id,
            medium=operator.medium,
            subject_namespace=operator.subject.namespace,
            subject_id=operator.subject.id,
            granted_ms=facts.now_ms,
        )
        return Step(_opened(state, crossing), (record, *self._open(crossing, facts, PLEASE_PASS)))

    def ordered(self, state: GateState, order: OpenOnce, facts: Facts) -> Step[GateState]:
        """One person passes on the platform's word."""
        settings, about = self._settings, order.about
        way = order.way((settings.direction,))
        if way is None or state.fire or state.crossing is not None:
            return Step(state, (not_opened(order, way, fire=state.fire),))
        record = opened_by(settings, settings.direction, about, self._public(None), facts)
        crossing = Crossing.by_order(about, facts.now_ms)
        opens = self._open(crossing, facts, PLEASE_PASS)
        return Step(_opened(state, crossing), (record, *opens, Obeyed(about, record.reason)))

    def _replayed(self, state: GateState, rejected: Rejected, presentation: bytes, facts: Facts) -> Step[GateState]:
        """A showing that was accepted before: only the crossing that it opened may be taken up again."""
        if state.awaiting is not None and state.awaiting.presentation == presentation and not state.fire:
            return Step(state, (_AWAITED,))
        if state.unused is not None and state.unused.presentation == presentation and not state.fire:
            return self._reopen(state, state.unused, facts)
        open_again = [state.crossing]
        if state.latest is not None and self._used_just_now(state.latest.medium, facts):
            open_again.append(state.latest)
        for crossing in open_again:
            if crossing is not None and crossing.presentation == presentation and not state.fire:
                return self._grant_again(state, crossing, facts)
        return self._refuse(state, facts, rejected.reason, rejected.medium, rejected.subject)

    def _reopen(self, state: GateState, unused: Crossing, facts: Facts) -> Step[GateState]:
        """What was given back is taken again, if the area lets it be."""
        verdict = judge(self._area_rules(unused.subject, facts))
        if verdict.refusal is not None:
            return self._refuse(state, facts, verdict.refusal, unused.medium, unused.subject, verdict.trace)
        taken, marks = self._take(unused.subject, facts)
        return self._grant_again(state, unused.model_copy(update={"taken": taken}), facts, marks, verdict.trace)

    def _used_just_now(self, medium: bytes, facts: Facts) -> bool:
        return used_just_now(self._mark_scope, medium, self._settings.double_tap_ms, facts)

    def _rules(self, state: GateState, credential: Credential, facts: Facts) -> Iterator[Asked]:
        settings = self._settings
        yield Rule.ASSURANCE, credential.assurance >= settings.least_assurance, Reason.ASSURANCE_TOO_LOW
        yield Rule.ADMISSION, settings.admit.admits(credential, facts), Reason.NOT_ENTITLED
        yield Rule.SCHEDULE, settings.schedule.is_open(facts.local_time), Reason.OUT_OF_HOURS
        yield from settings.minors.rules(credential, facts)
        yield from settings.school_rules(settings.direction, credential.subject, facts)
        yield Rule.LANE_FREE, state.crossing is None, Reason.BUSY
        yield Rule.NOT_REPEATED, not self._used_just_now(credential.medium, facts), PassageReason.JUST_PASSED
        yield from self._area_rules(credential.subject, facts)
        if settings.escort.needed_by:
            yield Rule.ESCORT, not settings.escort.is_needed(credential, facts), None

    def _area_rules(self, subject: Subject, facts: Facts) -> Iterator[Asked]:
        if self._settings.area is not None:
            yield from self._settings.area.rules(self._settings.direction, 1, subject, facts)

    def _take(self, subject: Subject, facts: Facts) -> tuple[Taken, tuple[Mark, ...]]:
        area = self._settings.area
        return (Taken(), ()) if area is None else area.take(self._settings.direction, 1, subject, facts)

    def _grant(
        self, state: GateState, credential: Credential, facts: Facts, trace: bytes, escorted: bool = False
    ) -> Step[GateState]:
        record_id = facts.new_id()
        taken, taking = self._take(credential.subject, facts)
        crossing = Crossing.model_construct(  # made of what is checked already, on the way of a tap
            record_id=record_id,
            medium=credential.medium,
            subject_namespace=credential.subject.namespace,
            subject_id=credential.subject.id,
            granted_ms=facts.now_ms,
            presentation=credential.presentation,
            taken=taken,
            escorted=escorted,
        )
        used_now = used(self._mark_scope, credential.medium, self._settings.double_tap_ms, facts)
        record = Record(
            id=record_id,
            kind=Kind.DECISION,
            reason=Reason.GRANTED,
            medium=credential.medium,
            subject=credential.subject,
            public=self._public(credential),
            marks=(used_now, *credential.marks, *taking),
            trace=trace,
        )
        return Step(_opened(state, crossing), (record, *self._open(crossing, facts)))

    def _grant_again(
        self, state: GateState, crossing: Crossing, facts: Facts, marks: tuple[Mark, ...] = (), trace: bytes = b""
    ) -> Step[GateState]:
        """The same holder again while nobody has passed: the same decision, the gate gets its pulse again."""
        record = Record(
            id=facts.new_id(),
            kind=Kind.DECISION,
            reason=PassageReason.GRANTED_AGAIN,
            medium=crossing.medium,
            subject=crossing.subject,
            refers_to=crossing.record_id,
            marks=marks,
            trace=trace,
        )
        return Step(_opened(state, crossing), (record, *self._open(crossing, facts)))

    def _open(self, crossing: Crossing, facts: Facts, said: Show | None = None) -> tuple[Effect, ...]:
        about = crossing.record_id
        effects: tuple[Effect, ...] = (
            Actuate(self._settings.output, self._settings.open_pulse_ms, about),
            said or self._settings.welcome(self._settings.direction, crossing.subject, facts),
        )
        if self._settings.passage_input is None:
            return effects
        return (*effects, StartTimer(PASSAGE_TIMER, self._settings.passage_timeout_ms, about))

    def _refuse(
        self,
        state: GateState,
        facts: Facts,
        reason: ReasonEnum,
        medium: bytes | None,
        subject: Subject | None,
        trace: bytes = b"",
    ) -> Step[GateState]:
        if state.fire:
            return Step(state, (Show(Reason.FIRE.citizen, Tone.OK),))
        public = {"direction": self._settings.direction.value}
        record = Record(
            facts.new_id(), Kind.DECISION, reason, medium=medium, subject=subject, public=public, trace=trace
        )
        step = self._record_once(state, record)
        if state.helping is None:
            return step
        helping = state.helping.told(record, step.state.repeats)
        return Step(step.state.model_copy(update={"helping": helping}), step.effects)

    def _record_once(self, state: GateState, record: Record, *effects: Effect) -> Step[GateState]:
        repeats, told, _ = record_once(state.repeats, record, *effects)
        return Step(state.model_copy(update={"repeats": repeats}), told)

    def _end_window(self, state: GateState, facts: Facts) -> Step[GateState]:
        return Step(state.model_copy(update={"repeats": Repeats()}), counts(state.repeats, facts))

    def _actuated(self, state: GateState, about: bytes, fault: str, facts: Facts) -> Step[GateState]:
        if fault:
            step = self._close(state, about, Reason.ACTUATOR_FAILED, facts)
            return step if step.state == state else Step(step.state, (*step.effects, shown(Reason.ACTUATOR_FAILED)))
        if self._settings.passage_input is not None or not _is_about(state, about):
            return Step(state)
        return self._close(state, about, Reason.ACTUATED, facts)

    def _passage(self, state: GateState, facts: Facts) -> Step[GateState]:
        tolerated_ms = state.tolerated_until_ms - facts.now_ms
        if state.fire or 0 < tolerated_ms <= self._settings.passage_timeout_ms:
            return Step(state)
        if state.crossing is not None:
            return self._close(state, state.crossing.record_id, PassageReason.PASSED, facts)
        record_id = facts.new_id()
        record = Record(record_id, Kind.ALARM, PassageReason.FORCED_OPEN, public=self._public(None))
        return self._record_once(state, record, RaiseAlarm(PassageReason.FORCED_OPEN, record_id))

    def _close(self, state: GateState, about: bytes, reason: ReasonEnum, facts: Facts) -> Step[GateState]:
        """End a crossing with its outcome; an event about another one changes nothing."""
        crossing = state.crossing
        if crossing is None or crossing.record_id != about:
            return Step(state)
        used = reason in (PassageReason.PASSED, Reason.ACTUATED)
        medium, subject = crossing.known
        record = Record(
            id=facts.new_id(),
            kind=Kind.OUTCOME,
            reason=reason,
            medium=medium,
            subject=subject,
            refers_to=about,
            marks=self._ending(crossing, reason, used, facts),
        )
        ended = {
            "crossing": None,
            "latest": crossing if reason is Reason.ACTUATED else None,
            # What was cut off by a restart is never actuated again.
            "unused": None if used or crossing.gives_nothing_back or reason is Reason.OUTCOME_UNKNOWN else crossing,
        }
        told = self._settings.school_told(self._settings.direction, crossing.subject, about, facts) if used else ()
        return Step(state.model_copy(update=ended), (record, *told))

    def _ending(self, crossing: Crossing, reason: ReasonEnum, used: bool, facts: Facts) -> tuple[Mark, ...]:
        """A passage that was not used gives every right back. Nobody knows what a restart cut off: that gives none."""
        area, direction = self._settings.area, self._settings.direction
        if reason is Reason.OUTCOME_UNKNOWN:
            return ()
        if used:
            return area.moved(direction, 1, facts) if area is not None and direction is Direction.OUT else ()
        back = (
            () if area is None else area.give_back(crossing.taken, direction, 1, crossing.subject, facts, wholly=True)
        )
        return back if crossing.ordered else (not_used(self._mark_scope, crossing.medium, facts), *back)

    def _fire(self, state: GateState, active: bool, facts: Facts) -> Step[GateState]:
        if active == state.fire:
            return Step(state)
        reason = Reason.FIRE if active else Reason.FIRE_CLEARED
        record = Record(facts.new_id(), Kind.LIFE_SAFETY, reason, public=self._public(None))
        return Step(state.model_copy(update={"fire": active}), fire_told(active, record))

    def _restarted(self, state: GateState, facts: Facts) -> Step[GateState]:
        if state.fire and self._settings.fire_input is None:  # nothing could end it any more
            cleared = self._fire(state, False, facts)
            rest = self._restarted(cleared.state, facts)
            return Step(rest.state, (*cleared.effects, *rest.effects))
        if state.awaiting is not None:
            missing = self._escort_missing(state, state.awaiting.record_id, facts)
            rest = self._restarted(missing.state, facts)
            return Step(rest.state, (*missing.effects, *rest.effects))
        ended = self._end_window(state, facts)
        state = ended.state
        if state.crossing is None:
            return ended
        # Not beyond one passage from now, should the clock have run ahead before the restart.
        granted_ms = min(state.crossing.granted_ms, facts.now_ms)
        until_ms = granted_ms + self._settings.passage_timeout_ms
        step = self._close(state, state.crossing.record_id, Reason.OUTCOME_UNKNOWN, facts)
        return Step(step.state.model_copy(update={"tolerated_until_ms": until_ms}), (*step.effects, *ended.effects))

    def _public(self, credential: Credential | None) -> Mapping[str, str | int | bool]:
        public: dict[str, str | int | bool] = {"direction": self._settings.direction.value}
        if credential is not None:
            public |= {"source": credential.source, "assurance": int(credential.assurance)}
        return public


def _shown_by(crossing: Crossing, credential: Credential) -> Crossing:
    return crossing.model_copy(update={"presentation": credential.presentation})


def _opened(state: GateState, crossing: Crossing) -> GateState:
    """From now on whoever passes is this one, and not whom a restart cut off."""
    return state.model_copy(
        update={"crossing": crossing, "latest": None, "unused": None, "tolerated_until_ms": 0, "helping": None}
    )


def _is_about(state: GateState, about: bytes) -> bool:
    return state.crossing is not None and state.crossing.record_id == about
