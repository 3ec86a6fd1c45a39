"""Of the printed codes of one holder the newest counts, at a terminal that has seen it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agent.credentials import printed
from agent.signatures import Algorithm
from profiles.api import Mark
from tests.agent.credentials.code_parts import NOW_MS, Terminal
from tests.vectors.ec1.regenerate import GRANT, issuing_key, made

CITY = issuing_key(Algorithm.ES256)


def text(later_h: int = 0, index: int = GRANT.status_index, token: bytes = GRANT.token) -> str:
    """A code on paper that was issued so many hours later than the first."""
    grant = replace(GRANT, iat_h=GRANT.iat_h - 10 + later_h, status_index=index, token=token, ttl_h=24)
    return made(CITY, None, grant).text


def test_a_newer_print_works_at_once_and_ends_the_older_one() -> None:
    terminal = Terminal()
    assert terminal.accept(text()).marks
    assert terminal.accept(text()).marks == ()  # shown again and again, it is written once
    terminal.accept(text(1))
    assert terminal.reason(text()) == "code-superseded"
    assert terminal.reason(text(1)) == ""


def test_within_an_hour_the_status_index_tells_which_is_newer() -> None:
    terminal = Terminal()
    terminal.accept(text(index=5))
    terminal.accept(text(index=6))
    assert (terminal.reason(text(index=5)), terminal.reason(text(index=6))) == ("code-superseded", "")


def test_what_was_refused_or_not_recorded_ends_nothing() -> None:
    terminal = Terminal()
    assert terminal.reason(text(1)) == ""
    assert terminal.reason(text(20)) == "code-not-yet-valid"
    assert terminal.reason(text()) == ""


def test_one_holders_print_says_nothing_of_anothers() -> None:
    terminal = Terminal()
    terminal.accept(text(1))
    assert terminal.reason(text(token=b"another holder!!")) == ""


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=8))
def test_whatever_is_shown_in_whatever_order_nothing_older_than_the_newest_passes(
    shown: list[tuple[int, int]],
) -> None:
    terminal, newest = Terminal(), (-1, -1)
    for issue in shown:
        reason = terminal.reason(text(*issue))
        assert reason == ("code-superseded" if issue < newest else "")
        if not reason:
            terminal.accept(text(*issue))
            newest = max(newest, issue)


def test_a_full_store_takes_nobody_new_and_refuses_nobody() -> None:
    terminal = Terminal()
    terminal.marks.load(
        Mark(printed.SCOPE, number.to_bytes(18, "big"), 1, 2 * NOW_MS) for number in range(printed.MAX_HOLDERS)
    )
    assert terminal.accept(text()).marks == ()
    assert terminal.reason(text(1)) == ""
