"""`onecard platform returns contested` and `decide`: what a forbidden terminal's journal gives back."""

from __future__ import annotations

import json
from pathlib import Path

import click

from profiles.api import Kind
from tools.cli.times import local
from tools.cli.words import say
from tools.platform import row_locks
from tools.platform.command_options import database_option, directory_option, json_option, print_table
from tools.platform.errors import PlatformError
from tools.platform.held_back import HeldBack, Stage, decided, waiting
from tools.platform.holds import Holds
from tools.platform.money_commands import now_ms, yuan
from tools.platform.service import Layout
from tools.platform.store import Store, Transaction


@click.command(
    name="contested",
    help=say("列出被禁终端的退款，须人工核实", "List what forbidden terminals give back, for a person"),
)
@directory_option
@database_option
@json_option
def list_contested(directory: Path, database: str | None, as_json: bool) -> None:
    """The oldest first; nothing of it has moved."""
    store = Store.open_for_reading(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            found = waiting(transaction)
    finally:
        store.close()
    if as_json:
        rows = [
            {
                "record": each.record_id.hex(),
                "terminal": each.terminal,
                "kind": each.record.entry.kind,
                "amount_fen": each.amount_fen,
                "since_ms": each.since_ms,
            }
            for each in found
        ]
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    print_table(
        [say("记录", "record"), say("终端", "terminal"), say("金额（元）", "yuan"), say("始于", "since")],
        [[each.record_id.hex()[-8:], each.terminal, yuan(each.amount_fen), local(each.since_ms)] for each in found],
        say("没有须核实的退款。", "No return waits for a person."),
    )


@click.command(name="decide", help=say("核实被禁终端的一笔退款", "Decide on what a forbidden terminal gives back"))
@click.argument("record", metavar=say("记录", "RECORD"))
@click.option("--give/--drop", default=None, help=say("退还，或不退；必选其一", "Give it back, or not; say which"))
@directory_option
@database_option
def decide_return(record: str, give: bool | None, directory: Path, database: str | None) -> None:
    """The end of its id, as the table shows it, is enough where it is the only one."""
    if give is None:
        raise click.UsageError(say("请给出 --give（退还）或 --drop（不退）", "say --give or --drop"))
    store = Store.open(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            found = [each for each in waiting(transaction) if each.record_id.hex().endswith(record.lower())]
            if len(found) != 1 or not decide(transaction, found[0], give=give):
                said = ("没有这笔须核实的退款，或不止一笔。", "There is no such contested return, or several.")
                raise PlatformError(say(*said))
    finally:
        store.close()
    amount = yuan(found[0].amount_fen)
    click.echo(say(f"已退还 {amount} 元", f"given back: {amount} yuan") if give else say("不予退还", "not given back"))


def decide(transaction: Transaction, found: HeldBack, *, give: bool) -> bool:
    """Do what a person decided; ``False`` if somebody has meanwhile. Raises `PlatformError` where it is not left."""
    if not decided(transaction, found, Stage.GIVEN if give else Stage.DROPPED):
        return False
    if not give:
        return True
    holds = Holds(transaction, found.terminal, now_ms())
    row_locks.lock(transaction.connection, holds.needs([found.record]))
    money = found.record.entry.money
    is_open = money is not None and (found.record.entry.kind == Kind.REFUND or holds.left(money.intent_id) is not None)
    complaints = {complaint.code for complaint in holds.settle([found.record], decided=True)}
    if not is_open or "refund-differs" in complaints:
        raise PlatformError(
            say(
                "这笔款已退还，或余下的不够：只能 --drop。",
                "It has gone back meanwhile, or so much is not left: it can only be dropped.",
            )
        )
    return True
