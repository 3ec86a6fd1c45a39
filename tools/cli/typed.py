"""Lines that somebody types, pastes or pipes, waited for so long and no longer."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import click


def typed_line(asked: str, max_chars: int) -> str:
    """What was typed after ``asked``, without blanks around it; empty at the end of the input.

    Whatever is said next stands on a line of its own.
    """
    click.echo(asked, err=True, nl=False)
    line = ""
    try:
        line = sys.stdin.readline(max_chars)
    finally:
        if not (line.endswith("\n") and sys.stdin.isatty()):
            click.echo(err=True)  # nobody's Enter did it
    return line.strip()


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise ``TimeoutError`` in what waits within it; in the main thread only. An alarm that was set before stays."""
    before = signal.signal(signal.SIGALRM, _over)
    left_s, every_s = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left_s, every_s)
        signal.signal(signal.SIGALRM, before)


def _over(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise TimeoutError
