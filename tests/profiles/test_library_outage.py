"""The library's reducer while the library's system is away, and what is told to it later."""

from __future__ import annotations

from profiles.api import (
    InputChanged,
    Kind,
    Subject,
    TimerFired,
)
from profiles.library import IDLE_TIMER
from profiles.library_reasons import LibraryReason
from profiles.loans import (
    Act,
    Block,
    Defer,
    Done,
    Mode,
)
from profiles.person import Person
from profiles.rules.loans import DAY_MS, OfflineLoanReason
from tests.profiles.facts import NOON_MS
from tests.profiles.test_library import BOOK, LI, OTHER, WANG, Lane


def test_while_the_library_is_away_loans_and_returns_are_recorded_and_kept_for_it_with_their_dates() -> None:
    lane = Lane()
    lane.log_in_alone()
    assert lane.shown.sentence == LibraryReason.SCAN_OFFLINE.citizen
    lane.alone(BOOK)
    assert lane.kinds()[-1] == (Kind.LOAN, "lent-offline")
    assert lane.shown.sentence.en == "Borrowed; please bring it back by 2026-12-23"
    lane.tell(InputChanged("end", True))  # no such button here: nothing happens
    lane.tell(TimerFired(IDLE_TIMER, lane.session_id()))
    lane.facts.now_ms += 1_000
    lane.alone(OTHER)
    asked = [record.id for record in lane.journal if record.kind is Kind.LOAN_ASKED]
    assert lane.all(Defer) == [
        Defer(asked[0], Act.CHECKOUT, Mode.SEND, BOOK, LI.hex(), NOON_MS, NOON_MS + 30 * DAY_MS),
        Defer(asked[1], Act.CHECKIN, Mode.SEND, OTHER, None, NOON_MS + 1_000, None),
    ]


def test_what_may_have_reached_the_library_is_looked_up_before_it_is_told() -> None:
    lane = Lane(offline={"per_person": 1})
    lane.log_in()
    lane.alone(BOOK, perhaps=True)
    lane.alone(OTHER, perhaps=True)
    assert [(defer.mode, defer.item) for defer in lane.all(Defer)] == [(Mode.VERIFY, BOOK), (Mode.LOOK, OTHER)]
    assert lane.kinds()[-1] == (Kind.OUTCOME, "loan-offline-enough")


def test_the_rules_of_an_outage_each_refuse_with_their_own_reason() -> None:
    lane = Lane(offline={"per_person": 2, "per_provisional": 1, "per_terminal": 4, "refused_prefixes": ["3199"],
                         "refused_categories": ["visitor"]})  # fmt: skip
    reasons = OfflineLoanReason
    lane.log_in_alone()
    lane.alone("319900000001")
    assert lane.reason() is reasons.OFFLINE_ITEM_KIND
    lane.alone("310000000001")
    lane.alone("310000000002")
    lane.alone("310000000003")
    assert lane.reason() is reasons.OFFLINE_ENOUGH
    lane.log_in_alone(WANG)
    lane.alone("310000000001")
    assert lane.reason() is reasons.OFFLINE_ITEM_OUT
    lane.log_in_alone(b"p" * 16, subject=Subject("city", b"p" * 16, provisional=True))
    lane.alone("310000000004")
    lane.alone("310000000005")
    assert lane.reason() is reasons.OFFLINE_ENOUGH
    lane.facts.people[Subject("city", b"v" * 16)] = Person(category="visitor")
    lane.log_in_alone(b"v" * 16)
    lane.alone("310000000006")
    assert lane.reason() is reasons.OFFLINE_CATEGORY
    lane.log_in_alone(WANG)
    lane.alone("310000000007")
    lane.alone("310000000008")
    assert lane.reason() is reasons.OFFLINE_FULL
    lane.facts.now_ms += 8 * DAY_MS
    lane.alone("310000000008")
    assert lane.reason() is LibraryReason.LENT_OFFLINE, "the counts end"


def test_an_item_is_returned_once_in_an_outage_and_can_be_lent_again_after_it() -> None:
    lane = Lane()
    lane.alone(BOOK)
    lane.alone(BOOK)
    assert [reason for _, reason in lane.kinds()[1::2]] == ["returned-offline", "loan-offline-in"]
    lane.log_in_alone()
    lane.alone(BOOK)
    assert lane.kinds()[-1] == (Kind.LOAN, "lent-offline")
    assert [defer.act for defer in lane.all(Defer)] == [Act.CHECKIN, Act.CHECKOUT]


def test_nothing_is_renewed_in_an_outage_and_returns_only_where_the_settings_say_so() -> None:
    lane = Lane(offline={"returns": False})
    lane.log_in(LI, BOOK)
    lane.alone(BOOK, perhaps=True)
    assert lane.kinds()[-1] == (Kind.OUTCOME, "renewal-offline")
    lane.tell(TimerFired(IDLE_TIMER, lane.journal[0].id))
    lane.alone(OTHER)
    assert lane.kinds()[-1] == (Kind.OUTCOME, "return-offline")
    assert lane.all(Defer) == []


def test_a_reader_whom_the_library_blocked_borrows_nothing_in_an_outage_until_it_says_otherwise() -> None:
    lane = Lane()
    lane.log_in(LI, block=Block.FINES)
    lane.log_in_alone()
    assert lane.kinds()[-1] == (Kind.OUTCOME, "loan-offline-blocked")
    assert lane.session() is None
    lane.log_in()
    assert lane.kinds()[-1] == (Kind.OUTCOME, "patron-unblocked")
    lane.log_in_alone()
    assert lane.session() is not None
    forgetful = Lane(offline={"blocked_days": 0})
    forgetful.log_in(LI, block=Block.FINES)
    forgetful.log_in_alone()
    assert forgetful.session() is not None


def test_what_the_library_says_later_of_an_item_ends_what_the_outage_remembered() -> None:
    lane = Lane()
    lane.alone(BOOK)
    lane.log_in()
    lane.scan(BOOK)
    lane.answer(Done())
    lane.tell(TimerFired(IDLE_TIMER, lane.session_id()))
    lane.alone(BOOK)
    assert lane.kinds()[-1] == (Kind.LOAN, "returned-offline")
