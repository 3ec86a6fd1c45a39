"""``onecard counter``: be the counter's own software for a moment, to try the local API and to show how it is used."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import click

from agent.config import Resolved
from agent.counter_socket import MAX_WAIT_S
from agent.words import say, why_en, why_zh
from tools.cli.place import config_options, resolve

_MAX_ANSWER_BYTES = 16_384
_PATIENCE_S = 15.0
"""Beyond the time that was asked for: the lane writes a record first."""


@click.group(help=say("窗口系统的本机接口", "The local API of a counter's own software"))
def counter() -> None:
    """Hold the commands of counters."""


@counter.command(
    help=say(
        "领取下一个已核验的身份并确认收到；只交付一次，终端随即忘记",
        "Take the next verified identity, and confirm it: it is delivered once, and forgotten by the terminal",
    )
)
@config_options
@click.option("--lane", help=say("窗口的通道（只有一个时可省略）", "The counter's lane (needless if there is one)"))
@click.option(
    "--wait",
    "wait_s",
    type=click.IntRange(0, MAX_WAIT_S),
    default=30,
    show_default=True,
    help=say("等待秒数", "Seconds to wait"),
)
def take(config: Path | None, preset: str | None, overrides: tuple[str, ...], lane: str | None, wait_s: int) -> None:
    """Print it as the terminal told it."""
    path = _socket_of(resolve(config, preset, overrides), lane)
    try:
        said = _take(path, wait_s)
    except OSError as error:
        raise click.ClickException(
            say(
                f"终端没有在 {path} 应答（{why_zh(error)}）；它在运行吗？",
                f"no terminal answers at {path} ({why_en(error)}); does it run?",
            )
        ) from None
    if "error" in said:
        raise click.ClickException(say(str(said.get("zh")), str(said.get("en"))))
    if "identity" not in said:
        raise click.ClickException(say("没有人出示", "nobody came"))
    click.echo(json.dumps(said["identity"], ensure_ascii=False, indent=2))


def _take(path: Path, wait_s: int) -> dict[str, Any]:
    """What the terminal says. Raises ``OSError``."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(wait_s + _PATIENCE_S)
        link.connect(str(path))
        with link.makefile("rb") as heard:
            link.sendall(json.dumps({"take": wait_s}).encode() + b"\n")
            line = heard.readline(_MAX_ANSWER_BYTES)
            if not line:
                raise ConnectionAbortedError(103, "the terminal broke off")
            said: dict[str, Any] = json.loads(line)
            if "id" in said:
                link.sendall(json.dumps({"received": said["id"]}).encode() + b"\n")
            return said


def _socket_of(resolved: Resolved, lane: str | None) -> Path:
    counters = {name: each.counter.socket for name, each in resolved.config.lanes.items() if each.counter is not None}
    if not counters:
        raise click.UsageError(
            say("此终端没有窗口；请用 --preset 或 --config 指定", "this terminal has no counter: --preset, --config?")
        )
    if lane is None and len(counters) == 1:
        return next(iter(counters.values()))
    if lane not in counters:
        known = "、".join(counters), ", ".join(counters)
        raise click.UsageError(say(f"--lane 应为 {known[0]} 之一", f"--lane should be one of {known[1]}"))
    return counters[lane]
