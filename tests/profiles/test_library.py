"""A library's lane handed events: who borrows what, what is told when the library is away, and that nothing is lost."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.api import (
    Actuate,
    Actuated,
    Assurance,
    Credential,
    Effect,
    Event,
    InputChanged,
    Kind,
    Mark,
    Presented,
    Reason,
    Record,
    RecordedLate,
    Restarted,
    Show,
    StartTimer,
    Subject,
    TimerFired,
    Tone,
)
from profiles.barcodes import Barcode
from profiles.library import IDLE_TIMER, MAX_ASKED, Library
from profiles.library_reasons import REASON_OF_BLOCK, REASON_OF_CAUSE, LibraryReason
from profiles.library_state import LibrarySettings, LibraryState, Session
from profiles.loans import (
    Account,
    Act,
    AskLibrary,
    Block,
    Cause,
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
from profiles.rules.loans import DAY_MS, LoanRule
from profiles.trace import read_trace
from tests.profiles.facts import NOON_MS, HeldFacts

LI, WANG = b"l" * 16, b"w" * 16
BOOK, OTHER = "310000000001", "310000000002"
SETTINGS = {"admit": {"everyone": True}, "items": {"prefixes": ["31"], "min_chars": 12, "max_chars": 12}}


class Lane:
    """A library's lane with its facts, its journal, and what it asked, as the agent runs it."""

    def __init__(self, **changes: Any) -> None:
        self.library = Library(LibrarySettings.model_validate(SETTINGS | changes))
        self.state = self.library.idle()
        self.facts = HeldFacts()
        self.journal: list[Record] = []
        self.effects: list[Effect] = []

    def tell(self, event: Event) -> None:
        step = self.library.handle(self.state, event, self.facts)
        self.state = LibraryState.model_validate(cbor2.loads(cbor2.dumps(step.state.model_dump())))
        assert self.state == step.state, "the state does not survive the disk"
        self.facts.keep(step.effects)
        self.journal += [effect for effect in step.effects if isinstance(effect, Record)]
        self.effects += step.effects

    def all(self, kind: type[Any]) -> list[Any]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def shown(self) -> Show:
        show = self.all(Show)[-1]
        assert isinstance(show, Show)
        return show

    def reason(self) -> ReasonEnum:
        """Of the last record."""
        return self.journal[-1].reason

    def session_id(self) -> bytes:
        return self.state.session.id if self.state.session else b""

    def session(self) -> Session | None:
        """Who is logged in."""
        return self.state.session

    @property
    def asked(self) -> AskLibrary:
        ask = self.all(AskLibrary)[-1]
        assert isinstance(ask, AskLibrary)
        return ask

    def present(self, who: bytes = LI, **changes: Any) -> None:
        fields: dict[str, Any] = {"medium": who, "subject": Subject("city", who), "source": "social-security"}
        self.tell(Presented(Credential(**fields | {"assurance": Assurance.READ} | changes)))

    def log_in(self, who: bytes = LI, *charged: str, **account: Any) -> None:
        """Somebody presents a card while the library is there."""
        self.present(who)
        fields: dict[str, Any] = {"charged": frozenset(charged), "charged_count": len(charged), "overdue_count": 0}
        self.answer(Account(**fields | {"fine_fen": 0, "block": None} | account))

    def log_in_alone(self, who: bytes = LI, **changes: Any) -> None:
        """Somebody presents a card while it is away."""
        self.present(who, **changes)
        self.silence()

    def answer(self, answer: Account | Done | NotDone) -> None:
        self.tell(LibraryAnswered(self.asked.about, answer))

    def silence(self, *, perhaps: bool = False) -> None:
        self.tell(LibrarySilent(self.asked.about, perhaps))

    def scan(self, item: str = BOOK) -> None:
        self.tell(Barcode(item))

    def alone(self, item: str, *, perhaps: bool = False) -> None:
        """An item is scanned while the library is away."""
        self.scan(item)
        self.silence(perhaps=perhaps)

    def kinds(self) -> list[tuple[Kind, str]]:
        return [(record.kind, record.reason.code) for record in self.journal]


def test_a_loan_is_asked_for_recorded_and_only_then_silenced_and_said() -> None:
    lane = Lane(desensitise_output="tag")
    lane.present(evidence=b"code", marks=(Mark("replay", b"k", 1, 2**50),))
    (session,) = lane.journal
    assert (session.kind, session.reason, session.evidence) == (Kind.DECISION, LibraryReason.WELCOME, b"code")
    assert lane.asked.demand == OpenPatron(LI.hex())
    lane.answer(Account(frozenset(), 2, 1, 250, None))
    assert lane.shown.sentence.en == "2 on loan, 1 overdue, 2.50 yuan to pay. Please scan the item"
    lane.scan()
    asked = lane.journal[-1]
    assert (asked.kind, asked.public, asked.refers_to) == (Kind.LOAN_ASKED, {"item": BOOK}, session.id)
    assert lane.asked == AskLibrary(Handle(Act.CHECKOUT, BOOK, LI.hex(), NOON_MS), 3_000, asked.id)
    assert not lane.all(Actuate), "nothing is silenced before the library has agreed"
    lane.answer(Done(NOON_MS + 30 * DAY_MS, desensitise=True))
    loan = lane.journal[-1]
    assert (loan.kind, loan.reason, loan.refers_to) == (Kind.LOAN, LibraryReason.LENT, session.id)
    assert (loan.medium, loan.subject, loan.public["asked"]) == (LI, Subject("city", LI), asked.id.hex())
    assert lane.all(Actuate) == [Actuate("tag", 500, loan.id)]
    assert lane.effects.index(loan) < lane.effects.index(lane.all(Actuate)[0])
    assert lane.shown.sentence.en == "Borrowed; please bring it back by 2026-12-23"
    assert lane.all(Defer) == []


def test_the_evidence_and_names_of_nobody_reach_the_state() -> None:
    lane = Lane()
    lane.present(evidence=b"secret-code")
    assert b"secret-code" not in cbor2.dumps(lane.state.model_dump())


def test_an_item_that_the_reader_had_before_is_renewed_and_one_of_this_session_is_left_alone() -> None:
    lane = Lane()
    lane.log_in(LI, BOOK)
    lane.scan(BOOK)
    assert isinstance(lane.asked.demand, Handle)
    assert lane.asked.demand.act is Act.RENEW
    lane.answer(Done(NOON_MS + DAY_MS))
    assert lane.kinds()[-1] == (Kind.LOAN, "renewed")
    lane.scan(OTHER)
    lane.answer(Done())
    before = len(lane.journal)
    for item in (BOOK, OTHER):
        lane.scan(item)
        assert lane.shown.sentence == LibraryReason.HANDLED.citizen
    assert len(lane.journal) == before


def test_an_item_that_is_scanned_while_nobody_is_there_is_returned() -> None:
    lane = Lane()
    lane.scan()
    assert lane.asked.demand == Handle(Act.CHECKIN, BOOK, None, NOON_MS)
    lane.answer(Done(set_aside=True))
    assert lane.kinds() == [(Kind.LOAN_ASKED, "return-asked"), (Kind.LOAN, "returned-set-aside")]
    assert lane.journal[-1].subject is None
    closed = Lane(returns=False)
    closed.scan()
    assert closed.kinds() == [(Kind.DECISION, "library-card-first")]


@pytest.mark.parametrize("cause", Cause)
def test_what_the_library_refuses_is_said_in_plain_words_and_the_lane_goes_on(cause: Cause) -> None:
    lane = Lane()
    lane.log_in()
    lane.scan()
    lane.answer(NotDone(cause))
    reason = REASON_OF_CAUSE[cause]
    assert lane.kinds()[-1] == (Kind.OUTCOME, reason.code)
    assert (lane.shown.sentence, lane.shown.tone) == (reason.citizen, Tone.NO)
    assert [said.rule for said in read_trace(lane.journal[-1].trace, LoanRule)] == [
        LoanRule.LIBRARY,
        LoanRule.LIBRARY_AGREES,
    ]
    lane.scan(OTHER)
    lane.answer(Done())
    assert lane.kinds()[-1] == (Kind.LOAN, "lent")


@pytest.mark.parametrize("block", Block)
def test_a_reader_who_may_not_borrow_hears_why_and_one_who_has_enough_may_still_renew(block: Block) -> None:
    lane = Lane()
    lane.log_in(LI, OTHER, block=block, fine_fen=1250)
    if block is Block.TOO_MANY:
        lane.scan(BOOK)
        assert lane.kinds()[-1] == (Kind.DECISION, "patron-full")
        lane.scan(OTHER)
        assert lane.kinds()[-1] == (Kind.LOAN_ASKED, "renewal-asked")
        return
    assert lane.session() is None
    assert lane.kinds()[-1] == (Kind.OUTCOME, REASON_OF_BLOCK[block].code)
    assert lane.shown.sentence.en.startswith("1 on loan, 12.50 yuan to pay. ")
    assert lane.asked.demand == ClosePatron(LI.hex())


def test_a_session_ends_by_itself_by_the_button_and_with_the_next_reader() -> None:
    lane = Lane(end_input="end")
    lane.log_in()
    session = lane.session()
    assert session is not None
    assert StartTimer(IDLE_TIMER, 60_000, session.id) in lane.effects
    lane.tell(TimerFired(IDLE_TIMER, b"of another session"))
    assert lane.session() is not None
    lane.scan()
    lane.tell(TimerFired(IDLE_TIMER, session.id))
    assert lane.session() is not None, "an item is being handled"
    lane.answer(Done())
    lane.tell(TimerFired(IDLE_TIMER, session.id))
    assert lane.session() is None
    assert lane.asked.demand == ClosePatron(LI.hex())
    lane.log_in()
    lane.tell(InputChanged("end", True))
    assert lane.session() is None
    lane.log_in(LI)
    lane.present(WANG)
    assert [ask.demand for ask in lane.all(AskLibrary)[-2:]] == [ClosePatron(LI.hex()), OpenPatron(WANG.hex())]


def test_nobody_is_served_twice_at_once() -> None:
    lane = Lane()
    lane.present()
    lane.scan()
    assert lane.shown.sentence == Reason.BUSY.citizen, "the library has not answered about the reader yet"
    lane.answer(Account(frozenset(), 0, 0, None, None))
    lane.scan()
    lane.scan(OTHER)
    assert lane.shown.sentence == Reason.BUSY.citizen
    lane.present(WANG)
    assert lane.kinds()[-1] == (Kind.DECISION, "busy")
    assert lane.state.session is not None
    assert lane.state.session.medium == LI


def test_a_scanner_that_rattles_writes_no_more_than_hands_could() -> None:
    lane = Lane()
    for number in range(2 * MAX_ASKED):
        lane.scan(f"31{number:010d}")
        if lane.state.handling is not None:
            lane.answer(NotDone(Cause.ITEM_UNKNOWN))
    assert len(lane.journal) == 2 * MAX_ASKED
    assert lane.shown.sentence == Reason.BUSY.citizen
    lane.facts.now_ms += 60_000
    lane.scan()
    assert lane.kinds()[-1] == (Kind.LOAN_ASKED, "return-asked")


def test_a_tag_that_was_not_silenced_is_said_and_the_loan_stands() -> None:
    lane = Lane(desensitise_output="tag")
    lane.log_in()
    lane.scan()
    lane.answer(Done(desensitise=True))
    loan = lane.journal[-1]
    lane.tell(Actuated(b"another", "unplugged"))
    lane.tell(Actuated(loan.id, "unplugged"))
    assert lane.kinds()[-2:] == [(Kind.LOAN, "lent"), (Kind.OUTCOME, "not-desensitised")]
    assert lane.shown.tone is Tone.NO
    quiet = Lane(desensitise_output="tag")
    quiet.log_in()
    quiet.scan()
    quiet.answer(Done(desensitise=False))
    assert quiet.all(Actuate) == [], "the library says that this one has no such tag"


def test_a_returned_item_gets_its_tag_back_and_an_output_that_fails_sends_it_to_the_desk() -> None:
    lane = Lane(resensitise_output="wake")
    lane.scan()
    lane.answer(Done(resensitise=True))
    back = lane.journal[-1]
    assert lane.all(Actuate) == [Actuate("wake", 500, back.id)]
    lane.tell(Actuated(back.id, "silent"))
    assert lane.kinds()[-1] == (Kind.OUTCOME, "not-resensitised")
    lane.alone(OTHER)
    assert len(lane.all(Actuate)) == 2, "offline the tag comes back too"
    lane.scan("310000000003")
    lane.answer(Done())
    assert len(lane.all(Actuate)) == 2, "the library says that this one has no such tag"


def test_a_loan_whose_record_came_too_late_is_withdrawn_and_a_return_is_looked_at() -> None:
    lane = Lane()
    lane.log_in()
    lane.scan()
    lane.answer(Done())
    lane.tell(RecordedLate(lane.journal[-1].refers_to or b""))
    outcome = lane.journal[-1]
    assert (outcome.kind, outcome.reason) == (Kind.OUTCOME, LibraryReason.NOT_RECORDED)
    assert [(defer.id, defer.mode, defer.act) for defer in lane.all(Defer)] == [
        (outcome.id, Mode.WITHDRAW, Act.CHECKOUT)
    ]
    back = Lane()
    back.scan()
    back.answer(Done())
    back.tell(RecordedLate(back.journal[-1].refers_to or b""))
    assert [(defer.mode, defer.act) for defer in back.all(Defer)] == [(Mode.LOOK, Act.CHECKIN)]


@pytest.mark.parametrize("event", [RecordedLate, NotRecorded])
def test_what_was_asked_and_could_not_be_recorded_is_looked_up(event: Any) -> None:
    lane = Lane()
    lane.log_in()
    lane.scan()
    lane.tell(event(lane.asked.about))
    assert lane.kinds()[-1] == (Kind.OUTCOME, "loan-not-recorded")
    assert [(defer.mode, defer.item) for defer in lane.all(Defer)] == [(Mode.LOOK, BOOK)]
    lane.answer(Done())
    assert lane.kinds()[-1] == (Kind.OUTCOME, "loan-not-recorded"), "an answer that comes now is nobody's"


def test_a_session_whose_record_came_too_late_has_not_begun() -> None:
    lane = Lane()
    lane.present()
    lane.tell(RecordedLate(lane.journal[-1].id))
    assert lane.session() is None


def test_after_a_restart_nobody_is_logged_in_and_what_was_asked_is_looked_up() -> None:
    lane = Lane()
    lane.log_in()
    lane.scan()
    asked = lane.asked
    lane.tell(Restarted())
    assert lane.session() is None
    assert lane.kinds()[-1] == (Kind.OUTCOME, "outcome-unknown")
    assert lane.all(Defer) == [Defer(asked.about, Act.CHECKOUT, Mode.LOOK, BOOK, LI.hex(), NOON_MS)]
    lane.tell(LibraryAnswered(asked.about, Done()))
    assert lane.kinds()[-1] == (Kind.OUTCOME, "outcome-unknown")


@pytest.mark.parametrize(
    ("text", "symbology", "expected"),
    [
        (BOOK, "code-128", Barcode(BOOK)),
        (BOOK, "serial", Barcode(BOOK)),
        (BOOK, "qr", LibraryReason.ITEM_AS_CODE),
        ("EC1:ABC", "code-128", LibraryReason.CODE_AS_BARCODE),
        ("9787020002207", "ean-13", LibraryReason.NOT_AN_ITEM),
        ("9787020002207", "serial", LibraryReason.NOT_AN_ITEM),
        ("97870200022", "serial", None),
        ("EC1:ABC", "qr", None),
        ("EC1:ABC", "serial", None),
        ("31000000000|", "code-128", LibraryReason.NOT_AN_ITEM),
        ("31000000000\r", "serial", None),
        ("３１００００００００01", "serial", None),
        ("310000000001234", "serial", None),
        ("", "code-39", LibraryReason.NOT_AN_ITEM),
    ],
)
def test_barcodes_of_items_and_codes_of_people_are_told_apart(text: str, symbology: str, expected: object) -> None:
    assert Lane().library.barcode(text, symbology) == expected


def test_items_may_bear_square_codes_where_the_settings_say_so() -> None:
    assert Lane(square_items=True).library.barcode(BOOK, "qr") == Barcode(BOOK)


_EVENTS = st.sampled_from(["log in", "away", "scan", "scan", "yes", "no", "silence", "perhaps", "late", "lost",
                           "idle", "restart"])  # fmt: skip


@given(st.lists(st.tuples(_EVENTS, st.sampled_from([BOOK, OTHER]), st.sampled_from([LI, WANG])), max_size=40))
@settings(max_examples=150, deadline=None)
def test_whatever_happens_each_asking_has_one_end_and_what_was_told_reaches_the_library(
    script: list[tuple[str, str, bytes]],
) -> None:
    lane = Lane()
    for what, item, who in script:
        match what:
            case "log in" if lane.state.handling is None:
                lane.log_in(who)
            case "away" if lane.state.handling is None:
                lane.log_in_alone(who)
            case "scan":
                lane.scan(item)
            case "yes" if lane.state.handling is not None:
                lane.answer(Done())
            case "no" if lane.state.handling is not None:
                lane.answer(NotDone(Cause.OTHER))
            case "silence" | "perhaps" if lane.state.handling is not None:
                lane.silence(perhaps=what == "perhaps")
            case "late" if lane.journal and lane.journal[-1].kind in (Kind.LOAN, Kind.LOAN_ASKED):
                lane.tell(RecordedLate(lane.journal[-1].refers_to or lane.journal[-1].id))
            case "lost" if lane.state.handling is not None:
                lane.tell(NotRecorded(lane.asked.about))
            case "idle" if lane.session() is not None:
                lane.tell(TimerFired(IDLE_TIMER, lane.session_id()))
            case "restart":
                lane.tell(Restarted())
    if lane.state.handling is not None:
        lane.tell(Restarted())
    asked = [record.id.hex() for record in lane.journal if record.kind is Kind.LOAN_ASKED]
    ends = [str(record.public.get("asked")) for record in lane.journal if "asked" in record.public]
    loans = [record for record in lane.journal if record.kind is Kind.LOAN]
    undone = [record for record in lane.journal if record.reason is LibraryReason.NOT_RECORDED]
    assert set(ends) == set(asked), "an asking without an end, or an end without an asking"
    assert len({str(loan.public["asked"]) for loan in loans}) == len(loans), "one asking, two loans"
    assert len(ends) <= len(asked) + len(undone), "an end that nobody asked for"
    deferred: list[Defer] = lane.all(Defer)
    assert len({defer.id for defer in deferred}) == len(deferred), "two rows of one id: one would be lost"
    told = {str(loan.public["asked"]) for loan in loans if loan.reason.code.endswith("-offline")}
    kept = {defer.id.hex() for defer in deferred if defer.mode in (Mode.SEND, Mode.VERIFY)}
    assert told == kept, "what was done offline, and nothing else, is kept for the library"
