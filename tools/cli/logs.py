"""``onecard logs``: the terminal's log for people, out of journald or out of a file that was saved."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import click

from agent.words import language, say
from tools.cli import log_words
from tools.cli.times import local_of
from tools.small_files import lines_of

_LEVELS = {"debug": "white", "info": "green", "warning": "yellow", "error": "red"}
_APART = {"timestamp", "level", "event", "zh", "en"}


@click.command(
    help=say(
        "显示终端的日志（来自 journald，或用 --from 指定的文件；- 为标准输入）",
        "Show the terminal's log: journald's, or with --from that of a file; - is standard input",
    )
)
@click.option("--unit", default="onecard", show_default=True, help=say("systemd 服务名", "The systemd unit"))
@click.option("--from", "file", type=click.File(encoding="utf-8", errors="replace"), help=say("日志文件", "A log file"))
@click.option(
    "--lines", type=click.IntRange(1, 100_000), default=100, show_default=True, help=say("最近几行", "How many")
)
@click.option("--follow", is_flag=True, help=say("持续显示新的日志", "Go on with what comes"))
@click.option(
    "--level",
    type=click.Choice(list(_LEVELS)),
    default="debug",
    show_default=True,
    help=say("只显示此级别及以上", "Only this level and above"),
)
@click.option("--json", "as_json", is_flag=True, help=say("原样输出 JSON 行", "Print the lines of JSON as they are"))
def logs(unit: str, file: IO[str] | None, lines: int, follow: bool, level: str, as_json: bool) -> None:
    """Read lines of JSON, say them in the reader's language."""
    least = list(_LEVELS).index(level)
    has_any = False
    with _source(unit, file, lines, follow=follow) as source:
        for raw in source:
            has_any = True
            entry = _entry(raw)
            if entry is not None and list(_LEVELS).index(entry["level"]) < least:
                continue
            said = raw.rstrip("\n") if as_json or entry is None else _line(entry)
            click.echo(said, color=False if os.environ.get("NO_COLOR") else None)
    if not has_any and file is None:
        click.echo(
            say(
                f"journald 中没有服务 {unit} 的日志；手动运行（onecard run）的终端，日志写在它运行的窗口，"
                "存成文件后可用 --from 查看",
                f"journald has nothing of the unit {unit}; a terminal that was started by hand (onecard run) logs where"
                " it runs: a file of that can be named with --from",
            ),
            err=True,
        )


@contextmanager
def _source(unit: str, file: IO[str] | None, lines: int, *, follow: bool) -> Iterator[Iterable[str]]:
    if file is not None:
        yield lines_of(file)
        return
    program = shutil.which("journalctl")
    if program is None:
        raise click.ClickException(
            say(
                "这台机器没有 journald；请用 --from 指定日志文件",
                "there is no journald on this machine; name a log with --from",
            )
        )
    command = [program, "--unit", unit, "--output", "cat", "--no-pager", "--quiet", "--lines", str(lines)]
    with subprocess.Popen([*command, *(["--follow"] if follow else [])], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 -- opened as a pipe above
        try:
            yield lines_of(process.stdout)
        finally:
            process.terminate()


def _entry(raw: str) -> Mapping[str, Any] | None:
    """One of the terminal's own lines; ``None`` for what another program wrote there."""
    try:
        entry = json.loads(raw)
    except ValueError:
        return None
    is_ours = isinstance(entry, dict) and isinstance(entry.get("event"), str) and entry.get("level") in _LEVELS
    return entry if is_ours else None


def _line(entry: Mapping[str, Any]) -> str:
    level = click.style(log_words.level(entry["level"]), fg=_LEVELS[entry["level"]])
    said = entry.get(language())
    fields = log_words.fields_of(entry["event"], {key: content for key, content in entry.items() if key not in _APART})
    parts = (log_words.event(entry["event"]), str(said or ""), fields)
    return f"{_moment(entry.get('timestamp'))} {level} {'  '.join(part for part in parts if part)}"


def _moment(timestamp: object) -> str:
    """Local time; of a line that somebody altered, what stands there."""
    try:
        return local_of(str(timestamp))
    except (ValueError, OverflowError, OSError):
        return str(timestamp)[:25]
