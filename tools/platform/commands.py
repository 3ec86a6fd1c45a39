"""`onecard platform`: run the reference platform, see its terminals, read its journal."""

from __future__ import annotations

import json
import queue
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from agent.process_guard import keep_secrets_in
from profiles.reasons import counted
from tools.cli.codes import kind_words, reason_words
from tools.cli.times import local
from tools.cli.words import say
from tools.platform import shards as sharding
from tools.platform.alarms import alarm_words, source_words
from tools.platform.broker import DEFAULT_PORT
from tools.platform.bundle_commands import list_bundles, publish
from tools.platform.ca import Authority
from tools.platform.command_options import (
    database_option,
    directory_option,
    enrol_port_option,
    expect_batches,
    json_option,
    no_terminals,
    print_table,
)
from tools.platform.configuration_commands import configurations, configure
from tools.platform.dead_letter_commands import dead_letter_group
from tools.platform.debt_commands import credit, list_debts
from tools.platform.detail_words import detail_words
from tools.platform.enrol_commands import enrol_group
from tools.platform.errors import PlatformError
from tools.platform.evidence_commands import evidence, issuer
from tools.platform.foreign_code_commands import foreign_code_group
from tools.platform.held_back_commands import decide_return, list_contested
from tools.platform.holes import holes_of
from tools.platform.lease_commands import lease_group
from tools.platform.loan_commands import loan_group
from tools.platform.money_commands import account, decide_intent, list_intents
from tools.platform.mosquitto_command import mosquitto
from tools.platform.order_commands import command_group
from tools.platform.person_command import person
from tools.platform.rabbitmq_command import rabbitmq
from tools.platform.reconcile_command import reconcile
from tools.platform.register_commands import register_group
from tools.platform.return_commands import return_group
from tools.platform.revocation import is_out
from tools.platform.rotation_command import rotation
from tools.platform.school_commands import school_group
from tools.platform.service import Layout, Platform, Settings, is_running
from tools.platform.stick_command import bring
from tools.platform.store import UNKNOWN, Position, Store
from tools.platform.subsidy_commands import subsidy_group
from tools.platform.technician_commands import technician_group
from tools.platform.terminal_commands import terminal_group
from tools.platform.verification import verify_chain
from tools.platform.waiting import waiting_openings
from tools.platform.worker_commands import worker


class _Sentences(click.Group):
    """Shows what the platform cannot do as one sentence, exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PlatformError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Sentences, help=say("参考中心平台：运行、管理终端、对账", "The reference central platform"))
def platform() -> None:
    """Hold the platform's commands."""


@platform.command(help=say("运行平台，直到 Ctrl-C 或 SIGTERM", "Run the platform until Ctrl-C or SIGTERM"))
@directory_option
@database_option
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help=say("TCP 端口，0 为任选空闲的", "The TCP port; 0: any that is free"),
)
@click.option("--listen", default="127.0.0.1", show_default=True, help=say("监听地址", "The address to listen on"))
@click.option("--name", "names", multiple=True, help=say("终端使用的主机名", "A host name that terminals use"))
@click.option(
    "--broker",
    metavar="URL",
    help=say("使用已有的消息服务器", "Use brokers at mqtts://host:port,…"),
)
@enrol_port_option
@click.option("--no-enrolment", is_flag=True, help=say("不开放注册", "Let no box enrol"))
@click.option(
    "--enrol-broker",
    metavar="URL",
    help=say("使用已有的注册用消息服务器", "Use the broker where boxes enrol, at mqtts://host:port"),
)
@click.option(
    "--shards", metavar="00-7f", default="00-ff", help=say("自己负责的分片", "The shards that it serves itself")
)
def run(
    directory: Path,
    database: str | None,
    port: int,
    listen: str,
    names: tuple[str, ...],
    broker: str | None,
    enrol_port: int | None,
    no_enrolment: bool,
    enrol_broker: str | None,
    shards: str,
) -> None:
    """Run the platform in the foreground."""
    keep_secrets_in()
    stop: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _frame: stop.put(received))
    settings = Settings(port, listen, names, broker, database, sharding.parse(shards))
    if not no_enrolment:
        enrol_port = enrol_port or (port + 1 if port else 0)
        settings = replace(settings, enrol_port=enrol_port, enrol_broker=enrol_broker)
    with Platform.start(directory, settings) as running:
        click.echo(say(f"平台已就绪：{running.endpoint}", f"The platform is ready: {running.endpoint}"))
        add = f"onecard platform enrol new ID --dir {directory}"
        click.echo(say(f"添加终端：{add}", f"To add a terminal: {add}"))
        expect_batches()
        stop.get()
        click.echo(say("正在停止。", "Stopping."))


@platform.command(help=say("生成平台的密钥和证书", "Make the platform's keys and certificates"))
@directory_option
@click.option("--name", "names", multiple=True, help=say("终端使用的主机名", "A host name that terminals use"))
def init(directory: Path, names: tuple[str, ...]) -> None:
    """Make what is missing; what is there stays."""
    keys = Layout(directory).keys
    Authority.init(keys, names)
    click.echo(say(f"密钥和证书在 {keys}", f"Keys and certificates are in {keys}"))


@platform.command(help=say("显示终端和告警", "Show terminals and alarms"))
@directory_option
@database_option
@json_option
def status(directory: Path, database: str | None, as_json: bool) -> None:
    """Show every terminal, how far it is committed, and what is wrong. Presence is known while the platform runs."""
    running = is_running(directory)
    store = Store.open_for_reading(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            out = _retired(Layout(directory))
            terminals = [_terminal_row(row, running, out) for row in transaction.terminals()]
            alarms = [dict(row._mapping) for row in transaction.alarms()]
            waiting = waiting_openings(transaction)
    finally:
        store.close()
    if as_json:
        facts = {"running": running, "terminals": terminals, "alarms": alarms, "unrecorded": waiting}
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    if not running:
        click.echo(
            say("平台没有运行，终端现在的状态未知。", "The platform does not run: how terminals are now is unknown.")
        )
    print_table(
        [say("终端", "terminal"), say("状态", "state"), say("已确认", "committed"), say("落后", "behind"),
         say("告警", "alarms"), say("最近", "last seen")],
        [[row["terminal"], _presence(row), row["committed"], row["behind"], row["alarms"],
          local(row["last_seen_ms"])] for row in terminals],
        no_terminals(),
    )  # fmt: skip
    if alarms:
        print_table(
            [say("终端", "terminal"), say("来源", "source"), say("告警", "alarm"), say("次数", "count"),
             say("最近", "last"), say("说明", "detail")],
            [[row["terminal"], source_words(row["code"], row["source"]), alarm_words(row["code"]), row["times"],
              local(row["last_ms"]), detail_words(row["detail"] or "")] for row in alarms],
        )  # fmt: skip
    for terminal, openings in waiting.items():
        be = "is" if openings == 1 else "are"
        click.echo(
            say(
                f"{terminal}：磁盘已满，有 {openings} 次开门没有逐条记录，有空间后补记次数",
                f"{terminal}: the disk is full, {counted(openings, 'opening')} {be} not recorded one by one;"
                " their number will be",
            )
        )


@platform.command(help=say("列出或核验已提交的记录", "List or verify the committed records"))
@directory_option
@database_option
@json_option
@click.option("--terminal", "terminal_id", metavar="ID", help=say("只看一个终端", "Of one terminal only"))
@click.option("--verify", is_flag=True, help=say("核验每条链", "Verify every chain"))
def journal(directory: Path, database: str | None, as_json: bool, terminal_id: str | None, verify: bool) -> None:
    """List the records; with --verify walk every chain, exit code 1 if one is broken. JSON comes one object a line."""
    store = Store.open_for_reading(database or Layout(directory).database_url)
    try:
        _check_known(store, terminal_id)
        if verify:
            _verify(store, terminal_id, as_json)
        else:
            _list(store, terminal_id, as_json)
    finally:
        store.close()


_FURTHER = (
    *(bring, publish, list_bundles, worker, dead_letter_group, reconcile, mosquitto, rabbitmq),
    *(issuer, evidence, account, list_intents, decide_intent, loan_group, foreign_code_group, register_group),
    *(
        terminal_group,
        school_group,
        subsidy_group,
        technician_group,
        command_group,
        configure,
        configurations,
        lease_group,
        person,
    ),
)
for further in (*_FURTHER, enrol_group, rotation):
    platform.add_command(further)
for about_credit in (credit, list_debts):
    account.add_command(about_credit)
for about_returns in (list_contested, decide_return):
    return_group.add_command(about_returns)
platform.add_command(return_group)


def _check_known(store: Store, terminal_id: str | None) -> None:
    with store.transaction() as transaction:
        if terminal_id is not None and not transaction.chains(terminal_id):
            raise PlatformError(
                say(f"平台没有终端 {terminal_id} 的记录。", f"The platform holds no records of {terminal_id}.")
            )


def _list(store: Store, terminal_id: str | None, as_json: bool) -> None:
    rows = _records(store, terminal_id)
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
        return
    print_table(
        [say("终端", "terminal"), say("链", "chain"), say("序号", "seq"), say("时间", "time"), say("类别", "kind"),
         say("通道", "lane"), say("原因", "reason")],
        [[row["terminal"], row["chain_id"][:8], row["seq"], local(row["time_ms"]),
          kind_words(row["kind"]), row["lane"] or "", reason_words(row["reason"])] for row in rows],
        no_terminals(),
    )  # fmt: skip


def _verify(store: Store, terminal_id: str | None, as_json: bool) -> None:
    broken = 0
    with store.transaction() as transaction:
        for head in transaction.chains(terminal_id):
            stored = ((row.body, row.hash) for row in transaction.records(head.chain_id))
            bad_seq = verify_chain(head, stored, holes_of(transaction, head.chain_id))
            broken += bad_seq is not None
            _print_verdict(head, bad_seq, as_json)
    if broken:
        raise PlatformError(
            say(f"{broken} 条链不完整。", f"{counted(broken, 'chain')} {'is' if broken == 1 else 'are'} not whole.")
        )


def _print_verdict(head: Position, bad_seq: int | None, as_json: bool) -> None:
    name = head.chain_id.hex()
    if as_json:
        click.echo(json.dumps({"terminal": head.terminal, "chain_id": name, "seq": head.seq, "broken_at": bad_seq}))
    elif bad_seq is None:
        click.echo(
            say(
                f"{head.terminal} 链 {name[:8]}：{head.seq} 条记录，完整。",
                f"{head.terminal} chain {name[:8]}: {counted(head.seq, 'record')}, whole.",
            )
        )
    else:
        click.echo(
            say(
                f"{head.terminal} 链 {name[:8]}：在第 {bad_seq} 条记录处断开：缺失或被改动。",
                f"{head.terminal} chain {name[:8]}: broken at record {bad_seq}, which is missing or was altered.",
            )
        )


def _records(store: Store, terminal_id: str | None) -> Iterator[dict[str, Any]]:
    with store.transaction() as transaction:
        for head in transaction.chains(terminal_id):
            for row in transaction.records(head.chain_id):
                yield {
                    "terminal": head.terminal,
                    "chain_id": head.chain_id.hex(),
                    "seq": row.seq,
                    "id": row.id.hex(),
                    "hash": row.hash.hex(),
                    "kind": row.kind,
                    "time_ms": row.time_ms,
                    "lane": row.lane,
                    "profile": row.profile,
                    "reason": row.reason,
                    "received_ms": row.received_ms,
                    "refers_to": row.refers_to and row.refers_to.hex(),
                }


def _retired(layout: Layout) -> Callable[[str], bool]:
    """Whether none of a terminal's certificates counts any more; where the keys are elsewhere, nobody knows."""
    try:
        return partial(is_out, Authority.at(layout.keys))
    except PlatformError:
        return lambda _: False


def _terminal_row(row: sa.Row[Any], running: bool, is_retired: Callable[[str], bool]) -> dict[str, Any]:
    return {
        "terminal": row.terminal,
        "retired": row.chain_id is None and is_retired(row.terminal),
        "presence": (row.presence or UNKNOWN) if running else UNKNOWN,
        "last_presence": row.presence,
        "last_presence_ms": row.presence_ms,
        "since_ms": row.since_ms,
        "committed": row.seq,
        "behind": max(0, (row.head or 0) - row.seq),
        "alarms": row.alarms,
        "last_seen_ms": row.last_seen_ms,
    }


def _presence(row: dict[str, Any]) -> str:
    """How the terminal is, and when the platform last heard so."""
    if row["retired"]:
        return say("已退役", "retired")
    words = {
        "online": say("在线", "online"),
        "stopped": say("已停止", "stopped"),
        "lost": say("失联", "lost"),
        UNKNOWN: say("未知", "unknown"),
    }
    now, last = row["presence"], row["last_presence"]
    if last in {None, UNKNOWN}:
        return words[UNKNOWN]
    heard = local(row["last_presence_ms"])
    if now == last:
        return say(f"{words[now]}（{heard} 得知）", f"{words[now]} (as of {heard})")
    return say(f"{words[now]}（{heard} 时{words[last]}）", f"{words[now]} ({words[last]} as of {heard})")
