"""Permits at the keyboard: what is waited for, how long, and how it ends."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator

import click
import pytest

from agent.permits.acts import ServiceAct
from tools.cli.permits import ask
from tools.cli.typed import at_most, typed_line

CHALLENGE = bytes(5)


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A terminal's master side: whoever types; standard input is the other side."""
    monkeypatch.setenv("ONECARD_LANG", "en")
    master, slave = os.openpty()
    with os.fdopen(slave) as typed:
        monkeypatch.setattr(sys, "stdin", typed)
        yield master
    os.close(master)


def test_it_says_what_it_waits_for_how_long_and_how_to_give_up(
    keyboard: int, capsys: pytest.CaptureFixture[str]
) -> None:
    os.write(keyboard, b"ONECARD-ACT:A\nONECARD-ACT:B\n")
    assert ask(ServiceAct.WIPE, "gate-7", CHALLENGE) == ("ONECARD-ACT:A", "ONECARD-ACT:B")
    said = capsys.readouterr().err
    assert "permits that this act needs: 2" in said
    assert "good for 5 minutes; an empty line or Ctrl-C gives up" in said
    assert said.endswith("what it prints 1/2: what it prints 2/2: "), "the two Enters are the keyboard's own"


def test_where_nobody_answers_it_gives_up_on_a_line_of_its_own(
    keyboard: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(click.ClickException, match="nothing was done"):
        ask(ServiceAct.OPEN, "gate-7", CHALLENGE, within_s=0.02)
    assert capsys.readouterr().err.endswith("what it prints: \n")


@pytest.mark.parametrize("keys", [b"\n", b"\x04"], ids=["an empty line", "Ctrl-D"])
def test_an_empty_line_and_the_end_of_the_input_give_up(
    keyboard: int, keys: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    os.write(keyboard, keys)
    assert ask(ServiceAct.OPEN, "gate-7", CHALLENGE) == ()
    assert capsys.readouterr().err.endswith("what it prints: \n" if keys == b"\x04" else "what it prints: ")


def test_what_is_piped_has_no_enter_on_the_screen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("ONECARD-ACT:A\n"))
    assert typed_line("asked: ", 100) == "ONECARD-ACT:A"
    assert capsys.readouterr().err == "asked: \n"


def test_an_alarm_that_was_set_before_is_left_as_it_was() -> None:
    handler, (left_s, _) = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    with at_most(60):
        assert signal.getitimer(signal.ITIMER_REAL)[0] <= 60
    assert signal.getsignal(signal.SIGALRM) is handler
    assert (signal.getitimer(signal.ITIMER_REAL)[0] > 0) is (left_s > 0)
