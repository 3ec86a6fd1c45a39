"""``onecard watch``: how a running terminal stands, as a table that renews itself."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.standing import Standing
from agent.standing_socket import ask
from agent.words import say
from tools.cli import standing_words as words
from tools.cli.place import existing, state_dir_option

if TYPE_CHECKING:
    from rich.console import Group

_PAUSE_S = 1.0
_PIPE_COLUMNS = 200


@click.command(
    help=say(
        "持续显示运行中的终端：设备、时间、日志余量、名单、与平台的连接",
        "Show a running terminal as it goes: devices, time, room in the journal, lists, link to the platform",
    )
)
@state_dir_option
@click.option(
    "--for",
    "for_s",
    type=click.IntRange(0),
    help=say("只看这么多秒（默认：直到 Ctrl-C）", "Seconds (default: until Ctrl-C)"),
)
@click.option("--json", "as_json", is_flag=True, help=say("每秒一行 JSON", "One line of JSON a second"))
def watch(state_dir: Path, for_s: int | None, as_json: bool) -> None:
    """Ask again and again; into a pipe, once. Ctrl-C is how one ends it."""
    with suppress(KeyboardInterrupt):
        _watch(state_dir, for_s, as_json=as_json)


def _watch(state_dir: Path, for_s: int | None, *, as_json: bool) -> None:
    from rich.console import Console
    from rich.live import Live

    until_s = None if for_s is None else time.monotonic() + for_s
    console = Console()
    if as_json:
        while True:
            click.echo(json.dumps(look(existing(state_dir)).model_dump(mode="json"), ensure_ascii=False))
            if until_s is not None and time.monotonic() >= until_s:
                return
            time.sleep(_PAUSE_S)
    if not console.is_terminal:
        Console(width=_PIPE_COLUMNS).print(_table(look(existing(state_dir))))
        return
    with Live(_table(look(existing(state_dir))), console=console, auto_refresh=False) as live:
        while until_s is None or time.monotonic() < until_s:
            time.sleep(_PAUSE_S)
            live.update(_table(look(state_dir)), refresh=True)


def look(state_dir: Path) -> Standing:
    """What the terminal says. Raises ``ClickException`` where none answers."""
    try:
        return ask(state_dir)
    except PermissionError:
        raise click.ClickException(
            say(
                "没有权限：请用运行终端的用户或 root",
                "no right to ask: be the user that the terminal runs as, or root",
            )
        ) from None
    except (OSError, ValueError):
        raise click.ClickException(
            say(
                f"{state_dir} 的终端没有运行，或没有应答；onecard doctor 说明原因",
                f"the terminal of {state_dir} does not run, or does not answer; `onecard doctor` says why",
            )
        ) from None


def _table(standing: Standing) -> Group:
    from rich.console import Group, RenderableType
    from rich.table import Table
    from rich.text import Text  # what a device says is never markup

    head = Table.grid(padding=(0, 2))
    for name, said in (
        (f"{say('终端', 'terminal')} {standing.terminal}", words.service(standing)),
        (say("时间", "time"), words.clock(standing)),
        (say("日志", "journal"), words.buffer(standing)),
        (say("平台", "platform"), words.link(standing)),
    ):
        head.add_row(name, Text(said))
    if (ending := words.certificate(standing)) is not None:
        head.add_row(say("证书", "certificate"), Text(ending, style="yellow"))
    devices = Table(say("设备", "device"), say("状态", "state"), box=None, padding=(0, 2))
    for device in sorted(standing.devices, key=lambda each: each.name):
        devices.add_row(device.name, Text(words.device(device)), style=None if device.state == "ready" else "red")
    parts: list[RenderableType] = [head, "", devices]
    if standing.bundles:
        lists = Table(say("名单", "list"), say("版本", "version"), say("状态", "state"), box=None, padding=(0, 2))
        for each in standing.bundles:
            style = None if each.freshness == "fresh" else "yellow"
            lists.add_row(each.name, str(each.version), words.bundle(each.freshness, each.age_ms), style=style)
        parts += ["", lists]
    return Group(*parts)
