"""What the journal is told of permits, and how often they may be refused."""

from __future__ import annotations

from pathlib import Path

from agent.bundles.check import Place
from agent.clock import Moment
from agent.permits.desk import Answer, Now, answer, are_asked_for
from agent.permits.place import place_of, place_saved
from agent.permits.reasons import PermitReason
from agent.permits.tries import MOST, WINDOW_MS, are_used_up
from offline_store.record import new_id
from profiles.api import ClockState
from tests.agent.permits.parts import ISSUERS, NOW_MS, Technician, believed, question

WANG = Technician("t-17")
RECORD_ID = new_id(NOW_MS, bytes(10))


def settled(text: str, tally: int | None = None, now_ms: int = NOW_MS) -> Answer:
    now = Now(Moment(now_ms, ClockState.SYNCHRONISED, 0), 5, RECORD_ID)
    return answer([text] if text else [], question(), believed(), tally, now)


def tally_of(refused: Answer) -> int:
    value = refused.marks[0].value
    assert isinstance(value, int)
    return value


def test_an_act_is_a_record_that_names_permit_holder_and_role() -> None:
    entry = settled(WANG.signs()).entry
    assert entry is not None
    assert (entry.kind, entry.reason) == ("service-act", "service-clock")
    assert entry.public == {"role": "maintainer", "permit": WANG.permit().id.hex(), "holder": "t-17"}


def test_a_refusal_is_an_alarm_that_names_nobody() -> None:
    refused = settled(WANG.signs(terminal="gate-8"))
    assert refused.refusal is PermitReason.OTHER_TERMINAL
    assert refused.entry is not None
    assert (refused.entry.kind, refused.entry.reason) == ("alarm", "permit-other-terminal")
    assert refused.entry.public == {"act": "service-clock"}


def test_nothing_shown_is_no_attempt() -> None:
    assert settled("") == Answer(PermitReason.MISSING)


def test_after_five_refusals_no_permit_is_looked_at_for_ten_minutes() -> None:
    tally = None
    for _ in range(MOST):
        refused = settled("hello", tally)
        assert refused.refusal is PermitReason.MALFORMED
        tally = tally_of(refused)
    assert settled(WANG.signs(), tally, NOW_MS + WINDOW_MS - 1) == Answer(PermitReason.BLOCKED)
    assert settled(WANG.signs(), tally, NOW_MS + WINDOW_MS).refusal is None


def test_a_permit_that_counts_forgets_the_refusals_before_it() -> None:
    tally = tally_of(settled("hello"))
    assert settled(WANG.signs(), tally).marks[0].value is None


def test_refusals_under_a_false_time_block_nobody_under_the_true_one() -> None:
    tally, years_ms = None, 10 * 365 * 86_400_000
    for _ in range(MOST):
        tally = tally_of(settled("hello", tally, NOW_MS + years_ms))
    assert are_used_up(tally, NOW_MS + years_ms)
    assert not are_used_up(tally, NOW_MS)


def test_permits_are_asked_for_once_the_terminal_knew_whose_count_also_if_that_was_lost(tmp_path: Path) -> None:
    assert not are_asked_for({}, tmp_path)
    assert are_asked_for(ISSUERS, tmp_path)
    (tmp_path / "platform-technician.pem").write_text("gone bad")
    assert are_asked_for({}, tmp_path)


def test_the_place_comes_back_as_it_was_saved_and_nonsense_is_no_place() -> None:
    for place in (Place("gate-7", "east-hall"), Place("gate-7")):
        assert place_of(place_saved(place)) == place
    for saved in (None, b"", b"\xff", b"\x80", b"\x82\x01\x02", b"\x81" * 600):
        assert place_of(saved) is None
