"""What somebody did to a virtual device, and where one sees what the terminal made of it."""

from __future__ import annotations

import click

from agent.words import say


def told(terminal: str, zh: str, en: str, see: str = "journal list") -> None:
    """One line: what was done is not yet what came of it. ``see``: the command that tells that."""
    shown = f"onecard {see} --terminal {terminal}"
    click.echo(say(f"{zh}；结果见终端的输出，或 {shown}", f"{en}; what came of it: the terminal's output, or {shown}"))
