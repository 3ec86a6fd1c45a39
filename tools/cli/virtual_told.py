"""What somebody did to a virtual device, and where one sees what the terminal made of it."""

from __future__ import annotations

import shlex

import click

from agent.words import say
from drivers.virtual.bench import SOCKET_NAME, Status
from drivers.virtual.place import virtual_dir
from tools.cli.bench_process import ask
from tools.cli.place import states


def told(terminal: str, zh: str, en: str, see: str = "journal list") -> None:
    """One line: what was done is not yet what came of it. ``see``: the command that tells that."""
    shown = f"onecard {see} {_whose(terminal)}"
    click.echo(say(f"{zh}；结果见终端的输出，或 {shown}", f"{en}; what came of it: the terminal's output, or {shown}"))


def _whose(terminal: str) -> str:
    """The option that finds the running terminal: one of a file's own keeps its journal elsewhere than by its id."""
    state = ask(virtual_dir(terminal) / SOCKET_NAME, Status()).state
    if state is None or state.state_dir in ("", str(states().absolute() / terminal)):
        return f"--terminal {terminal}"
    return f"--state-dir {shlex.quote(state.state_dir)}"
