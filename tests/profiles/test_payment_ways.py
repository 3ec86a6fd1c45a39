"""Every way of an intent at a terminal: of each state of a till, what each event records, and where it leads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from profiles.api import AmountEntered, Event, Kind, RecordedLate, Restarted
from profiles.questions import Answered, AnsweredLate, Authorised, Confirmed, Declined, NotRecorded, Unanswered
from tests.profiles.test_till import LI, WANG, Lane

AMOUNT = 1_000
ASKED, PAYMENT, REVERSAL, RELEASE, REFUSED = Kind.ASKED, Kind.PAYMENT, Kind.REVERSAL, Kind.RELEASE, Kind.DECISION
EVENTS: dict[str, Callable[[bytes, Authorised], Event]] = {
    "a yes": Answered,
    "a no": lambda about, _: Answered(about, Declined("insufficient-funds")),
    "a yes to another": lambda about, yes: Answered(about, Authorised(b"?" * 16, yes.amount_fen)),
    "silence": lambda about, _: Unanswered(about),
    "a late yes": AnsweredLate,
    "the disk was late": lambda about, _: RecordedLate(about),
    "the disk failed": lambda about, _: NotRecorded(about),
    "the disk was in time": lambda about, _: Confirmed(about),
    "a restart": lambda *_: Restarted(),
}
"""``a yes`` and the others are about the last intent; a till that is idle has had one and given it up."""

Way = tuple[Kind | None, str]
WAYS: dict[str, dict[str, Way]] = {
    "idle": {
        "a card": (ASKED, "asking"),
        "a yes": (RELEASE, "idle"),
        "a no": (None, "idle"),
        "a yes to another": (RELEASE, "idle"),
        "silence": (None, "idle"),
        "a late yes": (RELEASE, "idle"),
        "the disk was late": (None, "idle"),
        "the disk failed": (None, "idle"),
        "the disk was in time": (None, "idle"),
        "a restart": (None, "idle"),
    },
    "asking": {
        "a card": (REFUSED, "asking"),
        "a yes": (PAYMENT, "paid"),
        "a no": (REVERSAL, "idle"),
        "a yes to another": (PAYMENT, "paid"),  # it is no answer, and the ceilings hold
        "silence": (PAYMENT, "paid"),
        "a late yes": (RELEASE, "asking"),
        "the disk was late": (REVERSAL, "idle"),
        "the disk failed": (REVERSAL, "idle"),
        "the disk was in time": (None, "asking"),
        "a restart": (REVERSAL, "idle"),
    },
    "asking too much": {
        "a card": (REFUSED, "asking"),
        "a yes": (PAYMENT, "paid"),
        "a no": (REVERSAL, "idle"),
        "a yes to another": (REVERSAL, "idle"),
        "silence": (REVERSAL, "idle"),
        "a late yes": (RELEASE, "asking"),
        "the disk was late": (REVERSAL, "idle"),
        "the disk failed": (REVERSAL, "idle"),
        "the disk was in time": (None, "asking"),
        "a restart": (REVERSAL, "idle"),
    },
    "paid": {
        "a card": (ASKED, "asking"),
        "a yes": (RELEASE, "paid"),
        "a no": (None, "paid"),
        "a yes to another": (RELEASE, "paid"),
        "silence": (None, "paid"),
        "a late yes": (RELEASE, "paid"),
        "the disk was late": (REVERSAL, "idle"),
        "the disk failed": (REVERSAL, "idle"),
        "the disk was in time": (None, "confirmed"),
        "a restart": (REVERSAL, "idle"),
    },
    "confirmed": {
        "a card": (ASKED, "asking"),
        "a yes": (RELEASE, "confirmed"),
        "a no": (None, "confirmed"),
        "a yes to another": (RELEASE, "confirmed"),
        "silence": (None, "confirmed"),
        "a late yes": (RELEASE, "confirmed"),
        "the disk was late": (REVERSAL, "idle"),
        "the disk failed": (REVERSAL, "idle"),
        "the disk was in time": (None, "confirmed"),
        "a restart": (None, "idle"),
    },
}


def reach(state: str) -> Lane:
    """A till in this state, the amount of whoever comes next typed."""
    lane = Lane(offline={"payment_fen": AMOUNT - 1 if state == "asking too much" else AMOUNT})
    lane.confirms = state == "confirmed"
    lane.tell(AmountEntered(AMOUNT))
    lane.present(LI)
    about = lane.asks[-1].about
    if state == "idle":
        lane.tell(NotRecorded(about))
    elif state in ("paid", "confirmed"):
        lane.tell(Answered(about, lane.yes()))
    lane.tell(AmountEntered(AMOUNT))
    assert name_of(lane) in state
    return lane


def name_of(lane: Lane) -> str:
    if lane.state.asking is not None:
        return "asking"
    if lane.state.latest is None:
        return "idle"
    return "paid" if lane.state.unconfirmed else "confirmed"


@pytest.mark.parametrize(("state", "event"), [(state, event) for state, ways in WAYS.items() for event in ways])
def test_each_event_records_in_each_state_what_the_table_says(state: str, event: str) -> None:
    lane, (kind, after) = reach(state), WAYS[state][event]
    before = len(lane.journal)
    if event == "a card":
        lane.present(WANG)
    else:
        lane.tell(EVENTS[event](lane.asks[-1].about, lane.yes()))
    assert [record.kind for record in lane.journal[before:]] == ([] if kind is None else [kind])
    assert name_of(lane) == after


def test_the_table_leaves_no_event_out() -> None:
    assert {frozenset(ways) for ways in WAYS.values()} == {frozenset((*EVENTS, "a card"))}
