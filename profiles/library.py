"""Library desk and self-service machine (图书馆, 自助借还机): loans, returns, renewals and the reader's account.

A reader presents a card or a code, which opens a session; then items are scanned. An item is borrowed, or renewed if
the reader had it before; where nobody has presented anything, it is returned. The library's own system decides. While
it is away :class:`profiles.rules.loans.OfflineLoans` does, and the library is told afterwards; :mod:`profiles.loans`
has the rules of both. A session ends by itself, by a button, or with the next reader's. What a code proves is sealed in
the record that opens the session; the loans refer to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

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
    Reason,
    Record,
    RecordedLate,
    Restarted,
    Show,
    StartTimer,
    State,
    Step,
    TimerFired,
    Tone,
)
from profiles.barcodes import ONE_DIMENSIONAL, Barcode
from profiles.library_reasons import REASON_OF_BLOCK, REASON_OF_CAUSE, LibraryReason
from profiles.library_state import Handling, LibrarySettings, LibraryState, Session
from profiles.library_words import account_words, done_words
from profiles.loans import (
    Account,
    Act,
    AskLibrary,
    Block,
    ClosePatron,
    Defer,
    Done,
    Handle,
    LibraryAnswered,
    LibrarySilent,
    Mode,
    NotDone,
    OpenPatron,
)
from profiles.questions import NotRecorded
from profiles.reasons import ReasonEnum
from profiles.rules import consent
from profiles.rules.codes import CodePolicy
from profiles.rules.loans import DAY_MS, ITEM_SCOPE, LoanRule, OfflineLoanReason, forgotten, is_blocked
from profiles.scene import Scene
from profiles.staff import name_of
from profiles.trace import Asked, Rule, RuleEnum, judge

IDLE_TIMER = "idle"
MAX_ASKED = 120
"""Items a minute: more than hands scan, and a bound on what a scanner that rattles can write."""
MAX_LISTED = 200
"""Of a reader's items so many are remembered, to tell a renewal from a loan."""
_GOODS = re.compile("[0-9]{8}|[0-9]{12,14}")
"""EAN, UPC or ISBN, as a serial scanner reads them: no code of a person or for paying is so short."""
_CODE_PREFIXES = ("EC1:", "HC1:")
_ASKED = {
    Act.CHECKOUT: LibraryReason.CHECKOUT_ASKED,
    Act.CHECKIN: LibraryReason.CHECKIN_ASKED,
    Act.RENEW: LibraryReason.RENEWAL_ASKED,
}
_DONE = {Act.CHECKOUT: LibraryReason.LENT, Act.CHECKIN: LibraryReason.RETURNED, Act.RENEW: LibraryReason.RENEWED}


class Library(Scene[LibraryState]):
    """The library's reducer."""

    name: ClassVar[str] = "library"
    Settings: ClassVar[type[ProfileSettings]] = LibrarySettings
    State: ClassVar[type[State]] = LibraryState
    wants: ClassVar[frozenset[str]] = frozenset()
    rules: ClassVar[type[RuleEnum]] = LoanRule
    needs_library: ClassVar[bool] = True
    """A configuration with such a lane names the library's system."""

    def __init__(self, settings: LibrarySettings) -> None:
        self._settings = settings

    @property
    def codes(self) -> CodePolicy:
        """Which codes this lane accepts."""
        return self._settings.codes

    def idle(self) -> LibraryState:
        """Nobody is here."""
        return LibraryState()

    def barcode(self, text: str, symbology: str) -> Barcode | ReasonEnum | None:
        """An item's number, told from a person's code; see :class:`profiles.barcodes.ReadsBarcodes`."""
        is_item = self._settings.items.holds(text)
        if symbology in ONE_DIMENSIONAL:
            if text.startswith(_CODE_PREFIXES):
                return LibraryReason.CODE_AS_BARCODE
            return Barcode(text) if is_item else LibraryReason.NOT_AN_ITEM
        if not is_item and symbology == "serial" and _GOODS.fullmatch(text):
            return LibraryReason.NOT_AN_ITEM
        if is_item:
            by_sight = symbology == "serial" or self._settings.square_items
            return Barcode(text) if by_sight else LibraryReason.ITEM_AS_CODE
        return None

    def handle(self, state: LibraryState, event: Event, facts: Facts) -> Step[LibraryState]:
        """One event in, one step out."""
        session, handling = state.session, state.handling
        match event:
            case Presented(credential):
                step = self._presented(state, credential, facts)
                return step.led_by(self._settings.schedule.warning(facts))
            case Barcode(item):
                return self._scanned(state, item, facts)
            case LibraryAnswered(about, Account() as account) if session is not None and session.id == about:
                return self._opened(state, session, account, facts)
            case LibrarySilent(about) if session is not None and session.id == about and not session.is_open:
                return self._opened_alone(state, session, facts)
            case LibraryAnswered(about, Done() as done) if handling is not None and handling.id == about:
                return self._done(state, handling, done, facts)
            case LibraryAnswered(about, NotDone(cause)) if handling is not None and handling.id == about:
                reason = REASON_OF_CAUSE[cause]
                agrees = judge([(LoanRule.LIBRARY, True, None), (LoanRule.LIBRARY_AGREES, False, reason)])
                return self._give_up(state, handling, reason, facts, agrees.trace)
            case LibrarySilent(about, perhaps) if handling is not None and handling.id == about:
                return self._alone(state, handling, facts, perhaps=perhaps)
            case Actuated(about, fault) if fault:
                return self._not_silenced(state, about, facts)
            case RecordedLate(about) | NotRecorded(about):
                return self._undo(state, about, facts)
            case TimerFired(name, about) if name == IDLE_TIMER and session is not None and session.id == about:
                return self._idle(state, session)
            case InputChanged(name, True) if name == self._settings.end_input and session is not None:
                return self._close(state, session) if handling is None else Step(state)
            case Restarted():
                return self._restarted(state, facts)
            case _:
                return super().handle(state, event, facts)

    # The session ----------------------------------------------------------------------------------------------------

    def _presented(self, state: LibraryState, credential: Credential, facts: Facts) -> Step[LibraryState]:
        verdict = judge(self._rules(state, credential, facts))
        if verdict.refusal is not None:
            return self.refuse(
                state, facts, verdict.refusal, credential.medium, credential.subject, trace=verdict.trace
            )
        session = Session(
            id=facts.new_id(),
            medium=credential.medium,
            subject_namespace=credential.subject.namespace,
            subject_id=credential.subject.id,
            provisional=credential.subject.provisional,
            patron=self._settings.patron_prefix + credential.subject.id.hex(),
        )
        record = Record(
            id=session.id,
            kind=Kind.DECISION,
            reason=LibraryReason.WELCOME,
            medium=session.medium,
            subject=session.subject,
            public={"source": credential.source, "assurance": int(credential.assurance)},
            marks=credential.marks,
            evidence=credential.evidence,
            trace=verdict.trace,
        )
        before = () if state.session is None else (self._ask_close(state.session),)
        effects = (
            record,
            *before,
            Show(LibraryReason.WELCOME.citizen, Tone.WAIT),
            AskLibrary(OpenPatron(session.patron), self._settings.ask_deadline_ms, session.id),
        )
        return Step(state.model_copy(update={"session": session, "latest": None}), effects)

    def _rules(self, state: LibraryState, credential: Credential, facts: Facts) -> Iterator[Asked]:
        settings = self._settings
        yield Rule.ASSURANCE, credential.assurance >= settings.least_assurance, Reason.ASSURANCE_TOO_LOW
        yield Rule.ADMISSION, settings.admit.admits(credential, facts), Reason.NOT_ENTITLED
        yield Rule.SCHEDULE, settings.schedule.is_open(facts.local_time), Reason.OUT_OF_HOURS
        yield from consent.rules(credential.subject, facts)
        yield Rule.LANE_FREE, state.handling is None, Reason.BUSY

    def _opened(self, state: LibraryState, session: Session, account: Account, facts: Facts) -> Step[LibraryState]:
        """The library knows the reader, or says why he may not borrow; the account is shown either way."""
        lends_nothing = account.block is not None and account.block is not Block.TOO_MANY
        mark = self._settings.offline.blocked(session.subject, is_blocked=lends_nothing, facts=facts)
        if account.block is not None and lends_nothing:
            reason = REASON_OF_BLOCK[account.block]
            record = self._about_session(session, reason, facts, (mark,))
            shown = Show(account_words(account, reason.citizen), Tone.NO)
            return Step(state.model_copy(update={"session": None}), (record, shown, self._ask_close(session)))
        charged = tuple(sorted(account.charged)[:MAX_LISTED])
        opened = session.model_copy(update={"is_open": True, "charged": charged, "is_full": account.block is not None})
        name = name_of(session.subject, facts)
        shown = Show(account_words(account, LibraryReason.SCAN.citizen), Tone.OK, name)
        records: tuple[Record, ...] = ()
        if is_blocked(session.subject, facts):
            records = (self._about_session(session, LibraryReason.UNBLOCKED, facts, (mark,)),)
        return Step(state.model_copy(update={"session": opened}), (*records, shown, self._watch(session)))

    def _opened_alone(self, state: LibraryState, session: Session, facts: Facts) -> Step[LibraryState]:
        """The library is away: whoever it blocked when it last spoke of him gets nothing."""
        if is_blocked(session.subject, facts):
            reason = OfflineLoanReason.OFFLINE_BLOCKED
            record = self._about_session(session, reason, facts)
            return Step(state.model_copy(update={"session": None}), (record, Show(reason.citizen, Tone.NO)))
        opened = session.model_copy(update={"is_open": True})
        shown = Show(LibraryReason.SCAN_OFFLINE.citizen, Tone.OK, name_of(session.subject, facts))
        return Step(state.model_copy(update={"session": opened}), (shown, self._watch(session)))

    def _about_session(
        self, session: Session, reason: ReasonEnum, facts: Facts, marks: tuple[Mark, ...] = ()
    ) -> Record:
        return Record(
            id=facts.new_id(),
            kind=Kind.OUTCOME,
            reason=reason,
            medium=session.medium,
            subject=session.subject,
            refers_to=session.id,
            marks=marks,
        )

    def _watch(self, session: Session) -> StartTimer:
        return StartTimer(IDLE_TIMER, self._settings.idle_ms, session.id)

    def _idle(self, state: LibraryState, session: Session) -> Step[LibraryState]:
        if state.handling is not None:
            return Step(state, (self._watch(session),))
        return self._close(state, session)

    def _close(self, state: LibraryState, session: Session) -> Step[LibraryState]:
        goodbye = Show(LibraryReason.GOODBYE.citizen, Tone.OK)
        return Step(state.model_copy(update={"session": None}), (goodbye, self._ask_close(session)))

    def _ask_close(self, session: Session) -> AskLibrary:
        return AskLibrary(ClosePatron(session.patron), self._settings.ask_deadline_ms, session.id)

    # An item --------------------------------------------------------------------------------------------------------

    def _scanned(self, state: LibraryState, item: str, facts: Facts) -> Step[LibraryState]:
        session = state.session
        if state.handling is not None or (session is not None and not session.is_open):
            return Step(state, (Show(Reason.BUSY.citizen, Tone.WAIT),))
        if session is None and not self._settings.returns:
            return self.refuse(state, facts, LibraryReason.CARD_FIRST)
        if session is not None and item in session.handled:
            return Step(state, (Show(LibraryReason.HANDLED.citizen, Tone.WAIT), self._watch(session)))
        minute = facts.now_ms // 60_000
        asked = state.asked + 1 if minute == state.minute else 1
        if asked > MAX_ASKED:
            return Step(state, (Show(Reason.BUSY.citizen, Tone.WAIT),))
        act = Act.CHECKIN if session is None else Act.RENEW if item in session.charged else Act.CHECKOUT
        if session is not None and session.is_full and act is Act.CHECKOUT:
            return self.refuse(state, facts, LibraryReason.PATRON_FULL, session.medium, session.subject)
        asked_id = facts.new_id()
        who = session.model_copy(update={"charged": (), "handled": ()}) if session else None
        handling = Handling(id=asked_id, act=act, item=item, session=who, at_ms=facts.now_ms)
        record = Record(
            id=asked_id,
            kind=Kind.LOAN_ASKED,
            reason=_ASKED[act],
            medium=session.medium if session else None,
            subject=session.subject if session else None,
            refers_to=session.id if session else None,
            public={"item": item},
        )
        demand = Handle(act, item, session.patron if session else None, facts.now_ms)
        effects: tuple[Effect, ...] = (
            record,
            Show(_ASKED[act].citizen, Tone.WAIT),
            AskLibrary(demand, self._settings.ask_deadline_ms, asked_id),
        )
        pace: dict[str, Any] = {"minute": minute, "asked": asked}
        return Step(state.model_copy(update={"handling": handling, "latest": None, **pace}), effects)

    def _done(self, state: LibraryState, handling: Handling, done: Done, facts: Facts) -> Step[LibraryState]:
        known = facts.mark(ITEM_SCOPE, handling.item.encode()) is not None
        marks = (forgotten(handling.item, facts),) if known else ()
        trace = judge([(LoanRule.LIBRARY, True, None), (LoanRule.LIBRARY_AGREES, True, None)]).trace
        reason = LibraryReason.SET_ASIDE if done.set_aside else _DONE[handling.act]
        return self._finish(state, handling, reason, done, facts, marks, trace)

    def _alone(self, state: LibraryState, handling: Handling, facts: Facts, *, perhaps: bool) -> Step[LibraryState]:
        """The library said nothing: the rules of an outage decide, and it is told, or asked, later."""
        offline, session = self._settings.offline, handling.session
        subject = session.subject if session else None
        verdict = judge(offline.rules(handling.act, handling.item, subject, facts))
        if verdict.refusal is not None:
            later = self._look(handling) if perhaps else ()
            return self._give_up(state, handling, verdict.refusal, facts, verdict.trace, later)
        lends = handling.act is Act.CHECKOUT
        due_ms = facts.now_ms + offline.days * DAY_MS if lends else None
        done = Done(due_ms, desensitise=lends, resensitise=not lends)
        reason = LibraryReason.LENT_OFFLINE if lends else LibraryReason.RETURNED_OFFLINE
        marks = offline.marks(handling.act, handling.item, subject, facts)
        step = self._finish(state, handling, reason, done, facts, marks, verdict.trace)
        later = (self._defer(handling, Mode.VERIFY if perhaps else Mode.SEND, done.due_ms),)
        return Step(step.state, (*step.effects, *later))

    def _finish(
        self,
        state: LibraryState,
        handling: Handling,
        reason: ReasonEnum,
        done: Done,
        facts: Facts,
        marks: tuple[Mark, ...],
        trace: bytes,
    ) -> Step[LibraryState]:
        record = self._about_item(handling, Kind.LOAN, reason, facts, marks, trace)
        said = done_words(handling.act, reason.citizen, done.due_ms, facts.local_time.tzinfo)
        effects: tuple[Effect, ...] = (record, Show(said, Tone.OK))
        if (output := self._tag_output(handling.act, done)) is not None:
            effects = (*effects, Actuate(output, self._settings.tag_ms, record.id))
        session = handling.session
        if session is not None and state.session is not None:
            session = state.session.model_copy(
                update={"handled": (*state.session.handled, handling.item)[-MAX_LISTED:]}
            )
            effects = (*effects, self._watch(session))
        latest = handling.model_copy(update={"record_id": record.id})
        return Step(state.model_copy(update={"session": session, "handling": None, "latest": latest}), effects)

    def _tag_output(self, act: Act, done: Done) -> str | None:
        """What is done with the item's tag, if anything."""
        match act:
            case Act.CHECKOUT if done.desensitise:
                return self._settings.desensitise_output
            case Act.CHECKIN if done.resensitise:
                return self._settings.resensitise_output
            case _:
                return None

    def _give_up(
        self,
        state: LibraryState,
        handling: Handling,
        reason: ReasonEnum,
        facts: Facts,
        trace: bytes = b"",
        later: tuple[Defer, ...] = (),
    ) -> Step[LibraryState]:
        """Nothing was done, and the citizen is told why."""
        record = self._about_item(handling, Kind.OUTCOME, reason, facts, (), trace)
        watch = () if state.session is None else (self._watch(state.session),)
        effects = (record, Show(reason.citizen, Tone.NO), *later, *watch)
        return Step(state.model_copy(update={"handling": None}), effects)

    def _about_item(
        self,
        handling: Handling,
        kind: Kind,
        reason: ReasonEnum,
        facts: Facts,
        marks: tuple[Mark, ...] = (),
        trace: bytes = b"",
    ) -> Record:
        session = handling.session
        return Record(
            id=facts.new_id(),
            kind=kind,
            reason=reason,
            medium=session.medium if session else None,
            subject=session.subject if session else None,
            refers_to=handling.about,
            public={"item": handling.item, "asked": handling.id.hex()},
            marks=marks,
            trace=trace,
        )

    def _look(self, handling: Handling) -> tuple[Defer, ...]:
        """A renewal harms nobody, and what the library has shows nothing of it."""
        return () if handling.act is Act.RENEW else (self._defer(handling, Mode.LOOK),)

    def _defer(self, handling: Handling, mode: Mode, due_ms: int | None = None) -> Defer:
        patron = handling.session.patron if handling.session else None
        return Defer(handling.id, handling.act, mode, handling.item, patron, handling.at_ms, due_ms)

    # What went wrong ------------------------------------------------------------------------------------------------

    def _not_silenced(self, state: LibraryState, about: bytes, facts: Facts) -> Step[LibraryState]:
        """What was done stands; the tag would ring at the door, or never again."""
        latest = state.latest
        if latest is None or latest.record_id != about:
            return Step(state)
        lent = latest.act is Act.CHECKOUT
        reason = LibraryReason.NOT_DESENSITISED if lent else LibraryReason.NOT_RESENSITISED
        record = self._about_item(latest, Kind.OUTCOME, reason, facts)
        return Step(state, (record, Show(reason.citizen, Tone.NO)))

    def _undo(self, state: LibraryState, about: bytes, facts: Facts) -> Step[LibraryState]:
        """The citizen was told that nothing happened: what has happened all the same is withdrawn, or looked up."""
        if state.handling is not None and about in (state.handling.id, state.handling.about):
            # Late before the question: it was not asked. Late after it: the library may have done it.
            return self._unknown(state, state.handling, LibraryReason.NOT_RECORDED, facts)
        latest = state.latest
        if latest is not None and latest.about == about:
            record = self._about_item(latest, Kind.OUTCOME, LibraryReason.NOT_RECORDED, facts)
            renamed = latest.model_copy(update={"id": record.id})
            lends = latest.act is Act.CHECKOUT
            later = (self._defer(renamed, Mode.WITHDRAW),) if lends else self._look(renamed)
            return Step(state.model_copy(update={"latest": None}), (record, *later))
        if state.session is not None and state.session.id == about:
            return Step(state.model_copy(update={"session": None}))
        return Step(state)

    def _unknown(self, state: LibraryState, handling: Handling, reason: ReasonEnum, facts: Facts) -> Step[LibraryState]:
        record = self._about_item(handling, Kind.OUTCOME, reason, facts)
        return Step(state.model_copy(update={"handling": None}), (record, *self._look(handling)))

    def _restarted(self, state: LibraryState, facts: Facts) -> Step[LibraryState]:
        """Whoever was here begins anew; what was asked of the library and not answered is looked up."""
        ended = self.end_window(state, facts)
        fresh = ended.state.model_copy(update={"session": None, "latest": None})
        if fresh.handling is None:
            return Step(fresh, ended.effects)
        step = self._unknown(fresh, fresh.handling, Reason.OUTCOME_UNKNOWN, facts)
        return Step(step.state, (*step.effects, *ended.effects))
