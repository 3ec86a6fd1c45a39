"""``onecard status``: how a terminal's link to the platform does, by what the terminal wrote last."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from agent.clock import SystemClock
from agent.standing import Standing
from agent.standing_socket import ask
from agent.sync.metrics import NAME, LinkMetrics, read
from agent.words import say
from offline_store.errors import StoreError
from offline_store.figures import Tally
from offline_store.unrecorded import tallies_of
from profiles.reasons import counted
from tools.cli.fields import refusal
from tools.cli.figures import waiting_words
from tools.cli.place import existing, state_dir_option
from tools.cli.standing_words import FAULTS, PHASES, lines

_OLD_S = 30


@click.command(
    help=say(
        "终端的情况，以及与平台的连接：服务器、故障、流量、重发、被拒的回执、待发",
        "How the terminal does, and its link to the platform: broker, faults, traffic, what was sent again, refused"
        " answers, what waits",
    )
)
@state_dir_option
@click.option("--json", "as_json", is_flag=True, help=say("输出 JSON", "Print JSON"))
def status(state_dir: Path, as_json: bool) -> None:
    """What the terminal says, if it runs; of the link what it wrote last, into a file that it renews all the time."""
    tallies = _unrecorded(existing(state_dir))
    standing = standing_of(state_dir)
    if not as_json:
        for line in (*waiting_words(tallies), *(lines(standing) if standing else ())):
            click.echo(line)
    if standing is not None and standing.link is None:
        if as_json:
            click.echo(json.dumps({"terminal": standing.model_dump(mode="json")}))
        return
    metrics = _read(state_dir) if standing is None or standing.link is None else standing.link
    age_s = max(0, SystemClock().now_ms() - metrics.at_ms) // 1000
    if as_json:
        unrecorded = {"unrecorded": {lane: tally.openings for lane, tally in tallies.items()}} if tallies else {}
        terminal = {} if standing is None else {"terminal": standing.model_dump(mode="json", exclude={"link"})}
        click.echo(json.dumps(metrics.model_dump(mode="json") | unrecorded | terminal))
    else:
        click.echo("\n".join((*_left_behind(standing, age_s), *_lines(metrics))))


def standing_of(state_dir: Path) -> Standing | None:
    """What a running terminal says of itself."""
    try:
        return ask(state_dir)
    except (OSError, ValueError):
        return None


def _unrecorded(state_dir: Path) -> Mapping[str, Tally]:
    """What a full disk did not take; where that cannot be read, the link's numbers still can."""
    try:
        return tallies_of(state_dir)
    except (OSError, StoreError):
        return {}


def _read(state_dir: Path) -> LinkMetrics:
    path = state_dir / NAME
    try:
        return read(state_dir)
    except FileNotFoundError as error:
        raise click.ClickException(
            say(
                f"{path} 不存在：终端未运行过，或未配置平台（platform:）",
                f"{path} does not exist: the terminal never ran, or has no platform (`platform:`)",
            )
        ) from error
    except ValueError as error:
        raise click.ClickException(
            say(
                f"{path} 无法识别；运行中的终端会重写它",
                f"{path} cannot be read as a terminal's; one that runs writes it anew",
            )
        ) from error


def _left_behind(standing: Standing | None, age_s: int) -> list[str]:
    """What to know of numbers that no running terminal gave just now."""
    if standing is not None:
        return []
    if age_s > _OLD_S:
        zh = f"以下为 {age_s} 秒前的情况：终端没有运行，或磁盘写不进去"
        return [say(zh, f"this was {age_s} s ago: the terminal does not run, or its disk takes nothing")]
    return [say("终端没有应答，以下是它最后写下的情况", "the terminal does not answer; this is what it wrote last")]


def _lines(metrics: LinkMetrics) -> list[str]:
    broker = (str(metrics.broker + 1), metrics.host, f"MQTT {metrics.protocol}")
    phase_zh, phase_en = PHASES[metrics.phase]
    lines = [
        say(f"连接：{phase_zh}（服务器 {'，'.join(broker)}）", f"link: {phase_en} (broker {', '.join(broker)})"),
    ]
    if metrics.fault is not None:
        zh, en = FAULTS.get(metrics.fault, (metrics.fault, metrics.fault))
        lines.append(say(f"上次故障：{zh}", f"last fault: {en}"))
    refused = _counted(metrics.refused, refusal)
    ended = _counted(metrics.ended, _fault)
    lines += [
        say(
            f"连接成功 {metrics.connections} 次；断开：{ended}",
            f"connections made: {metrics.connections}; ended: {ended}",
        ),
        say(
            f"上行：{metrics.up.messages} 条消息，{metrics.up.bytes} 字节",
            f"up: {counted(metrics.up.messages, 'message')}, {counted(metrics.up.bytes, 'byte')}",
        ),
        say(
            f"下行：{metrics.down.messages} 条消息，{metrics.down.bytes} 字节",
            f"down: {counted(metrics.down.messages, 'message')}, {counted(metrics.down.bytes, 'byte')}",
        ),
        say(
            f"日志：{metrics.batches} 批，{metrics.records} 条记录，其中重发 {metrics.sent_again} 条",
            f"journal: {metrics.batches} {'batch' if metrics.batches == 1 else 'batches'},"
            f" {counted(metrics.records, 'record')}, {metrics.sent_again} of them sent again",
        ),
        say(
            f"待确认：{metrics.unacknowledged} 条记录；待发告警：{metrics.alarms_waiting} 条",
            f"waiting: {counted(metrics.unacknowledged, 'record')}, {counted(metrics.alarms_waiting, 'alarm')}",
        ),
        say(f"应答超时：{metrics.overdue} 次", f"answers overdue: {metrics.overdue}"),
        say(f"被拒的回执：{refused}", f"answers refused: {refused}"),
    ]
    if metrics.round_trip_ms is not None:
        lines.append(say(f"往返：{metrics.round_trip_ms} 毫秒", f"round trip: {metrics.round_trip_ms} ms"))
    return lines


def _counted(counts: Mapping[str, int], words: Callable[[str], str]) -> str:
    told = (f"{words(code)} × {count}" for code, count in sorted(counts.items()))
    return say("，", ", ").join(told) or say("无", "none")


def _fault(code: str) -> str:
    return say(*FAULTS.get(code, (code, code)))
