"""Subsidy query (惠民惠农补贴明细): a person reads what was paid to them, online, and nothing of it stays.

Who asks is proven to the platform, not to the terminal alone: by a fresh dynamic code, or by an authenticated card and
the service PIN, which the platform checks. Tries are bounded and slowed here as well, in durable marks that are counted
before the platform is asked, so that pulling the plug gives none back.

The answer goes from the wire into one effect, :class:`~profiles.screen.ShowPrivately`. It stands in no state, and every
state of a session is kept out of what is saved (``exclude``). The screen is wiped when the person says so, when nothing
was typed for a while, and before anybody else is served.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from profiles.amounts import AmountRefused
from profiles.api import (
    AmountEntered,
    Ask,
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
    StartTimer,
    State,
    Step,
    Subject,
    TimerFired,
    Tone,
)
from profiles.purpose import Purpose
from profiles.questions import Answered, Declined, NotRecorded, Unanswered
from profiles.reasons import ReasonEnum
from profiles.refusals import counts
from profiles.rules import pin_tries
from profiles.rules.codes import CodePolicy
from profiles.scene import Scene, SceneState
from profiles.screen import ShowPrivately, WipeScreen
from profiles.subsidies import PinEntered, QuerySubsidies, Subsidies
from profiles.subsidy_reasons import SubsidyReason, SubsidyRule
from profiles.subsidy_words import DONE, PLEASE_PIN, WHAT_IS_A_PIN, WHO, lines_of, tries_left
from profiles.trace import Asked, Rule, RuleEnum, judge

IDLE_TIMER = "idle"
_DECLINED = {
    "pin-wrong": SubsidyReason.PIN_WRONG,
    "pin-blocked": SubsidyReason.PIN_BLOCKED,
    "pin-unset": SubsidyReason.PIN_UNSET,
    "account-unknown": SubsidyReason.NO_SUBSIDIES,
    "medium-lost": Reason.MEDIUM_LOST,
    "expired": SubsidyReason.NOT_REACHED,
}
"""What the platform may say no with; anything else is :data:`SubsidyReason.REFUSED`."""
_COUNTED = frozenset({"pin-wrong", "pin-blocked"})
"""After these a PIN was wrong, or not even looked at; after any other nobody says so."""


class SubsidySettings(ProfileSettings):
    """Settings of one screen with a keypad for PINs."""

    needs_screen: ClassVar[bool] = True
    codes: CodePolicy = CodePolicy(purposes=frozenset({Purpose.ANY, Purpose.IDENTIFY}))
    ask_deadline_ms: int = Field(default=5_000, ge=500, le=30_000, description="so long the platform may take")
    idle_ms: int = Field(
        default=30_000, ge=5_000, le=300_000, description="nothing typed for so long: the screen is wiped"
    )
    pins: pin_tries.PinTries = pin_tries.PinTries()


class Session(State):
    """Somebody who stands there. Never saved."""

    medium: bytes
    namespace: str
    subject_id: bytes
    shown: bool = Field(default=False, description="the answer stands on the screen")
    timer: bytes = Field(description="names the timer that ends it")

    @property
    def subject(self) -> Subject:
        """The person."""
        return Subject(self.namespace, self.subject_id)


class SubsidyState(SceneState):
    """State of one lane; of a session only the open question is saved, so that a restart can say that it is over."""

    session: Session | None = Field(default=None, exclude=True)
    asked: bytes | None = Field(default=None, description="the record of the question that is open")
    by_pin: bool = False


class Subsidy(Scene[SubsidyState]):
    """The subsidy query's reducer."""

    name: ClassVar[str] = "subsidy"
    Settings: ClassVar[type[ProfileSettings]] = SubsidySettings
    State: ClassVar[type[State]] = SubsidyState
    wants: ClassVar[frozenset[str]] = frozenset()
    rules: ClassVar[type[RuleEnum]] = SubsidyRule

    def __init__(self, settings: SubsidySettings) -> None:
        self._settings = settings

    @property
    def codes(self) -> CodePolicy:
        """Which codes the lane accepts."""
        return self._settings.codes

    def idle(self) -> SubsidyState:
        """Nobody is there."""
        return SubsidyState()

    def handle(self, state: SubsidyState, event: Event, facts: Facts) -> Step[SubsidyState]:
        """One event in, one step out."""
        match event:
            case Presented(credential):
                return self._presented(state, credential, facts)
            case PinEntered(digits):
                return self._pin(state, digits, facts)
            case AmountEntered(0) if state.asked is None:
                return Step(state.model_copy(update={"session": None}), (WipeScreen(), Show(DONE, Tone.OK)))
            case AmountEntered() | AmountRefused():
                return Step(state, (Show(WHAT_IS_A_PIN, Tone.NO),))
            case Answered(about, answer) if about == state.asked:
                return self._answered(state, about, answer, facts)
            case Unanswered(about) if about == state.asked:
                return self._over(state, about, SubsidyReason.NOT_REACHED, facts, given_back=True)
            case NotRecorded(about) | RecordedLate(about) if about == state.asked:
                return self._over(state, about, Reason.NOT_RECORDED, facts)
            case TimerFired(name, about) if name == IDLE_TIMER and state.session and about == state.session.timer:
                return self._idle(state)
            case Restarted():
                return self._restarted(state, facts)
            case _:
                return super().handle(state, event, facts)

    # Who asks -------------------------------------------------------------------------------------------------------

    def _presented(self, state: SubsidyState, credential: Credential, facts: Facts) -> Step[SubsidyState]:
        """Whoever comes next ends the session before: the screen is wiped whatever becomes of it."""
        wiped = () if state.session is None or state.asked is not None else (WipeScreen(),)
        before = state if state.asked is not None else state.model_copy(update={"session": None})
        verdict = judge(self._rules(before, credential))
        if verdict.refusal is not None:
            refused = self.refuse(before, facts, verdict.refusal, credential.medium, credential.subject, verdict.trace)
            return Step(refused.state, (*wiped, *refused.effects))
        session = Session(
            medium=credential.medium,
            namespace=credential.subject.namespace,
            subject_id=credential.subject.id,
            timer=facts.new_id(),
        )
        fresh = before.model_copy(update={"session": session})
        if credential.assurance is Assurance.DYNAMIC_CODE:
            question = QuerySubsidies(evidence=credential.evidence)
            asked = self._ask(fresh, session, question, verdict.trace, credential.marks, facts)
            return Step(asked.state, (*wiped, *asked.effects))
        wait = StartTimer(IDLE_TIMER, self._settings.idle_ms, session.timer)
        return Step(fresh, (*wiped, Show(PLEASE_PIN, Tone.WAIT), wait))

    def _rules(self, state: SubsidyState, credential: Credential) -> Iterator[Asked]:
        yield Rule.LANE_FREE, state.asked is None, Reason.BUSY
        proves = credential.assurance in (Assurance.DYNAMIC_CODE, Assurance.AUTHENTICATED_CARD)
        yield Rule.ASSURANCE, proves, Reason.ASSURANCE_TOO_LOW
        yield SubsidyRule.REGISTERED, not credential.subject.provisional, SubsidyReason.NOT_REGISTERED

    def _pin(self, state: SubsidyState, digits: str, facts: Facts) -> Step[SubsidyState]:
        session = state.session
        if session is None or session.shown:
            return Step(state, (Show(WHO, Tone.NO),))
        if state.asked is not None:
            return Step(state, (Show(Reason.BUSY.citizen, Tone.NO),))
        tries, subject = self._settings.pins, session.subject
        verdict = judge(
            (
                (SubsidyRule.PIN_ALLOWED, tries.left(subject, facts) > 0, SubsidyReason.PIN_BLOCKED),
                (SubsidyRule.PIN_NOT_TOO_SOON, tries.wait_ms(subject, facts) == 0, SubsidyReason.PIN_SOON),
            )
        )
        if verdict.refusal is not None:
            blocked = verdict.refusal is SubsidyReason.PIN_BLOCKED
            before = state.model_copy(update={"session": None}) if blocked else state
            return self.refuse(before, facts, verdict.refusal, session.medium, subject, verdict.trace)
        marks = tries.tried(subject, facts)
        return self._ask(state, session, QuerySubsidies(pin=digits), verdict.trace, marks, facts)

    def _ask(
        self,
        state: SubsidyState,
        session: Session,
        question: QuerySubsidies,
        trace: bytes,
        marks: tuple[Mark, ...],
        facts: Facts,
    ) -> Step[SubsidyState]:
        record = Record(
            id=facts.new_id(),
            kind=Kind.DECISION,
            reason=SubsidyReason.ASKED,
            medium=session.medium,
            subject=session.subject,
            marks=marks,
            trace=trace,
        )
        ask = Ask(question, self._settings.ask_deadline_ms, record.id, session.medium, session.subject)
        after = state.model_copy(update={"asked": record.id, "by_pin": question.pin is not None})
        return Step(after, (record, Show(SubsidyReason.ASKED.citizen, Tone.WAIT), ask))

    # What came of it ------------------------------------------------------------------------------------------------

    def _answered(self, state: SubsidyState, about: bytes, answer: object, facts: Facts) -> Step[SubsidyState]:
        session = state.session
        if isinstance(answer, Subsidies) and session is not None:
            marks = self._settings.pins.right(session.subject, facts) if state.by_pin else ()
            record = Record(facts.new_id(), Kind.OUTCOME, SubsidyReason.SHOWN, refers_to=about, marks=marks)
            shown = session.model_copy(update={"shown": True})
            after = state.model_copy(update={"session": shown, "asked": None, "by_pin": False})
            idle = StartTimer(IDLE_TIMER, self._settings.idle_ms, session.timer)
            return Step(after, (record, ShowPrivately(lines_of(answer), self._settings.idle_ms), idle))
        code = answer.code if isinstance(answer, Declined) else ""
        reason: ReasonEnum = _DECLINED.get(code, SubsidyReason.REFUSED)
        if reason is not SubsidyReason.PIN_WRONG or session is None:
            return self._over(state, about, reason, facts, given_back=code not in _COUNTED)
        left = self._settings.pins.left(session.subject, facts)
        if left == 0:
            return self._over(state, about, SubsidyReason.PIN_BLOCKED, facts)
        marks = self._settings.pins.wrong(session.subject, facts)
        record = Record(facts.new_id(), Kind.OUTCOME, reason, refers_to=about, marks=marks)
        wait = StartTimer(IDLE_TIMER, self._settings.idle_ms, session.timer)
        after = state.model_copy(update={"asked": None, "by_pin": False})
        wait_s = -(-self._settings.pins.delay_ms(session.subject, facts) // 1000)
        return Step(after, (record, Show(tries_left(left, wait_s), Tone.NO), wait))

    def _over(
        self, state: SubsidyState, about: bytes, reason: ReasonEnum, facts: Facts, *, given_back: bool = False
    ) -> Step[SubsidyState]:
        """The session ends without an answer. A try of which nobody says that it was wrong is given back: the platform
        counts what it heard itself."""
        marks: tuple[Mark, ...] = ()
        if given_back and state.by_pin and state.session is not None:
            marks = self._settings.pins.given_back(state.session.subject, facts)
        record = Record(facts.new_id(), Kind.OUTCOME, reason, refers_to=about, marks=marks)
        after = state.model_copy(update={"session": None, "asked": None, "by_pin": False})
        return Step(after, (record, WipeScreen(), Show(reason.citizen, Tone.NO)))

    def _idle(self, state: SubsidyState) -> Step[SubsidyState]:
        """Nobody has typed for a while. A question that is open ends by its own deadline."""
        if state.asked is not None:
            return Step(state)
        return Step(state.model_copy(update={"session": None}), (WipeScreen(), Show(DONE, Tone.OK)))

    def _restarted(self, state: SubsidyState, facts: Facts) -> Step[SubsidyState]:
        records = counts(state.repeats, facts)
        if state.asked is not None:
            records += (Record(facts.new_id(), Kind.OUTCOME, Reason.OUTCOME_UNKNOWN, refers_to=state.asked),)
        return Step(SubsidyState(), (*records, WipeScreen()))
