"""Turnstile (人行通道闸、翼闸、摆闸): two ways, two beams, one person a grant or a whole group.

========== =================== ==================== ====================== ==================== =====================
state      card or code        passed, that way     stepped back           time over            fire
========== =================== ==================== ====================== ==================== =====================
idle       rules → **granted** ``tailgate`` behind  –                      –                    recorded; the board
           or refused          another, else                                                    has opened
                               ``forced-open``
granted    the same: again     ``passed`` when all  ``step_back_ms`` left  ``timed-out``, or    the same; the grant
           another: ``busy``   have; else goes on                          ``reversed``: the    ends by its time
                                                                           right is given back
in the     the same: again     the same             the same               waits; the second    the same
passage    another: ``busy``                                               time
                                                                           ``passage-blocked``
cut off    as idle             ``passed``, late     –                      as idle              the same
fire       "leave at once"     counted              –                      as granted           ended: recorded with
                                                                                                how many came and went
========== =================== ==================== ====================== ==================== =====================

A passage the other way than the grant's is no part of it. An output that does not answer, and a record that came too
late, end a grant as its time does: the right is given back. A restart ends it with ``outcome-unknown`` and gives
nothing back; who then still passes is recorded and no alarm. Two beams say who passes (:mod:`profiles.rules.walk`).

A credential passes the rules in this order: assurance, admission, schedule, age, somebody else still passing, double
tap, anti-passback, capacity. On the way out only those that ``leaving_needs`` names hold anybody back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

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
)
from profiles.code_reasons import CodeReason
from profiles.direction import Direction
from profiles.helping import PLEASE_PASS, act, awaited, may_help, not_opened, once, opened_again, opened_by
from profiles.orders import Obeyed, OpenOnce
from profiles.passage import PASSAGE_TIMER, PassageReason, fire_told
from profiles.reasons import ReasonEnum
from profiles.refusals import REPEATS_TIMER, counts, record_once, shown
from profiles.rules.area import Taken
from profiles.rules.assisted import Helping
from profiles.rules.codes import CodePolicy
from profiles.rules.double_tap import not_used, used, used_just_now
from profiles.rules.repeats import Repeats
from profiles.rules.walk import Beam, Happened, beam_changed
from profiles.trace import Asked, Rule, RuleEnum, judge
from profiles.turnstile_settings import Leaving, TurnstileReason, TurnstileSettings, TurnstileState, Way, adds, scope

RESET_REST_MS = 5_000
"""A key switch that bounces empties the area once."""
PARDON_MS = 10_000


class Turnstile:
    """The turnstile's reducer."""

    name: ClassVar[str] = "turnstile"
    Settings: ClassVar[type[ProfileSettings]] = TurnstileSettings
    State: ClassVar[type[State]] = TurnstileState
    wants: ClassVar[frozenset[str]] = frozenset()
    rules: ClassVar[type[RuleEnum]] = RuleEnum

    def __init__(self, settings: TurnstileSettings) -> None:
        self._settings = settings
        self._area = settings.area
        self._beams = {settings.outer_input: Beam.OUTER, settings.inner_input: Beam.INNER}

    @property
    def codes(self) -> CodePolicy:
        """Which codes this lane accepts."""
        return self._settings.codes

    def idle(self) -> TurnstileState:
        """Nobody passes."""
        return TurnstileState()

    def urgent(self, event: InputChanged) -> ReasonEnum | None:
        """A fire; its end may wait for the disk."""
        return Reason.FIRE if event.active and event.input == self._settings.fire_input else None

    def handle(self, state: TurnstileState, event: Event, facts: Facts) -> Step[TurnstileState]:
        """One event in, one step out."""
        match event:
            case Presented() | Rejected() if state.fire:
                return Step(state, (Show(Reason.FIRE.citizen, Tone.OK),))
            case Presented(credential, reader):
                direction = self._settings.direction_of(reader)
                step = self._presented(state, credential, direction, facts)
                told = self._settings.duress.beside(credential, step.effects, self._public(direction), facts)
                return Step(step.state, (*self._settings.warnings(facts), *told))
            case Rejected(CodeReason.REPLAYED, presentation=bytes()) as rejected:
                return self._replayed(state, rejected, facts)
            case Rejected() as rejected:
                return self._refuse(state, facts, rejected)
            case KeyPressed(FunctionKey.ASSIST, number) if self._settings.assisted is not None and not state.fire:
                return self._settings.assisted.pressed(state, number, facts)
            case InputChanged(name, active) if name == self._settings.fire_input:
                return self._fire(state, active, facts)
            case InputChanged(name, active) if name in self._beams:
                return self._beam(state, self._beams[name], active, facts)
            case InputChanged(name, True) if name == self._settings.reset_input:
                return self._reset(state, facts)
            case InputChanged(name, True) if name == self._settings.pardon_input:
                return Step(state.model_copy(update={"pardon_until_ms": facts.now_ms + PARDON_MS}))
            case Actuated(about, fault) if fault:
                return self._close(state, about, Reason.ACTUATOR_FAILED, facts, shown(Reason.ACTUATOR_FAILED))
            case TimerFired(name, about) if name == PASSAGE_TIMER:
                return self._time_over(state, about, facts)
            case TimerFired(name, about) if name == REPEATS_TIMER and about == state.repeats.window:
                return self._end_window(state, facts)
            case RecordedLate(about):
                return self._close(state, about, Reason.NOT_ACTUATED, facts)
            case OpenOnce() as order:
                return self.ordered(state, order, facts)
            case Restarted():
                return self._restarted(state, facts)
            case _:
                return Step(state)

    # Who may pass ---------------------------------------------------------------------------------------------------

    def _presented(
        self, state: TurnstileState, credential: Credential, direction: Direction, facts: Facts
    ) -> Step[TurnstileState]:
        way = state.way
        if (helping := awaited(self._settings, state.helping, credential, facts)) is not None:
            return self._assist(state, helping, credential, direction, facts)
        if way is not None and (way.medium, way.direction) == (credential.medium, direction):
            again = way.model_copy(update={"presentation": credential.presentation})
            return self._grant_again(state, again, facts, credential.marks)
        people = self._settings.people(credential)
        verdict = judge(self._rules(state, credential, direction, people, facts))
        if verdict.refusal is not None:
            rejected = Rejected(verdict.refusal, credential.medium, credential.subject)
            return self._refuse(state, facts, rejected, verdict.trace, direction)
        record_id = facts.new_id()
        taken, taking = self._take(direction, people, credential.subject, facts)
        way = Way.of(record_id, credential, direction, people, taken, facts.now_ms)
        used_now = used(scope(direction), credential.medium, self._settings.double_tap_ms, facts)
        record = Record(
            id=record_id,
            kind=Kind.DECISION,
            reason=Reason.GRANTED,
            medium=credential.medium,
            subject=credential.subject,
            public=self._public(direction, people)
            | {"source": credential.source, "assurance": int(credential.assurance)},
            marks=(used_now, *credential.marks, *taking),
            trace=verdict.trace,
        )
        return Step(state.opened(way), (record, *self._open(way, facts)))

    def _assist(
        self, state: TurnstileState, helping: Helping, operator: Credential, direction: Direction, facts: Facts
    ) -> Step[TurnstileState]:
        """One person passes on an operator's word."""
        verdict = may_help(self._settings, direction, state.way is None, operator, facts)
        state = state.model_copy(update={"helping": None})
        if verdict.refusal is not None:
            rejected = Rejected(verdict.refusal, operator.medium, operator.subject)
            return self._refuse(state, facts, rejected, verdict.trace, direction)
        public = self._public(direction) | {"source": operator.source, "assurance": int(operator.assurance)}
        record = act(self._settings, direction, helping, operator, public, facts, verdict.trace)
        way = Way.of(record.id, once(operator), direction, 1, Taken(), facts.now_ms)
        return Step(state.opened(way), (record, *self._open(way, facts, PLEASE_PASS)))

    def ordered(self, state: TurnstileState, order: OpenOnce, facts: Facts) -> Step[TurnstileState]:
        """One person passes on the platform's word."""
        direction, stays = order.way(self._settings.ways), state.way is not None and state.way.waited
        if direction is None or state.fire or (state.way is not None and not stays):
            return Step(state, (not_opened(order, direction, fire=state.fire),))
        if stays:  # in the passage, beyond his time: the way is still his, and what he does of it is told by the beams
            pulse = Actuate(self._settings.output(direction), self._settings.open_pulse_ms, order.about)
            return Step(state, opened_again(pulse, self._public(direction), facts))
        way = Way.by_command(order.about, direction, facts.now_ms)
        record = opened_by(self._settings, way.direction, order.about, self._public(way.direction), facts)
        opens = self._open(way, facts, PLEASE_PASS)
        return Step(state.opened(way), (record, *opens, Obeyed(order.about, record.reason)))

    def _rules(
        self, state: TurnstileState, credential: Credential, direction: Direction, people: int, facts: Facts
    ) -> Iterator[Asked]:
        settings, coming = self._settings, direction is Direction.IN
        yield Rule.ASSURANCE, credential.assurance >= settings.least_assurance, Reason.ASSURANCE_TOO_LOW
        if coming or settings.leaving_needs is Leaving.ENTITLEMENT:
            yield Rule.ADMISSION, settings.admit.admits(credential, facts), Reason.NOT_ENTITLED
        if coming:
            yield Rule.SCHEDULE, settings.schedule.is_open(facts.local_time), Reason.OUT_OF_HOURS
            yield from settings.minors.rules(credential, facts)
        yield from settings.school_rules(direction, credential.subject, facts)
        yield Rule.LANE_FREE, state.way is None, Reason.BUSY
        just_now = used_just_now(scope(direction), credential.medium, settings.double_tap_ms, facts)
        yield Rule.NOT_REPEATED, not just_now, PassageReason.JUST_PASSED
        pardoned = 0 < state.pardon_until_ms - facts.now_ms <= PARDON_MS
        yield from self._area_rules(direction, people, credential.subject, facts, pardoned=pardoned)

    def _area_rules(
        self, direction: Direction, people: int, subject: Subject, facts: Facts, *, pardoned: bool = False
    ) -> Iterator[Asked]:
        if self._area is not None:
            yield from self._area.rules(direction, people, subject, facts, pardoned=pardoned)

    def _take(
        self, direction: Direction, people: int, subject: Subject, facts: Facts
    ) -> tuple[Taken, tuple[Mark, ...]]:
        return (Taken(), ()) if self._area is None else self._area.take(direction, people, subject, facts)

    def _replayed(self, state: TurnstileState, rejected: Rejected, facts: Facts) -> Step[TurnstileState]:
        """A showing that was accepted before opens its own way again; what was given back is taken again."""
        direction = self._settings.direction_of(rejected.reader)
        asked = (rejected.presentation, direction)
        if state.way is not None and (state.way.presentation, state.way.direction) == asked:
            return self._grant_again(state, state.way, facts)
        unused = state.unused
        if state.way is not None or unused is None or (unused.presentation, unused.direction) != asked:
            return self._refuse(state, facts, rejected)
        verdict = judge(self._area_rules(direction, unused.people, unused.subject, facts))
        if verdict.refusal is not None:
            return self._refuse(state, facts, replace(rejected, reason=verdict.refusal), verdict.trace)
        taken, marks = self._take(direction, unused.people, unused.subject, facts)
        again = unused.model_copy(update={"taken": taken, "granted_ms": facts.now_ms})
        return self._grant_again(state, again, facts, marks, verdict.trace)

    def _grant_again(
        self, state: TurnstileState, way: Way, facts: Facts, marks: tuple[Mark, ...] = (), trace: bytes = b""
    ) -> Step[TurnstileState]:
        """The same holder again while nobody has passed: the same decision, the turnstile gets its pulse again."""
        record = Record(
            id=facts.new_id(),
            kind=Kind.DECISION,
            reason=PassageReason.GRANTED_AGAIN,
            medium=way.medium,
            subject=way.subject,
            refers_to=way.record_id,
            public=self._public(way.direction),
            marks=marks,
            trace=trace,
        )
        fresh = way.model_copy(update={"turned_back": False, "waited": False})
        return Step(state.opened(fresh), (record, *self._open(fresh, facts)))

    def _open(self, way: Way, facts: Facts, said: Show | None = None) -> tuple[Effect, ...]:
        return (
            Actuate(self._settings.output(way.direction), self._settings.open_pulse_ms, way.record_id),
            said or self._settings.welcome(way.direction, way.subject, facts),
            StartTimer(PASSAGE_TIMER, self._settings.passage_timeout_ms, way.record_id),
        )

    def _refuse(
        self,
        state: TurnstileState,
        facts: Facts,
        rejected: Rejected,
        trace: bytes = b"",
        direction: Direction | None = None,
    ) -> Step[TurnstileState]:
        if direction is None and rejected.reader:
            direction = self._settings.direction_of(rejected.reader)
        record = Record(
            facts.new_id(),
            Kind.DECISION,
            rejected.reason,
            medium=rejected.medium,
            subject=rejected.subject,
            public=self._public(direction),
            trace=trace,
        )
        repeats, told, _ = record_once(state.repeats, record)
        helping = None if state.helping is None else state.helping.told(record, repeats)
        return Step(state.model_copy(update={"repeats": repeats, "helping": helping}), told)

    # What the beams say ---------------------------------------------------------------------------------------------

    def _beam(self, state: TurnstileState, beam: Beam, broken: bool, facts: Facts) -> Step[TurnstileState]:
        before = state.walk
        walk, happened = beam_changed(before, beam, broken)
        state = state.model_copy(update={"walk": walk})
        if before is None or happened is None:
            return Step(state)
        if happened is Happened.PASSED:
            return self._passed(state, before.direction, facts)
        way = state.way
        if way is None or way.direction is not before.direction:
            return Step(state)
        stepped_back = way.model_copy(update={"turned_back": True})
        soon = StartTimer(PASSAGE_TIMER, self._settings.step_back_ms, way.record_id)
        return Step(state.model_copy(update={"way": stepped_back}), (soon,))

    def _passed(self, state: TurnstileState, direction: Direction, facts: Facts) -> Step[TurnstileState]:
        if state.fire:
            counter = "fire_in" if direction is Direction.IN else "fire_out"
            return Step(state.model_copy(update={counter: getattr(state, counter) + 1}))
        way, cut_off = state.way, state.cut_off
        if way is not None and way.direction is direction:
            way = way.model_copy(update={"passed": way.passed + 1, "turned_back": False, "waited": False})
            state = state.model_copy(update={"way": way, "followed": way, "followed_ms": facts.now_ms})
            if way.passed == way.people:
                return self._close(state, way.record_id, PassageReason.PASSED, facts)
            return Step(state, (StartTimer(PASSAGE_TIMER, self._settings.passage_timeout_ms, way.record_id),))
        if cut_off is not None and cut_off.direction is direction and state.may_still_pass(self._settings, facts):
            return self._passed_late(state, cut_off, facts)
        if direction is Direction.OUT and self._settings.leaving_needs is Leaving.NOTHING:
            marks, public = self._move(direction, 1, facts)
            record = Record(facts.new_id(), Kind.OUTCOME, TurnstileReason.WENT_OUT, public=public, marks=marks)
            return Step(state, (record,))
        return self._unauthorised(state, direction, facts)

    def _unauthorised(self, state: TurnstileState, direction: Direction, facts: Facts) -> Step[TurnstileState]:
        """Somebody passed without a grant: an alarm, and he is counted all the same."""
        followed = state.followed
        since_ms = facts.now_ms - state.followed_ms
        tailgates = (
            followed is not None and followed.direction is direction and 0 <= since_ms <= self._settings.tailgate_ms
        )
        reason = TurnstileReason.TAILGATE if tailgates else PassageReason.FORCED_OPEN
        refers_to = followed.record_id if followed is not None and tailgates else None
        marks, public = self._move(direction, 1, facts)
        record = Record(facts.new_id(), Kind.ALARM, reason, refers_to=refers_to, public=public, marks=marks)
        repeats, told, is_first = record_once(
            state.repeats, record, RaiseAlarm(reason, record.id), apart=f".{direction}"
        )
        by = 0 if is_first or self._area is None else adds(direction)
        after = {
            "repeats": repeats,
            "uncounted": state.uncounted + by,
            "followed_ms": facts.now_ms if tailgates else state.followed_ms,
        }
        return Step(state.model_copy(update=after), told)

    def _passed_late(self, state: TurnstileState, way: Way, facts: Facts) -> Step[TurnstileState]:
        """Nobody knew after the restart what became of this grant; now somebody does."""
        passed = way.passed + 1
        marks = self._left(1, facts) if way.direction is Direction.OUT else ()
        record = self._outcome(way, PassageReason.PASSED, facts, marks)
        after = None if passed >= way.people else way.model_copy(update={"passed": passed})
        told = self._settings.school_told(way.direction, way.subject, way.record_id, facts)
        return Step(state.model_copy(update={"cut_off": after}), (record, *told))

    def _time_over(self, state: TurnstileState, about: bytes, facts: Facts) -> Step[TurnstileState]:
        way, walk = state.way, state.walk
        if way is None or way.record_id != about:
            return Step(state)
        if walk is None or walk.direction is not way.direction:
            stepped_back = way.turned_back and not way.passed
            return self._close(
                state, about, TurnstileReason.REVERSED if stepped_back else PassageReason.TIMED_OUT, facts
            )
        again = StartTimer(PASSAGE_TIMER, self._settings.passage_timeout_ms, about)
        if not way.waited:
            return Step(state.model_copy(update={"way": way.model_copy(update={"waited": True})}), (again,))
        reason = TurnstileReason.PASSAGE_BLOCKED
        record = Record(facts.new_id(), Kind.ALARM, reason, refers_to=about, public=self._public(way.direction))
        repeats, told, _ = record_once(state.repeats, record, RaiseAlarm(reason, record.id))
        return Step(state.model_copy(update={"repeats": repeats}), (*told, again))

    # How a grant ends -----------------------------------------------------------------------------------------------

    def _close(
        self, state: TurnstileState, about: bytes, reason: ReasonEnum, facts: Facts, *effects: Effect
    ) -> Step[TurnstileState]:
        """End a grant with its outcome; an event about another one changes nothing."""
        way = state.way
        if way is None or way.record_id != about:
            return Step(state)
        record = self._outcome(way, reason, facts, self._ending(way, facts))
        ended = {"way": None, "unused": None if way.passed or way.ordered else way}
        told = self._settings.school_told(way.direction, way.subject, about, facts) if way.passed else ()
        return Step(state.model_copy(update=ended), (record, *told, *effects))

    def _ending(self, way: Way, facts: Facts) -> tuple[Mark, ...]:
        """What was not used is given back, once."""
        unused = way.people - way.passed
        marks = () if way.passed or way.ordered else (not_used(scope(way.direction), way.medium, facts),)
        if self._area is None:
            return marks
        if way.direction is Direction.OUT:
            marks = (*marks, *self._left(way.passed, facts))
        if unused == 0:
            return marks
        wholly = way.passed == 0
        return (*marks, *self._area.give_back(way.taken, way.direction, unused, way.subject, facts, wholly=wholly))

    def _outcome(self, way: Way, reason: ReasonEnum, facts: Facts, marks: tuple[Mark, ...]) -> Record:
        public = self._public(way.direction, way.people)
        if way.people > 1:
            public["passed"] = way.passed
        return Record(
            id=facts.new_id(),
            kind=Kind.OUTCOME,
            reason=reason,
            medium=way.known[0],
            subject=way.known[1],
            refers_to=way.record_id,
            public=public | self._inside(marks, facts),
            marks=marks,
        )

    # The area and its people ----------------------------------------------------------------------------------------

    def _left(self, people: int, facts: Facts) -> tuple[Mark, ...]:
        return () if self._area is None else self._area.moved(Direction.OUT, people, facts)

    def _move(
        self, direction: Direction, people: int, facts: Facts
    ) -> tuple[tuple[Mark, ...], dict[str, str | int | bool]]:
        marks = () if self._area is None else self._area.moved(direction, people, facts)
        return marks, self._public(direction) | self._inside(marks, facts)

    def _inside(self, marks: tuple[Mark, ...], facts: Facts) -> dict[str, str | int | bool]:
        """The people counter: how many are inside after this record."""
        return {} if self._area is None else {"inside": self._area.occupancy.after(self._area.name, marks, facts)}

    def _public(self, direction: Direction | None, people: int = 1) -> dict[str, str | int | bool]:
        public: dict[str, str | int | bool] = {} if direction is None else {"direction": direction.value}
        if self._area is not None:
            public["area"] = self._area.name
        return public | ({"people": people} if people > 1 else {})

    def _reset(self, state: TurnstileState, facts: Facts) -> Step[TurnstileState]:
        if self._area is None or 0 <= facts.now_ms - state.reset_ms < RESET_REST_MS:
            return Step(state)
        reason = TurnstileReason.AREA_RESET
        marks = self._area.reset(facts)
        record = Record(facts.new_id(), Kind.ALARM, reason, public=self._public(None) | {"inside": 0}, marks=marks)
        after = state.model_copy(update={"reset_ms": facts.now_ms, "uncounted": 0})
        return Step(after, (record, RaiseAlarm(reason, record.id)))

    # Repetitions, fire, restart -------------------------------------------------------------------------------------

    def _end_window(self, state: TurnstileState, facts: Facts) -> Step[TurnstileState]:
        records = counts(state.repeats, facts)
        if self._area is not None and state.uncounted and records:
            marks = self._area.moved(Direction.IN, state.uncounted, facts)
            records = (records[0]._replace(marks=marks), *records[1:])
        return Step(state.model_copy(update={"repeats": Repeats(), "uncounted": 0}), records)

    def _fire(self, state: TurnstileState, active: bool, facts: Facts) -> Step[TurnstileState]:
        if active == state.fire:
            return Step(state)
        if active:
            record = Record(facts.new_id(), Kind.LIFE_SAFETY, Reason.FIRE, public=self._public(None))
        else:
            marks, _ = self._move(Direction.IN, state.fire_in - state.fire_out, facts)
            public = self._public(None) | {"in": state.fire_in, "out": state.fire_out}
            public |= self._inside(marks, facts)
            record = Record(facts.new_id(), Kind.LIFE_SAFETY, Reason.FIRE_CLEARED, public=public, marks=marks)
        after = state.model_copy(update={"fire": active, "fire_in": 0, "fire_out": 0})
        return Step(after, fire_told(active, record))

    def _restarted(self, state: TurnstileState, facts: Facts) -> Step[TurnstileState]:
        if state.fire and self._settings.fire_input is None:  # nothing could end it any more
            cleared = self._fire(state, False, facts)
            rest = self._restarted(cleared.state, facts)
            return Step(rest.state, (*cleared.effects, *rest.effects))
        way = state.way
        if way is None:
            return self._end_window(state, facts)
        # Nobody knows whether the rest passed, so nothing is given back.
        left = way.passed if way.direction is Direction.OUT else 0
        marks, _ = self._move(Direction.IN, state.uncounted - left, facts)
        outcome = self._outcome(way, Reason.OUTCOME_UNKNOWN, facts, marks)
        after = {
            "way": None,
            "unused": None,  # what was cut off by a restart is never actuated again
            "cut_off": way,
            # Not beyond one passage from now, should the clock have run ahead before the restart.
            "cut_off_until_ms": min(way.granted_ms, facts.now_ms) + self._settings.passage_timeout_ms,
            "uncounted": 0,
            "repeats": Repeats(),
        }
        return Step(state.model_copy(update=after), (outcome, *counts(state.repeats, facts)))
