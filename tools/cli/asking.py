"""What a person is asked before something is done; where nobody is there to answer, the option that does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from agent.words import say


def agreed(question: str, *, err: bool = False) -> bool:
    """Whether somebody says yes. Raises ``ClickException``, which names ``--yes``, where nobody answers at all."""
    nobody = click.ClickException(
        say(
            "没有人可问：确定要做，请加 --yes",
            "there is nobody to ask: if you are sure, say --yes",
        )
    )
    with _answered(nobody, err=err):
        return click.confirm(question, err=err)


def sure(question: str, *, err: bool = False) -> None:
    """Go on by a yes alone. Raises ``Abort`` at a no, and what :func:`agreed` raises."""
    if not agreed(question, err=err):
        raise click.Abort


def answer(question: str, option: str) -> str:
    """What is typed or piped in. Raises ``UsageError``, which names ``option``, where nobody answers at all."""
    nobody = click.UsageError(
        say(f"没有人可问：请用 {option} 给出", f"there is nobody to ask: give it with {option}"),
        click.get_current_context(silent=True),
    )
    with _answered(nobody, err=False):
        told: str = click.prompt(question)
        return told


@contextmanager
def _answered(nobody: click.ClickException, *, err: bool) -> Iterator[None]:
    """Where the answer is piped in, what is said next stands on a line of its own, as behind an Enter."""
    is_typed = sys.stdin.isatty()
    try:
        yield
    except click.Abort as abort:
        if is_typed or not isinstance(abort.__context__, EOFError):
            raise
        raise nobody from None
    finally:
        if not is_typed:
            click.echo(err=err)
