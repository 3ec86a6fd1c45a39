"""Service hall and party centre (政务服务一卡办): a number at the ticket machine, and an identity for the counter.

At a ticket machine a matter is chosen, then a card or code is shown: who it is, as sure as the matter demands, gets a
number of the matter and day. At a counter the same person is identified again, by the ticket that was called or by the
matter that the staff typed, and the identity goes to the counter's own software: once, when it asks, and after a record
that says so (:mod:`profiles.handover`). Here it is forgotten then.

The rules, the first that fails refuses. Ticket machine: a matter was chosen, assurance, office hours, numbers left.
Counter: a ticket or a typed matter, the ticket was called, assurance, office hours, nobody else just being handed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from profiles.amounts import AmountRefused, FunctionKey, KeyPressed
from profiles.api import (
    AmountEntered,
    Assurance,
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
    Restarted,
    Show,
    State,
    Step,
    Subject,
    Tone,
)
from profiles.hall_reasons import HallReason, HallRule
from profiles.hall_settings import Desk, HallSettings, Matter, assurance_name
from profiles.hall_words import CANCELLED, NOBODY_WAITS, call_of, choose, chosen, number_of, slip, welcome
from profiles.handover import CounterAsks, Delivered, HandOver, Identity, Release, Undelivered, Withdraw
from profiles.paper import Lines, NotPrinted, Print
from profiles.rules import queue
from profiles.rules.codes import CodePolicy
from profiles.rules.visits import visit
from profiles.scene import Scene, SceneState
from profiles.trace import Asked, Rule, RuleEnum, judge

_ENDS = {
    Undelivered.NONE: HallReason.HANDOVER_CONFIRMED,
    Undelivered.EXPIRED: HallReason.HANDOVER_EXPIRED,
    Undelivered.WITHDRAWN: HallReason.HANDOVER_WITHDRAWN,
    Undelivered.NOT_RELEASED: HallReason.HANDOVER_FAILED,
    Undelivered.UNCONFIRMED: HallReason.HANDOVER_FAILED,
}
Public = dict[str, str | int | bool]


class Serving(State):
    """Whose identity waits for the counter's software. The identity itself stands in no state."""

    record_id: bytes
    subject_namespace: str
    subject_id: bytes
    provisional: bool
    matter: str
    number: int | None = Field(description="of the ticket; null: the staff chose the matter")
    handed: bool = Field(default=False, description="its record is written, and what came of it is not known yet")

    @property
    def subject(self) -> Subject:
        """The person."""
        return Subject(self.subject_namespace, self.subject_id, self.provisional)


class HallState(SceneState):
    """State of one lane."""

    chosen: str | None = Field(default=None, exclude=True, description="a matter, for whoever presents next")
    chosen_until_ms: int = Field(default=0, exclude=True)
    serving: Serving | None = None


class Hall(Scene[HallState]):
    """The service hall's reducer."""

    name: ClassVar[str] = "hall"
    Settings: ClassVar[type[ProfileSettings]] = HallSettings
    State: ClassVar[type[State]] = HallState
    wants: ClassVar[frozenset[str]] = frozenset()
    rules: ClassVar[type[RuleEnum]] = HallRule

    def __init__(self, settings: HallSettings) -> None:
        self._settings = settings
        self._matters = {matter.name: matter for matter in settings.served}

    @property
    def codes(self) -> CodePolicy:
        """Which codes the lane accepts."""
        return self._settings.codes

    def idle(self) -> HallState:
        """Nobody is there."""
        return HallState()

    def handle(self, state: HallState, event: Event, facts: Facts) -> Step[HallState]:
        """One event in, one step out."""
        match event:
            case Presented(credential):
                present = self._take_number if self._settings.desk is Desk.TICKETS else self._identify
                step = present(state, credential, facts)
                return step.led_by(self._settings.schedule.warning(facts))
            case AmountEntered(amount_fen):
                return self._choose(state, amount_fen, facts)
            case AmountRefused():
                return Step(state, (Show(choose(self._settings.served), Tone.NO),))
            case NotPrinted(about):
                record = Record(facts.new_id(), Kind.OUTCOME, HallReason.NOT_PRINTED, refers_to=about)
                return Step(state, (record,))
            case Restarted():
                return self._restarted(state, facts)
            case _ if self._settings.desk is Desk.COUNTER:
                return self._at_the_counter(state, event, facts)
            case _:
                return super().handle(state, event, facts)

    def _at_the_counter(self, state: HallState, event: Event, facts: Facts) -> Step[HallState]:
        serving = state.serving
        match event:
            case KeyPressed(FunctionKey.NEXT):
                return self._call_next(state, facts)
            case KeyPressed(FunctionKey.VOID) if serving is not None and not serving.handed:
                return Step(state, (Withdraw(serving.record_id),))
            case CounterAsks(about) if serving is not None and about == serving.record_id and not serving.handed:
                return self._hand_over(state, serving, facts)
            case Delivered(about, why_not) if serving is not None and about == serving.record_id:
                return self._ended(state, serving, _ENDS[why_not], facts)
            case RecordedLate(about) if serving is not None and about == serving.record_id:
                return self._ended(state, serving, HallReason.HANDOVER_FAILED, facts)
            case _:
                return super().handle(state, event, facts)

    # The matter -----------------------------------------------------------------------------------------------------

    def _choose(self, state: HallState, amount_fen: int, facts: Facts) -> Step[HallState]:
        """What was typed, 2 and Enter, is a matter's key; 0 takes a choice back."""
        if amount_fen == 0:
            return Step(state.model_copy(update={"chosen": None, "chosen_until_ms": 0}), (Show(CANCELLED, Tone.OK),))
        matter = next((each for each in self._settings.served if each.key * 100 == amount_fen), None)
        if matter is None:
            return Step(state, (Show(choose(self._settings.served), Tone.NO),))
        until_ms = facts.now_ms + self._settings.choose_ms
        after = state.model_copy(update={"chosen": matter.name, "chosen_until_ms": until_ms})
        return Step(after, (Show(chosen(matter), Tone.WAIT),))

    def _chosen(self, state: HallState, facts: Facts) -> Matter | None:
        if state.chosen is not None and facts.now_ms < state.chosen_until_ms:
            return self._matters.get(state.chosen)
        return None

    def _assured(self, credential: Credential, matter: Matter) -> Asked:
        needs_card = matter.least_assurance is Assurance.AUTHENTICATED_CARD
        refusal = HallReason.NEEDS_CARD if needs_card else Reason.ASSURANCE_TOO_LOW
        return HallRule.MATTER_ASSURANCE, credential.assurance >= matter.least_assurance, refusal

    # The ticket machine ---------------------------------------------------------------------------------------------

    def _take_number(self, state: HallState, credential: Credential, facts: Facts) -> Step[HallState]:
        matter = self._settings.served[0] if len(self._settings.served) == 1 else self._chosen(state, facts)
        verdict = judge(self._number_rules(credential, matter, facts))
        if verdict.refusal is not None or matter is None:
            refusal = verdict.refusal or HallReason.NO_MATTER
            told = Show(choose(self._settings.served), Tone.NO) if matter is None else None
            return self.refuse(state, facts, refusal, credential.medium, credential.subject, verdict.trace, told)
        known = queue.held(matter.name, credential.subject, facts)
        number, marks = (known, ()) if known else queue.issue(matter.name, credential.subject, facts)
        record = Record(
            id=facts.new_id(),
            kind=Kind.DECISION,
            reason=HallReason.TICKET_AGAIN if known else HallReason.TICKET,
            medium=credential.medium,
            subject=credential.subject,
            public=_public(matter, number, credential),
            marks=(*marks, *credential.marks),
            trace=verdict.trace,
        )
        before = queue.before(matter.name, number, facts)
        paper = Print(Lines(slip(matter, number, before, facts.local_time)), record.id)
        after = state.model_copy(update={"chosen": None, "chosen_until_ms": 0})
        return Step(after, (record, paper, Show(number_of(matter.ticket(number), before), Tone.OK)))

    def _number_rules(self, credential: Credential, matter: Matter | None, facts: Facts) -> Iterator[Asked]:
        yield HallRule.MATTER, matter is not None, HallReason.NO_MATTER
        if matter is None:
            return
        yield self._assured(credential, matter)
        yield Rule.SCHEDULE, self._settings.schedule.is_open(facts.local_time), Reason.OUT_OF_HOURS
        if queue.held(matter.name, credential.subject, facts) is None:
            left = queue.issued(matter.name, facts) < matter.a_day
            yield HallRule.TICKETS_LEFT, left, HallReason.TICKETS_USED_UP

    # The counter ----------------------------------------------------------------------------------------------------

    def _call_next(self, state: HallState, facts: Facts) -> Step[HallState]:
        """The next number of this counter's matters, in the order in which they were taken."""
        if state.serving is not None:
            return Step(state, (Show(Reason.BUSY.citizen, Tone.NO),))
        found = queue.call_next(self._matters, facts)
        if found is None:
            return Step(state, (Show(NOBODY_WAITS, Tone.WAIT),))
        name, number, marks = found
        ticket = self._matters[name].ticket(number)
        public: Public = {"counter": self._settings.counter, "matter": name, "ticket": ticket}
        record = Record(facts.new_id(), Kind.DECISION, HallReason.TICKET_CALLED, public=public, marks=marks)
        return Step(state, (record, Show(call_of(ticket, self._settings.counter), Tone.OK)))

    def _identify(self, state: HallState, credential: Credential, facts: Facts) -> Step[HallState]:
        matter, number = self._matter_of(state, credential.subject, facts)
        verdict = judge(self._counter_rules(state, credential, matter, number, facts))
        if verdict.refusal is not None or matter is None:
            refusal = verdict.refusal or HallReason.NO_TICKET
            return self.refuse(state, facts, refusal, credential.medium, credential.subject, verdict.trace)
        public = _public(matter, number, credential) | {"counter": self._settings.counter}
        record = Record(
            id=facts.new_id(),
            kind=Kind.DECISION,
            reason=HallReason.IDENTIFIED,
            medium=credential.medium,
            subject=credential.subject,
            public=public,
            marks=credential.marks,
            trace=verdict.trace,
        )
        subject, person = credential.subject, facts.person(credential.subject)
        identity = Identity(
            namespace=subject.namespace,
            subject=subject.id,
            provisional=subject.provisional,
            source=credential.source,
            assurance=assurance_name(credential.assurance),
            matter=matter.name,
            ticket="" if number is None else matter.ticket(number),
            number=None if person is None else person.sealed_numbers.get(self._settings.number_kind),
        )
        serving = Serving(
            record_id=record.id,
            subject_namespace=subject.namespace,
            subject_id=subject.id,
            provisional=subject.provisional,
            matter=matter.name,
            number=number,
        )
        after = state.model_copy(update={"serving": serving, "chosen": None, "chosen_until_ms": 0})
        keep = HandOver(identity, self._settings.keep_ms, record.id)
        return Step(after, (record, keep, Show(HallReason.IDENTIFIED.citizen, Tone.WAIT)))

    def _counter_rules(
        self, state: HallState, credential: Credential, matter: Matter | None, number: int | None, facts: Facts
    ) -> Iterator[Asked]:
        yield HallRule.MATTER_KNOWN, matter is not None, HallReason.NO_TICKET
        if matter is None:
            return
        if number is not None and self._chosen(state, facts) is None:
            was_called = number <= queue.called(matter.name, facts)
            yield HallRule.TICKET_CALLED, was_called, HallReason.NOT_CALLED
        yield self._assured(credential, matter)
        yield Rule.SCHEDULE, self._settings.schedule.is_open(facts.local_time), Reason.OUT_OF_HOURS
        yield Rule.LANE_FREE, state.serving is None, Reason.BUSY

    def _matter_of(self, state: HallState, subject: Subject, facts: Facts) -> tuple[Matter | None, int | None]:
        """What the staff typed, with the person's ticket for it if there is one; else a ticket, one that was called."""
        chosen = self._chosen(state, facts)
        if chosen is not None:
            return chosen, queue.held(chosen.name, subject, facts)
        held = [
            (number > queue.called(matter.name, facts), number, matter)
            for matter in self._settings.served
            if (number := queue.held(matter.name, subject, facts)) is not None
        ]
        if not held:
            return None, None
        _, number, matter = min(held, key=lambda each: each[:2])
        return matter, number

    def _hand_over(self, state: HallState, serving: Serving, facts: Facts) -> Step[HallState]:
        """The record first. The ticket is used up, and the visit is a fact from now on."""
        marks: tuple[Mark, ...] = (visit(self._settings.place, serving.subject, facts),)
        if serving.number is not None:
            marks += (queue.hold(serving.matter, serving.subject, None, facts),)
        record = Record(
            id=facts.new_id(),
            kind=Kind.OUTCOME,
            reason=HallReason.HANDED_OVER,
            refers_to=serving.record_id,
            public={"counter": self._settings.counter},
            marks=marks,
        )
        after = state.model_copy(update={"serving": serving.model_copy(update={"handed": True})})
        return Step(after, (record, Release(serving.record_id)))

    def _ended(self, state: HallState, serving: Serving, reason: HallReason, facts: Facts) -> Step[HallState]:
        """What came of it. Where the counter may not have it, the ticket is the person's again."""
        confirmed = reason is HallReason.HANDOVER_CONFIRMED
        marks: tuple[Mark, ...] = ()
        if serving.handed and serving.number is not None and not confirmed:
            marks = (queue.hold(serving.matter, serving.subject, serving.number, facts),)
        public: Public = {"counter": self._settings.counter}
        record = Record(facts.new_id(), Kind.OUTCOME, reason, refers_to=serving.record_id, public=public, marks=marks)
        said = welcome(self._settings.counter) if confirmed else reason.citizen
        shown = Show(said, Tone.OK if confirmed else Tone.NO)
        return Step(state.model_copy(update={"serving": None}), (record, shown))

    # All of them ----------------------------------------------------------------------------------------------------

    def _restarted(self, state: HallState, facts: Facts) -> Step[HallState]:
        begun = self.end_window(state, facts)
        if state.serving is None:
            return begun
        ended = self._ended(begun.state, state.serving, HallReason.HANDOVER_FORGOTTEN, facts)
        return Step(ended.state, (*begun.effects, *ended.effects))


def _public(matter: Matter, number: int | None, credential: Credential) -> Public:
    public: Public = {"matter": matter.name, "source": credential.source, "assurance": int(credential.assurance)}
    return public if number is None else public | {"ticket": matter.ticket(number)}
