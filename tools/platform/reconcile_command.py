"""`onecard platform reconcile`: what is here, what is missing, and what a person has to look at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from profiles.reasons import counted
from tools.cli.times import iso
from tools.cli.words import say
from tools.platform.alarms import alarm_words
from tools.platform.command_options import database_option, directory_option, json_option, no_terminals, print_table
from tools.platform.contested import Contested
from tools.platform.errors import PlatformError
from tools.platform.evidence_commands import verdict_words
from tools.platform.reconcile import Reconciliation
from tools.platform.reconcile import reconcile as report_of
from tools.platform.service import Layout
from tools.platform.store import Store


@click.command(
    help=say(
        "对账：用终端所报核对平台所存；有未决事项时退出码为 1", "Hold what is here against what terminals announced"
    )
)
@click.option("--terminal", "terminal_id", metavar="ID", help=say("只看一个终端", "Of one terminal only"))
@directory_option
@database_option
@json_option
def reconcile(terminal_id: str | None, directory: Path, database: str | None, as_json: bool) -> None:
    """Verify every chain, sum the takings, list what is open; exit code 1 if anything is."""
    store = Store.open_for_reading(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            report = report_of(transaction, terminal_id)
    finally:
        store.close()
    if terminal_id is not None and terminal_id not in report.behind:
        raise PlatformError(say(f"平台没有听说过终端 {terminal_id}。", f"The platform never heard of {terminal_id}."))
    if as_json:
        click.echo(json.dumps(_facts(report), ensure_ascii=False))
    else:
        _tell(report)
    if report.is_open:
        raise SystemExit(1)


def _tell(report: Reconciliation) -> None:
    print_table(
        [say("终端", "terminal"), say("链", "chain"), say("记录数", "records"), say("核验", "verdict")],
        [[chain.terminal, chain.chain_id.hex()[:8], chain.seq, _verdict(chain.broken_at, len(chain.holes))]
         for chain in report.chains],
        no_terminals(),
    )  # fmt: skip
    if report.takings:
        print_table(
            [say("终端", "terminal"), say("营业日", "business date"), say("商户", "merchant"),
             say("笔数", "records"), say("合计（元）", "sum (yuan)")],
            [[row.terminal, row.business_date, row.merchant, row.records, yuan(row.amount_fen)]
             for row in report.takings],
        )  # fmt: skip
    if report.counted:
        print_table(
            [say("终端", "terminal"), say("通道", "lane"), say("记录数", "records"),
             say("磁盘满时只计数的开门次数", "openings counted while its disk was full"), say("最早", "first"),
             say("最晚", "last")],
            [[row.terminal, row.lane, row.records, row.openings, _moment(row.first_ms), _moment(row.last_ms)]
             for row in report.counted],
        )  # fmt: skip
    open_points = list(_open_points(report))
    for point in open_points:
        click.echo(point)
    if not report.is_open:
        click.echo(say("账目相符，没有未决事项。", "All agrees, and nothing is open."))


def _verdict(broken_at: int | None, holes: int) -> str:
    if broken_at is not None:
        return say(f"在第 {broken_at} 条断开", f"broken at record {broken_at}")
    return say(f"完整，有 {holes} 处缺失", f"whole but for {counted(holes, 'hole')}") if holes else say("完整", "whole")


def _open_points(report: Reconciliation) -> Iterator[str]:
    for terminal, count in report.behind.items():
        if count:
            yield say(
                f"{terminal}：还有 {count} 条记录未到",
                f"{terminal}: {counted(count, 'record')} {'has' if count == 1 else 'have'} not come yet",
            )
    for chain in report.chains:
        for hole in chain.holes:
            yield say(
                f"{chain.terminal}：第 {hole.first} 至 {hole.last} 条缺失，终端上已没有",
                f"{chain.terminal}: records {hole.first} to {hole.last} are missing, and gone from the terminal",
            )
    for (terminal, verdict), count in report.unproven.items():
        words = verdict_words(verdict)
        yield say(f"{terminal}：{count} 笔资金记录，证据：{words}", f"{terminal}: {count} with money, evidence {words}")
    for waits in report.contested:
        yield from _decisions(waits)
    for terminal, count in report.letters.items():
        yield say(
            f"{terminal}：{count} 封死信", f"{terminal}: {counted(count, 'dead letter')} (platform dead-letters list)"
        )
    for (terminal, code), count in report.serious.items():
        yield f"{terminal}{say('：', ': ')}{alarm_words(code)} × {count}"


def _decisions(waits: Contested) -> Iterator[str]:
    if waits.payments:
        sold, count = yuan(waits.amount_fen), waits.payments
        yield say(
            f"{waits.terminal}：{count} 笔收款共 {sold} 元未扣款，须人工核实（platform intents、platform decide）",
            f"{waits.terminal}: not captured before a person decides: {counted(count, 'payment')}, {sold} yuan"
            " (platform intents, platform decide)",
        )
    if waits.returns:
        back, count = yuan(waits.returned_fen), waits.returns
        yield say(
            f"{waits.terminal}：{count} 笔退款共 {back} 元未退还，须人工核实（platform returns contested）",
            f"{waits.terminal}: not given back before a person decides: {counted(count, 'return')}, {back} yuan"
            " (platform returns contested)",
        )


def _facts(report: Reconciliation) -> dict[str, Any]:
    return {
        "open": report.is_open,
        "chains": [
            {
                "terminal": chain.terminal,
                "chain_id": chain.chain_id.hex(),
                "seq": chain.seq,
                "broken_at": chain.broken_at,
                "holes": [[hole.first, hole.last] for hole in chain.holes],
            }
            for chain in report.chains
        ],
        "behind": report.behind,
        "takings": [
            {"terminal": row.terminal, "business_date": row.business_date, "merchant": row.merchant,
             "records": row.records, "amount_fen": row.amount_fen} for row in report.takings
        ],
        "unproven": [
            {"terminal": terminal, "verdict": verdict.value, "records": count}
            for (terminal, verdict), count in report.unproven.items()
        ],
        "counted": [
            {"terminal": row.terminal, "lane": row.lane, "records": row.records, "openings": row.openings,
             "first_ms": row.first_ms, "last_ms": row.last_ms}
            for row in report.counted
        ],
        "contested": [asdict(waits) for waits in report.contested],
        "dead_letters": report.letters,
        "alarms": [
            {"terminal": terminal, "code": code, "times": times}
            for (terminal, code), times in report.serious.items()
        ],
    }  # fmt: skip


def _moment(time_ms: int | None) -> str:
    return "" if time_ms is None else iso(time_ms)


def yuan(amount_fen: int) -> str:
    """An amount as people read it: integer arithmetic, two places."""
    sign, whole = ("-" if amount_fen < 0 else ""), abs(amount_fen)
    return f"{sign}{whole // 100}.{whole % 100:02d}"
