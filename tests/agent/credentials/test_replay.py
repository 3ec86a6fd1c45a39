"""Every showing is accepted once, whatever is done to its text, and the store of showings is bounded."""

from __future__ import annotations

from agent.credentials import base45, replay
from agent.credentials.ec1 import PREFIX, parse
from agent.facts import Marks
from agent.signatures import Algorithm
from profiles.api import ClockState, Mark, Rejected
from profiles.rules.codes import MAX_CLOCK_UNCERTAINTY_MS, MAX_LIFETIME_MS, CodePolicy
from tests.agent.credentials.code_parts import NOW_MS, Terminal, vector
from tests.vectors.ec1.regenerate import NOW_S, issuing_key, made

CITY = issuing_key(Algorithm.ES256)
TEXT = vector("es256-es256")["text"]
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def test_a_showing_is_accepted_once_and_the_refusal_names_it() -> None:
    terminal = Terminal()
    presentation = terminal.accept(TEXT).presentation
    again = terminal.judge(TEXT)
    assert isinstance(again, Rejected)
    assert (again.reason.code, again.presentation) == ("code-replayed", presentation)


def test_a_showing_that_was_not_recorded_is_not_used_up() -> None:
    terminal = Terminal()
    terminal.judge(TEXT)
    assert terminal.reason(TEXT) == ""


def test_the_mirrored_ecdsa_signature_is_the_same_showing() -> None:
    terminal = Terminal()
    terminal.accept(TEXT)
    code = parse(TEXT).encode()
    s = int.from_bytes(code[-32:], "big")
    mirrored = PREFIX + base45.encode(code[:-32] + (P256_ORDER - s).to_bytes(32, "big"))
    assert mirrored != TEXT
    assert terminal.reason(mirrored) == "code-replayed"
    assert Terminal().reason(mirrored) == ""


def test_the_same_second_signed_again_is_the_same_showing() -> None:
    terminal = Terminal()
    terminal.accept(TEXT)
    assert terminal.reason(made(CITY, Algorithm.ES256).text) == "code-replayed"
    assert terminal.reason(made(CITY, Algorithm.ES256, at_s=NOW_S - 1).text) == ""


def test_a_mark_outlives_every_freshness_that_a_lane_can_grant() -> None:
    most = CodePolicy(lifetime_ms=MAX_LIFETIME_MS, max_clock_uncertainty_ms=MAX_CLOCK_UNCERTAINTY_MS)
    terminal = Terminal(policy=most)
    terminal.accept(TEXT)
    last_ms = (NOW_S - 2) * 1000 + MAX_LIFETIME_MS + MAX_CLOCK_UNCERTAINTY_MS
    for now_ms, reason in ((last_ms - 1, "code-replayed"), (last_ms, "code-replayed"), (last_ms + 1, "code-stale")):
        at = terminal.at(now_ms, ClockState.HOLDOVER, MAX_CLOCK_UNCERTAINTY_MS)
        assert at.reason(TEXT) == reason


def test_a_clock_wound_back_finds_the_mark_again() -> None:
    terminal = Terminal()
    terminal.accept(TEXT)
    assert terminal.at(NOW_MS + 3_600_000).reason(TEXT) == "code-stale"
    assert terminal.at(NOW_MS).reason(TEXT) == "code-replayed"


def filled(newest_s: int) -> Terminal:
    """A terminal whose store is full: one showing a second, the newest at ``newest_s``."""
    terminal = Terminal()
    first_s = newest_s - replay.MAX_SHOWINGS + 1
    ends_ms = NOW_MS + MAX_LIFETIME_MS
    terminal.marks.load(
        Mark(replay.SCOPE, replay.showing(1, bytes(16), at_s), at_s, ends_ms) for at_s in range(first_s, newest_s + 1)
    )
    return terminal


def test_when_the_store_is_full_the_oldest_make_way_and_leave_a_floor() -> None:
    newest_s = NOW_S + replay.MAX_SHOWINGS - replay.EVICTED_AT_ONCE - 1
    terminal = filled(newest_s)  # so that the floor comes to lie at NOW_S - 1
    accepted = terminal.accept(TEXT)
    assert terminal.marks.count(replay.SCOPE) == replay.MAX_SHOWINGS - replay.EVICTED_AT_ONCE + 1
    assert terminal.marks.get(replay.FLOOR_SCOPE, b"\0", NOW_MS) is not None
    assert len(accepted.marks) == replay.EVICTED_AT_ONCE + 2
    assert terminal.reason(made(CITY, Algorithm.ES256, at_s=NOW_S - 1).text) == "code-replay-unknown"
    assert terminal.reason(made(CITY, Algorithm.ES256, at_s=NOW_S + 1).text) == ""


def test_the_floor_never_sinks_and_the_store_never_grows() -> None:
    terminal = filled(NOW_S - 100_000)
    before_s = 0
    for step in range(3 * replay.EVICTED_AT_ONCE):
        key = replay.showing(2, bytes(16), NOW_S + step)
        terminal.record(replay.acceptance(terminal.marks, key, NOW_S + step, NOW_MS))
        floor_s = terminal.marks.get(replay.FLOOR_SCOPE, b"\0", 0)
        assert floor_s is not None
        assert floor_s >= before_s
        assert terminal.marks.count(replay.SCOPE) <= replay.MAX_SHOWINGS
        before_s = floor_s


def test_marks_that_were_saved_and_read_again_refuse_the_same_showing() -> None:
    terminal = Terminal()
    marks = terminal.accept(TEXT).marks
    restarted = Terminal(marks=Marks())
    restarted.marks.load(marks)
    assert restarted.reason(TEXT) == "code-replayed"


def test_the_same_token_and_second_of_another_issuer_is_another_showing() -> None:
    terminal = Terminal()
    terminal.accept(TEXT)
    other = issuing_key(Algorithm.ES256, issuer=2)
    shown = made(other, Algorithm.ES256).text
    assert terminal.reason(shown) != "code-replayed"
    assert replay.showing(1, bytes(16), NOW_S) != replay.showing(2, bytes(16), NOW_S)
