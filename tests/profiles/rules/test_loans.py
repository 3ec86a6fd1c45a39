"""What is lent in an outage, by the rule alone: as many, to whom and which the settings say, and each item once."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from profiles.api import Subject
from profiles.loans import Act
from profiles.person import Person
from profiles.reasons import ReasonEnum
from profiles.rules.loans import DAY_MS, OfflineLoanReason, OfflineLoans, forgotten
from profiles.trace import judge
from tests.profiles.facts import HeldFacts

LI, WANG = Subject("city", b"L" * 16), Subject("city", b"W" * 16)
STRANGER = Subject("provisional", b"S" * 16, provisional=True)
ITEMS = ("310001", "310002", "310003", "310004", "990001")
"""The last one is of a kind that is not lent."""
ACTS = st.tuples(
    st.sampled_from([Act.CHECKOUT, Act.CHECKOUT, Act.CHECKIN, Act.RENEW]),
    st.sampled_from(ITEMS),
    st.sampled_from([LI, WANG, STRANGER]),
)


def refusal(bounds: OfflineLoans, act: Act, item: str, who: Subject | None, facts: HeldFacts) -> ReasonEnum | None:
    return judge(bounds.rules(act, item, None if act is Act.CHECKIN else who, facts)).refusal


@given(st.lists(ACTS, max_size=30), st.integers(0, 3), st.integers(0, 2), st.integers(0, 6))
def test_no_outage_lends_more_than_the_settings_say_nor_one_item_twice(
    script: list[tuple[Act, str, Subject]], per_person: int, per_provisional: int, per_terminal: int
) -> None:
    bounds = OfflineLoans(
        per_person=per_person,
        per_provisional=per_provisional,
        per_terminal=per_terminal,
        refused_prefixes=("99",),
    )
    facts, lent, where, done = HeldFacts(), Counter[Subject](), dict[str, Act](), 0
    for act, item, who in script:
        of_person = per_provisional if who.provisional else per_person
        match act:
            case Act.RENEW:
                may = False
            case Act.CHECKIN:
                may = where.get(item) is not Act.CHECKIN and done < per_terminal
            case _:
                is_here = where.get(item) is not Act.CHECKOUT and not item.startswith("99")
                may = is_here and lent[who] < of_person and done < per_terminal
        assert (refusal(bounds, act, item, who, facts) is None) is may
        if may:
            facts.put(*bounds.marks(act, item, None if act is Act.CHECKIN else who, facts))
            where[item], done = act, done + 1
            lent[who] += act is Act.CHECKOUT


@given(st.integers(1, 60), st.integers(0, 61 * 24))
def test_what_was_lent_counts_until_the_window_ends_behind_the_latest_loan(window_days: int, hours: int) -> None:
    bounds, facts = OfflineLoans(per_person=1, window_days=window_days), HeldFacts()
    facts.put(*bounds.marks(Act.CHECKOUT, "310001", LI, facts))
    facts.now_ms += hours * 3_600_000
    counts = hours * 3_600_000 < window_days * DAY_MS
    assert refusal(bounds, Act.CHECKOUT, "310002", LI, facts) is (OfflineLoanReason.OFFLINE_ENOUGH if counts else None)


@given(st.lists(st.booleans(), min_size=1, max_size=10), st.integers(0, 365))
def test_what_the_library_said_last_of_a_reader_holds_and_for_so_long(words: list[bool], blocked_days: int) -> None:
    bounds, facts = OfflineLoans(blocked_days=blocked_days), HeldFacts()
    for is_blocked in words:
        facts.put(bounds.blocked(LI, is_blocked=is_blocked, facts=facts))
    expected = OfflineLoanReason.OFFLINE_BLOCKED if words[-1] and blocked_days else None
    assert refusal(bounds, Act.CHECKOUT, "310001", LI, facts) is expected
    assert refusal(bounds, Act.CHECKOUT, "310001", WANG, facts) is None
    facts.now_ms += blocked_days * DAY_MS
    assert refusal(bounds, Act.CHECKOUT, "310001", LI, facts) is None


@given(st.sampled_from(["child", "adult", ""]), st.frozensets(st.sampled_from(["child", "adult"])))
def test_categories_that_do_not_borrow_offline_are_refused_and_no_other(category: str, refused: frozenset[str]) -> None:
    bounds, facts = OfflineLoans(refused_categories=refused), HeldFacts()
    facts.people[LI] = Person(category=category)
    expected = OfflineLoanReason.OFFLINE_CATEGORY if category in refused else None
    assert refusal(bounds, Act.CHECKOUT, "310001", LI, facts) is expected


def test_an_item_of_which_the_library_has_spoken_since_may_be_lent_again() -> None:
    bounds, facts = OfflineLoans(), HeldFacts()
    facts.put(*bounds.marks(Act.CHECKOUT, "310001", LI, facts))
    assert refusal(bounds, Act.CHECKOUT, "310001", WANG, facts) is OfflineLoanReason.OFFLINE_ITEM_OUT
    facts.put(forgotten("310001", facts))
    assert refusal(bounds, Act.CHECKOUT, "310001", WANG, facts) is None


def test_returns_are_taken_only_where_the_settings_say_so() -> None:
    facts = HeldFacts()
    assert refusal(OfflineLoans(), Act.CHECKIN, "310001", None, facts) is None
    assert refusal(OfflineLoans(returns=False), Act.CHECKIN, "310001", None, facts) is OfflineLoanReason.OFFLINE_RETURN
