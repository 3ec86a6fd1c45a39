"""``onecard virtual walk``: somebody goes through a turnstile's two beams."""

from __future__ import annotations

import click

from agent.words import say
from drivers.virtual.bench import SOCKET_NAME, Press
from drivers.virtual.place import virtual_dir
from tools.cli.bench_process import ask
from tools.cli.place import terminal_option
from tools.cli.virtual_told import told

OUTER, INNER = "outer", "inner"


@click.command(
    help=say("让人穿过两道光电：in 进，out 出", "Let somebody go through the two light beams: in, or out"),
)
@click.argument("way", metavar=say("方向", "in|out"), type=click.Choice(["in", "out"]))
@click.option("--back", is_flag=True, help=say("中途退回", "Step back in the middle"))
@terminal_option
def walk(way: str, back: bool, terminal: str) -> None:
    """Break and clear the beams, each when the terminal has read the one before."""
    near, far = (OUTER, INNER) if way == "in" else (INNER, OUTER)
    last, before = (near, far) if back else (far, near)
    for beam, active in ((near, True), (far, True), (before, False), (last, False)):
        ask(virtual_dir(terminal) / SOCKET_NAME, Press(input=beam, active=active))
    zh, en = ("从外向里", "in") if way == "in" else ("从里向外", "out")
    told(
        terminal,
        f"已{zh}走过" if not back else f"{zh}走到中途退回",
        f"walked {en}{' and stepped back' if back else ''}",
    )
