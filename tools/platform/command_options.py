"""What the platform's commands share: where it keeps its things, and how they print."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from tools.cli.words import say

PIPE_COLUMNS = 200
_NEW_OBJECTS = 20_000
_ANY_COLUMNS = 10_000


def _default_directory() -> Path:
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local/state") / "onecard/platform"


directory_option = click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=_default_directory,
    help=say(
        f"平台的目录（默认：{_default_directory()}）", f"The platform's directory (default: {_default_directory()})"
    ),
)
database_option = click.option(
    "--database", metavar="URL", help=say("数据库（SQLAlchemy 地址）", "The database, as an SQLAlchemy URL")
)
enrol_port_option = click.option(
    "--enrol-port",
    type=click.IntRange(1, 65_535),
    help=say(
        "终端注册用的端口，没有证书也能连接，只能注册（默认：--port 的下一个）",
        "The port where boxes enrol, without a certificate and for nothing else (default: the next after --port)",
    ),
)
json_option = click.option("--json", "as_json", is_flag=True, help=say("输出 JSON", "Print JSON"))


def expect_batches() -> None:
    """Once all is loaded: thousands of short-lived records are usual, and a search for cycles among them is wasted."""
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)


def print_table(titles: list[str], rows: list[list[Any]], none: str | None = None) -> None:
    """A table as wide as the window; in a pipe as wide as it wants. Of no rows, `none`: why, and how to get some.

    In a window where not even its words fit beside each other, each row is a paragraph instead.
    """
    if not rows:
        click.echo(none or say("还没有内容。", "There is nothing yet."))
        return
    table = Table(*(Column(title, overflow="fold") for title in titles))
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row))  # Text: what a terminal sent is never markup
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_COLUMNS)  # nobody's window: nothing need be folded
    natural = table.__rich_measure__(console, console.options.update(max_width=_ANY_COLUMNS))
    if natural.minimum <= console.width:
        console.print(table)
        return
    for head, *rest in ([str(value) for value in row] for row in rows):
        console.print(Text(head, style="bold", overflow="fold"))
        cells = (f"{title}{say('：', ': ')}{value}" for title, value in zip(titles[1:], rest, strict=True) if value)
        console.print(Padding(Text(say("；", "; ").join(cells), overflow="fold"), (0, 0, 0, 2)))


def no_terminals() -> str:
    """Nothing has come from any terminal, and how something comes."""
    return say(
        "还没有终端上报过；在本机试用：onecard run --preset gate --local-platform；"
        "正式终端：onecard platform enrol new ID。",
        "No terminal has reported yet: try one on this machine with `onecard run --preset gate --local-platform`, or"
        " add your own with `onecard platform enrol new ID`.",
    )
