"""Museum, park, scenic spot (博物馆、公园、景区): by reservation, or free for whom an issuer names.

A credential passes the rules in this order, the first that fails refuses: assurance, opening days, a session that is on
(a reservation lets in a little earlier), a reservation for it or free admission, age, who may lead a group, no second
visit, room for those without a reservation, and a door that is not serving somebody else.

What a visit came to is a second record. Where the door did not open, the visit never was: whom it counted is taken off
again, and the visitor may come once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from profiles.amounts import FunctionKey, KeyPressed
from profiles.api import (
    Actuate,
    Actuated,
    Assurance,
    Credential,
    Event,
    Facts,
    InputChanged,
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
from profiles.by_order import OpensByOrder, OrderedState
from profiles.dates import midnight_ms
from profiles.direction import Direction
from profiles.full_disk import FullDisk
from profiles.helping import PLEASE_PASS
from profiles.museum_reasons import MuseumReason, MuseumRule, group_of
from profiles.passage import fire_told
from profiles.purpose import Purpose
from profiles.reasons import ReasonEnum
from profiles.rules.admission import Admission, Entitlement
from profiles.rules.assisted import Assisted, AssistedReason, Helping
from profiles.rules.assurance import LeastAssurance
from profiles.rules.codes import CodePolicy
from profiles.rules.minors import Minors
from profiles.rules.schedule import Schedule
from profiles.rules.sessions import Session, Sessions
from profiles.rules.tally import key_of
from profiles.trace import Asked, Rule, RuleEnum, judge

VISITS_SCOPE = "museum.visits"
MAX_GROUP = 500
_Namespace = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class FreeAdmission(BaseModel):
    """Who comes without a reservation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    admit: Admission | None = Field(default=None, description="by entitlement, roster or list; null: nobody by these")
    issuers: frozenset[_Namespace] = Field(
        default=frozenset(), description="namespaces whose people are admitted: of the city, and of those it recognises"
    )

    def admits(self, credential: Credential, facts: Facts) -> bool:
        """Whether this holder needs no reservation; a card that no register knows has no issuer that says so."""
        known = credential.subject.namespace in self.issuers and not credential.subject.provisional
        return known or (self.admit is not None and self.admit.admits(credential, facts))


class MuseumSettings(ProfileSettings):
    """Settings of one entrance."""

    sessions: Sessions
    free: FreeAdmission = FreeAdmission()
    schedule: Schedule = Field(default=Schedule(), description="opening days; sessions say the hours")
    minors: Minors = Minors()
    least_assurance: LeastAssurance = Field(
        default=Assurance.READ, description="uid, read, static-code, dynamic-code …"
    )
    codes: CodePolicy = CodePolicy(purposes=frozenset({Purpose.ANY, Purpose.PASS}), static=True)
    once_a_session: bool = Field(default=True, description="false: whoever went out may come in again")
    group_leader: Entitlement = Field(default="group-leader", description="who may bring a group")
    group_people: int = Field(
        default=30, ge=1, le=MAX_GROUP, description="people in a group at most, its leader included"
    )
    group_wait_ms: int = Field(
        default=60_000, ge=5_000, le=600_000, description="so long a typed number waits for the leader"
    )
    again_ms: int = Field(
        default=10_000, ge=0, le=120_000, description="the same holder again within it gets the door opened again"
    )
    output: str = Field(default="gate", description="the output that opens")
    open_pulse_ms: int = Field(default=500, ge=50, le=10_000)
    fire_input: str | None = Field(default="fire", description="the input that the fire line drives; null if none")
    assisted: Assisted | None = Field(default=None, description="operators who let in whoever has nothing to show")
    full_disk: FullDisk = Field(
        default=FullDisk.OPEN_AND_COUNT, description="beyond the journal's reserve: open-and-count, or refuse"
    )

    def wiring(self) -> Wiring:
        """The door and the fire line."""
        fire = {} if self.fire_input is None else {"fire_input": self.fire_input}
        return Wiring(outputs={"output": self.output}, fire_inputs=fire)

    def on_full_disk(self) -> FullDisk:
        """A door opens."""
        return self.full_disk


class Visit(State):
    """Whom the door was opened for last."""

    record_id: bytes
    medium: bytes
    subject_namespace: str
    subject_id: bytes
    provisional: bool
    session: str
    walked_in: int = Field(description="people counted as having come without a reservation")
    people: int
    granted_ms: int
    assisted: bool = Field(default=False, description="on the word of an operator, whose medium it is: no visit of his")

    @property
    def subject(self) -> Subject:
        """The visitor, or the group's leader; or the operator."""
        return Subject(self.subject_namespace, self.subject_id, self.provisional)


class MuseumState(OrderedState):
    """State of one entrance, saved with every record."""

    visit: Visit | None = Field(default=None, description="admitted; what came of it is not recorded yet")
    latest: Visit | None = Field(default=None, description="the last visit whose door opened")
    group: int | None = Field(default=None, description="people that the staff typed, for the leader who comes next")
    group_until_ms: int = 0
    fire: bool = False
    helping: Helping | None = Field(default=None, exclude=True, description="an operator said why he lets somebody in")


class Museum(OpensByOrder[MuseumState]):
    """The museum's reducer."""

    name: ClassVar[str] = "museum"
    Settings: ClassVar[type[ProfileSettings]] = MuseumSettings
    State: ClassVar[type[State]] = MuseumState
    wants: ClassVar[frozenset[str]] = frozenset()
    rules: ClassVar[type[RuleEnum]] = MuseumRule

    def __init__(self, settings: MuseumSettings) -> None:
        self._settings = settings

    @property
    def codes(self) -> CodePolicy:
        """Which codes the entrance accepts."""
        return self._settings.codes

    def idle(self) -> MuseumState:
        """Nobody is coming."""
        return MuseumState()

    def urgent(self, event: InputChanged) -> ReasonEnum | None:
        """A fire."""
        is_fire = self._settings.fire_input is not None and event.input == self._settings.fire_input
        return Reason.FIRE if is_fire and event.active else None

    def handle(self, state: MuseumState, event: Event, facts: Facts) -> Step[MuseumState]:
        """One event in, one step out."""
        match event:
            case Presented(credential):
                step = self._presented(state, credential, facts)
                return step.led_by(self._settings.schedule.warning(facts))
            case KeyPressed(FunctionKey.GUESTS, number):
                return self._group(state, number or 0, facts)
            case KeyPressed(FunctionKey.ASSIST, number) if self._settings.assisted is not None and not state.fire:
                return self._settings.assisted.pressed(state, number, facts)
            case InputChanged(name, active) if name == self._settings.fire_input:
                return self._fire(state, active, facts)
            case Actuated(about, fault) if state.visit is not None and about == state.visit.record_id:
                return self._opened(state, state.visit, Reason.ACTUATOR_FAILED if fault else Reason.ACTUATED, facts)
            case Actuated(_, fault) if fault and state.ordered is None:
                return Step(state, (Show(Reason.ACTUATOR_FAILED.citizen, Tone.NO),))
            case RecordedLate(about) if state.visit is not None and about == state.visit.record_id:
                return self._opened(state, state.visit, Reason.NOT_ACTUATED, facts)
            case Restarted() if state.ordered is None:
                return self._restarted(state, facts)
            case _:
                return super().handle(state, event, facts)

    # Who may enter --------------------------------------------------------------------------------------------------

    def _presented(self, state: MuseumState, credential: Credential, facts: Facts) -> Step[MuseumState]:
        if state.fire:
            return Step(state, (Show(Reason.FIRE.citizen, Tone.OK),))
        helping, assisted = state.helping, self._settings.assisted
        if helping is not None and assisted is not None and assisted.awaits(helping, credential, facts):
            return self._assist(state.cleared("helping"), assisted, helping, credential, facts)
        latest = state.latest
        if latest is not None and latest.medium == credential.medium and self._just_now(latest, facts):
            return self._open_again(state, latest, credential, facts)
        people = state.group if state.group is not None and facts.now_ms < state.group_until_ms else None
        reserved = self._settings.sessions.reserved(facts.person(credential.subject), facts.local_time)
        session = reserved or self._settings.sessions.now(facts.local_time)
        verdict = judge(self._rules(state, credential, session, reserved is not None, people, facts))
        if verdict.refusal is not None or session is None:
            refusal = verdict.refusal or MuseumReason.NO_SESSION
            return self.refuse(state, facts, refusal, credential.medium, credential.subject, verdict.trace)
        return self._admit(state, credential, session, reserved is not None, people or 1, facts, verdict.trace)

    def _rules(
        self,
        state: MuseumState,
        credential: Credential,
        session: Session | None,
        reserved: bool,
        people: int | None,
        facts: Facts,
    ) -> Iterator[Asked]:
        settings, subject = self._settings, credential.subject
        yield Rule.ASSURANCE, credential.assurance >= settings.least_assurance, Reason.ASSURANCE_TOO_LOW
        yield Rule.SCHEDULE, settings.schedule.is_open(facts.local_time), Reason.OUT_OF_HOURS
        later = settings.sessions.reserved_later(facts.person(subject), facts.local_time)
        elsewhen = MuseumReason.LATER_SESSION if later else None
        yield MuseumRule.SESSION, session is not None, elsewhen or MuseumReason.NO_SESSION
        admitted = reserved or settings.free.admits(credential, facts)
        yield MuseumRule.TICKET, admitted, elsewhen or MuseumReason.NOT_RESERVED
        yield from settings.minors.rules(credential, facts)
        if people is not None:
            leads = settings.group_leader in credential.entitlements
            yield MuseumRule.GROUP_LEADER, leads, MuseumReason.NO_GROUP_LEADER
        if session is not None and settings.once_a_session:
            visited = facts.mark(VISITS_SCOPE, key_of(subject, session.name)) is not None
            yield MuseumRule.FIRST_VISIT, not visited, MuseumReason.ALREADY_VISITED
        walk_in = (people or 1) - int(reserved)  # a reservation is one person's, and not his group's
        if session is not None and walk_in:
            yield MuseumRule.ROOM, settings.sessions.fits(session, walk_in, facts), MuseumReason.SESSION_FULL
        yield Rule.LANE_FREE, state.visit is None and state.ordered is None, Reason.BUSY

    def _admit(
        self,
        state: MuseumState,
        credential: Credential,
        session: Session,
        reserved: bool,
        people: int,
        facts: Facts,
        trace: bytes,
    ) -> Step[MuseumState]:
        visit = Visit(
            record_id=facts.new_id(),
            medium=credential.medium,
            subject_namespace=credential.subject.namespace,
            subject_id=credential.subject.id,
            provisional=credential.subject.provisional,
            session=session.name,
            walked_in=people - int(reserved),
            people=people,
            granted_ms=facts.now_ms,
        )
        public: dict[str, str | int | bool] = {
            "session": session.name,
            "basis": "reserved" if reserved else "free",
            "people": people,
        }
        public |= _shown_as(credential)
        record = Record(
            id=visit.record_id,
            kind=Kind.DECISION,
            reason=Reason.GRANTED,
            medium=credential.medium,
            subject=credential.subject,
            public=public,
            marks=(*self._marks(visit, session, 1, facts), *credential.marks),
            trace=trace,
        )
        said = Reason.GRANTED.citizen if people == 1 else group_of(people)
        after = state.model_copy(update={"visit": visit, "latest": None, "group": None, "group_until_ms": 0})
        return Step(after, (record, self.pulse(visit.record_id), Show(said, Tone.OK)))

    def _assist(
        self, state: MuseumState, assisted: Assisted, helping: Helping, operator: Credential, facts: Facts
    ) -> Step[MuseumState]:
        """One person comes in on an operator's word, and takes a place of those without a reservation."""
        session = self._settings.sessions.now(facts.local_time)
        verdict = judge(self._assist_rules(state, assisted, operator, session, facts))
        if verdict.refusal is not None or session is None:
            refusal = verdict.refusal or MuseumReason.NO_SESSION
            return self.refuse(state, facts, refusal, operator.medium, operator.subject, verdict.trace)
        visit = Visit(
            record_id=facts.new_id(),
            medium=operator.medium,
            subject_namespace=operator.subject.namespace,
            subject_id=operator.subject.id,
            provisional=operator.subject.provisional,
            session=session.name,
            walked_in=1,
            people=1,
            granted_ms=facts.now_ms,
            assisted=True,
        )
        public: dict[str, str | int | bool] = {"session": session.name, "basis": "assisted", "people": 1}
        record = Record(
            id=visit.record_id,
            kind=Kind.DECISION,
            reason=AssistedReason.ASSISTED,
            medium=operator.medium,
            subject=operator.subject,
            refers_to=helping.for_whom(operator),
            public=public | _shown_as(operator) | helping.public(operator, facts),
            marks=(helping.used(operator, facts), *self._marks(visit, session, 1, facts), *operator.marks),
            trace=verdict.trace,
        )
        after = state.model_copy(update={"visit": visit, "latest": None})
        return Step(after, (record, self.pulse(visit.record_id), PLEASE_PASS))

    def _assist_rules(
        self, state: MuseumState, assisted: Assisted, operator: Credential, session: Session | None, facts: Facts
    ) -> Iterator[Asked]:
        settings = self._settings
        yield Rule.ASSURANCE, operator.assurance >= settings.least_assurance, Reason.ASSURANCE_TOO_LOW
        yield Rule.SCHEDULE, settings.schedule.is_open(facts.local_time), Reason.OUT_OF_HOURS
        yield MuseumRule.SESSION, session is not None, MuseumReason.NO_SESSION
        yield from assisted.rules(operator, facts)
        if session is not None:
            yield MuseumRule.ROOM, settings.sessions.fits(session, 1, facts), MuseumReason.SESSION_FULL
        yield Rule.LANE_FREE, state.visit is None and state.ordered is None, Reason.BUSY

    def _open_again(self, state: MuseumState, visit: Visit, credential: Credential, facts: Facts) -> Step[MuseumState]:
        """The same holder, who did not get through the door: the same visit, and nobody is counted twice."""
        record = Record(
            id=facts.new_id(),
            kind=Kind.DECISION,
            reason=MuseumReason.OPENED_AGAIN,
            medium=visit.medium,
            subject=visit.subject,
            refers_to=visit.record_id,
            marks=credential.marks,
        )
        # Once: a door that opens as often as one card is shown counts nobody.
        after = state.model_copy(update={"latest": None})
        return Step(after, (record, self.pulse(record.id), Show(MuseumReason.OPENED_AGAIN.citizen, Tone.OK)))

    def _just_now(self, visit: Visit, facts: Facts) -> bool:
        return 0 <= facts.now_ms - visit.granted_ms < self._settings.again_ms

    def pulse(self, about: bytes) -> Actuate:
        """Open the door."""
        return Actuate(self._settings.output, self._settings.open_pulse_ms, about)

    @property
    def leads(self) -> Direction:
        """In: it is an entrance."""
        return Direction.IN

    def held_by(self, state: MuseumState) -> ReasonEnum | None:
        """A fire, and whoever is coming."""
        if state.fire:
            return Reason.FIRE
        return None if state.visit is None and state.ordered is None else Reason.BUSY

    def _marks(self, visit: Visit, session: Session, by: int, facts: Facts) -> tuple[Mark, ...]:
        """What counts the visit (1), or takes it back (-1)."""
        ends_ms = midnight_ms(facts)
        value = visit.people if by > 0 else None
        visited = Mark(VISITS_SCOPE, key_of(visit.subject, session.name), value, ends_ms)
        walked_in = (self._settings.sessions.came(session, by * visit.walked_in, facts),) if visit.walked_in else ()
        return walked_in if visit.assisted else (visited, *walked_in)

    def refuse(
        self,
        state: MuseumState,
        facts: Facts,
        reason: ReasonEnum,
        medium: bytes | None = None,
        subject: Subject | None = None,
        trace: bytes = b"",
        shown: Show | None = None,
    ) -> Step[MuseumState]:
        """In a fire nobody is refused."""
        if state.fire:
            return Step(state, (Show(Reason.FIRE.citizen, Tone.OK),))
        step = super().refuse(state, facts, reason, medium, subject, trace, shown)
        if (helping := state.helping) is None:
            return step
        # Whom an operator is about to help is stated by what was refused meanwhile.
        told = helping.told(Record(b"", Kind.DECISION, reason, medium), step.state.repeats)
        return Step(step.state.model_copy(update={"helping": told}), step.effects)

    def _group(self, state: MuseumState, people: int, facts: Facts) -> Step[MuseumState]:
        """The staff typed how many come with the leader who shows a credential next; 0 takes it back."""
        if people > self._settings.group_people:
            return Step(state, (Show(MuseumReason.GROUP_TOO_BIG.citizen, Tone.NO),))
        until_ms = facts.now_ms + self._settings.group_wait_ms if people else 0
        after = state.model_copy(update={"group": people or None, "group_until_ms": until_ms})
        return Step(after, (Show(MuseumReason.GROUP_AWAITED.citizen, Tone.WAIT),) if people else ())

    # What became of a visit -----------------------------------------------------------------------------------------

    def _opened(self, state: MuseumState, visit: Visit, reason: Reason, facts: Facts) -> Step[MuseumState]:
        opened = reason in (Reason.ACTUATED, Reason.OUTCOME_UNKNOWN)
        session = next((each for each in self._settings.sessions.each if each.name == visit.session), None)
        back = () if opened or session is None else self._marks(visit, session, -1, facts)
        record = Record(facts.new_id(), Kind.OUTCOME, reason, refers_to=visit.record_id, marks=back)
        shown = () if opened else (Show(reason.citizen, Tone.NO),)
        after = state.model_copy(update={"visit": None, "latest": visit if opened and not visit.assisted else None})
        return Step(after, (record, *shown))

    def _restarted(self, state: MuseumState, facts: Facts) -> Step[MuseumState]:
        ended = self.end_window(state, facts)
        state = ended.state.model_copy(update={"group": None, "group_until_ms": 0})
        effects = ended.effects
        if state.fire and self._settings.fire_input is None:  # nothing could end it any more
            cleared = self._fire(state, False, facts)
            state, effects = cleared.state, (*effects, *cleared.effects)
        if state.visit is None:
            return Step(state, effects)
        unknown = self._opened(state, state.visit, Reason.OUTCOME_UNKNOWN, facts)
        return Step(unknown.state, (*effects, *unknown.effects))

    def _fire(self, state: MuseumState, active: bool, facts: Facts) -> Step[MuseumState]:
        if active == state.fire:
            return Step(state)
        reason = Reason.FIRE if active else Reason.FIRE_CLEARED
        record = Record(facts.new_id(), Kind.LIFE_SAFETY, reason)
        return Step(state.model_copy(update={"fire": active}), fire_told(active, record))


def _shown_as(credential: Credential) -> dict[str, str | int]:
    return {"source": credential.source, "assurance": int(credential.assurance)}
