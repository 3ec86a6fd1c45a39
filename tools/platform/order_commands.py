"""`onecard platform command`: signed commands to terminals, and what became of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa
import zstandard

from agent.keys import Role
from agent.sync.contract.commands import LIFE_MS, LONGEST_LIFE_MS, CommandAct
from agent.sync.contract.messages import MAX_RECORD_BYTES
from profiles.direction import Direction
from tools.bundles import signer_of
from tools.cli import fields
from tools.cli.codes import reason_words
from tools.cli.service_acts import direction_option
from tools.cli.times import local
from tools.cli.words import say
from tools.platform import orders
from tools.platform.bundle_store import BundleStore
from tools.platform.ca import Authority
from tools.platform.command_options import database_option, directory_option, json_option, print_table
from tools.platform.errors import PlatformError
from tools.platform.known import check_terminal, enrolled, lanes_of
from tools.platform.revocation import is_out
from tools.platform.service import Layout
from tools.platform.store import Store, Transaction

_MAX_JSON_BYTES = 16 * MAX_RECORD_BYTES
_MINUTE_MS = 60_000

_terminal = click.argument("terminal", metavar="ID")
_minutes = click.option(
    "--minutes",
    type=click.IntRange(1, LONGEST_LIFE_MS // _MINUTE_MS),
    help=say("命令的有效期（分钟，默认一天）", "How long it may wait, in minutes (default: a day)"),
)


@click.group(name="command", help=say("向终端下达签名命令", "Signed commands to terminals"))
def command_group() -> None:
    """Hold the commands."""


@command_group.command(
    name="open",
    help=say(
        "让终端的一个通道开放一次。命令一分钟后失效，终端离线则不开放",
        "Have one lane of a terminal open once. It holds for a minute: what does not reach the terminal opens nothing",
    ),
)
@_terminal
@click.argument("lane", metavar=say("通道", "LANE"))
@direction_option
@directory_option
@database_option
@json_option
def open_lane(
    terminal: str, lane: str, direction: str | None, directory: Path, database: str | None, as_json: bool
) -> None:
    """For one person."""
    way = None if direction is None else Direction(direction)
    _issue(directory, database, terminal, CommandAct.OPEN, lane, LIFE_MS[CommandAct.OPEN], as_json, way)


@command_group.command(name="restart", help=say("让终端重新启动其程序", "Have a terminal's program begin anew"))
@_terminal
@_minutes
@directory_option
@database_option
@json_option
def restart(terminal: str, minutes: int | None, directory: Path, database: str | None, as_json: bool) -> None:
    """Unless its configuration is not valid."""
    _issue(directory, database, terminal, CommandAct.RESTART, None, _life_ms(minutes), as_json)


@command_group.command(
    name="re-read",
    help=say(
        "让终端重新读取配置；有变化才重新启动",
        "Have a terminal read its configuration again; it begins anew only if that has changed",
    ),
)
@_terminal
@_minutes
@directory_option
@database_option
@json_option
def re_read(terminal: str, minutes: int | None, directory: Path, database: str | None, as_json: bool) -> None:
    """Its own file, and what the platform gave it."""
    _issue(directory, database, terminal, CommandAct.RE_READ, None, _life_ms(minutes), as_json)


@command_group.command(
    name="report",
    help=say("让终端报告自身状况（不含个人信息）", "Have a terminal say how it is; nothing personal is in it"),
)
@_terminal
@_minutes
@directory_option
@database_option
@json_option
def report(terminal: str, minutes: int | None, directory: Path, database: str | None, as_json: bool) -> None:
    """What `onecard status --json` says there."""
    _issue(directory, database, terminal, CommandAct.REPORT, None, _life_ms(minutes), as_json)


@command_group.command(name="list", help=say("列出命令及其结果", "List the commands, and what became of them"))
@click.argument("terminal", metavar="ID", required=False)
@directory_option
@database_option
@json_option
def list_orders(terminal: str | None, directory: Path, database: str | None, as_json: bool) -> None:
    """Of one terminal or of all, the latest first."""
    with _reading(directory, database) as transaction:
        if terminal is not None:
            check_terminal(transaction, terminal, enrolled(Layout(directory).keys))
        rows = orders.all_of(transaction, terminal)
    if as_json:
        click.echo(json.dumps([_facts(row) for row in rows]))
        return
    titles = (
        ("命令", "id"),
        ("终端", "terminal"),
        ("操作", "act"),
        ("通道", "lane"),
        ("下达", "issued"),
        ("结果", "result"),
    )
    print_table(
        [say(zh, en) for zh, en in titles],
        [_row(row) for row in rows],
        say("没有下达过命令。", "No commands were given."),
    )


@command_group.command(
    name="show", help=say("显示一条命令、其结果和报告", "Show one command, its result and its report")
)
@click.argument("command", metavar=say("命令", "COMMAND"))
@directory_option
@database_option
@json_option
def show(command: str, directory: Path, database: str | None, as_json: bool) -> None:
    """By its id, or the beginning of it."""
    with _reading(directory, database) as transaction:
        found = [row for row in orders.all_of(transaction) if row.id.hex().startswith(command.lower())]
    if len(found) != 1:
        raise PlatformError(
            say(
                f"没有（或不止一条）以 {command} 开头的命令；见 onecard platform command list。",
                f"No command, or more than one, begins with {command}: see `onecard platform command list`.",
            )
        )
    facts = _facts(found[0]) | {"report": _report(found[0])}
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    click.echo(_became(found[0]))
    for name, value in facts.items():
        if value is not None and name != "report":
            click.echo(fields.line(name, reason_words(value) if name == "reason" else value))
    if facts["report"] is not None:
        click.echo(json.dumps(facts["report"], ensure_ascii=False, indent=2))


def _issue(
    directory: Path,
    database: str | None,
    terminal: str,
    act: CommandAct,
    lane: str | None,
    life_ms: int,
    as_json: bool,
    direction: Direction | None = None,
) -> None:
    layout = Layout(directory)
    authority = Authority.at(layout.keys)
    signer = signer_of(authority.role_keys[Role.COMMAND][0])
    store = Store.open(database or layout.database_url)
    is_known = True
    try:
        with store.transaction() as transaction:
            check_terminal(transaction, terminal, authority.enrolled())
            if lane is not None:
                lanes = lanes_of(transaction, terminal, BundleStore(layout.bundles))
                lanes.check(terminal, lane)
                is_known = lanes.knows(lane)
            now_ms = time.time_ns() // 1_000_000
            issued = orders.issue(transaction, signer, terminal, act, lane, now_ms, life_ms, direction)
    except orders.NotHeardOf as error:
        raise PlatformError(_why_not_heard_of(authority, store, terminal)) from error
    except orders.TooMany as error:
        raise PlatformError(
            say(
                f"终端 {terminal} 已有 {orders.MAX_OPEN} 条命令未答复，请待其答复或过期。",
                f"{terminal} has {orders.MAX_OPEN} commands without an answer: wait for answers, or for their end.",
            )
        ) from error
    except ValueError as error:
        raise PlatformError(say(f"通道名 {lane} 不可能存在。", f"No lane can be called {lane}.")) from error
    finally:
        store.close()
    if as_json:
        click.echo(json.dumps({"id": issued.hex()} | ({} if lane is None else {"lane_checked": is_known})))
    else:
        if not is_known:
            click.echo(
                say(
                    f"通道 {lane} 没有核对：终端 {terminal} 使用自带的配置，平台不知道它有哪些通道。",
                    f"Lane {lane} could not be checked: {terminal} goes by a configuration of its own, and the platform"
                    " does not know its lanes.",
                )
            )
        click.echo(
            say(
                f"命令 {issued.hex()[:8]} 已下达；结果见 onecard platform command show {issued.hex()[:8]}",
                f"command {issued.hex()[:8]} is given; its result: onecard platform command show {issued.hex()[:8]}",
            )
        )


def _why_not_heard_of(authority: Authority, store: Store, terminal: str) -> str:
    """A terminal whose chain nobody knows: it is retired, or its next box, or its first one, has yet to say hello."""
    if is_out(authority, terminal):
        return say(f"终端 {terminal} 已退役，不再接受命令。", f"{terminal} is retired: it takes no command any more.")
    with store.transaction() as transaction:
        was_there = bool(transaction.chains(terminal))
    if was_there:
        return say(
            f"终端 {terminal} 换下设备后还没有连接过平台，命令无法指明它的日志链。",
            f"{terminal} has not connected since its box was replaced, so that no command can name the chain of its"
            " journal.",
        )
    return say(
        f"终端 {terminal} 从未连接过平台，命令无法指明它的日志链。",
        f"{terminal} has never connected, so that no command can name the chain of its journal.",
    )


@contextmanager
def _reading(directory: Path, database: str | None) -> Iterator[Transaction]:
    store = Store.open_for_reading(database or Layout(directory).database_url)
    with closing(store), store.transaction() as transaction:
        yield transaction


def _life_ms(minutes: int | None) -> int:
    return orders.DEFAULT_LIFE_MS if minutes is None else minutes * _MINUTE_MS


def _became(row: sa.Row[Any]) -> str:
    if row.reason is not None:
        said: str = reason_words(row.reason)
        return said if row.seq is not None else say(f"{said}（尚未见于日志）", f"{said} (not in the journal yet)")
    if time.time_ns() // 1_000_000 >= row.expires_ms:
        return say("没有答复，已过期", "no answer, and it has ended")
    return say("等待答复", "waits for an answer") if row.accepted_ms is None else say("执行中", "is carried out")


def _row(row: sa.Row[Any]) -> list[str]:
    act = fields.value("act", row.act)
    return [row.id.hex()[:8], row.terminal, act, row.lane or "", local(row.issued_ms), _became(row)]


def _facts(row: sa.Row[Any]) -> dict[str, Any]:
    names = (
        "terminal",
        "number",
        "act",
        "lane",
        "direction",
        "issued_ms",
        "expires_ms",
        "accepted_ms",
        "reason",
        "answered_ms",
        "seq",
    )
    return {"id": row.id.hex(), **{name: getattr(row, name) for name in names}}


def _report(row: sa.Row[Any]) -> Any:
    """What the terminal said, if it is what a terminal says."""
    if row.report is None:
        return None
    try:
        size = zstandard.get_frame_parameters(row.report).content_size
        if not 0 < size <= _MAX_JSON_BYTES:
            return None
        return json.loads(zstandard.ZstdDecompressor().decompress(row.report, max_output_size=_MAX_JSON_BYTES))
    except (zstandard.ZstdError, ValueError, RecursionError):
        return None
