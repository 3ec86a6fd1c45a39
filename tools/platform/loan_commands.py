"""`onecard platform loans`: the reference loans, whose renewal terminals ask for."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from tools.cli.times import local
from tools.cli.words import say
from tools.platform import loans
from tools.platform.command_options import database_option, directory_option, json_option, print_table
from tools.platform.errors import PlatformError
from tools.platform.ledger import Owner
from tools.platform.owners import OwnerType, shown
from tools.platform.service import Layout
from tools.platform.store import Store

_item = click.argument("item", metavar=say("馆藏号", "ITEM"))


@click.group(name="loans", help=say("参考借阅登记：供测试与演示", "Reference loans, for tests and demonstrations"))
def loan_group() -> None:
    """Hold the commands about loans."""


@loan_group.command(help=say("登记一次借出", "Lend an item"))
@_item
@click.argument("owner", type=OwnerType(), metavar=say("读者", "READER"))
@click.option(
    "--days",
    type=click.IntRange(1, 365),
    default=30,
    show_default=True,
    help=say("借期和每次续借的天数", "For so long, and each renewal adds as much"),
)
@click.option(
    "--renewals",
    type=click.IntRange(0, 100),
    default=1,
    show_default=True,
    help=say("可续借次数", "How often it may be renewed"),
)
@directory_option
@database_option
def add(item: str, owner: Owner, days: int, renewals: int, directory: Path, database: str | None) -> None:
    """Counts at once, also on a running platform."""
    if not (item.isprintable() and 0 < len(item) <= loans.MAX_ITEM_CHARS):
        raise PlatformError(
            say("馆藏号应为 1 至 64 个可显示的字符。", "An item is named by 1 to 64 printable characters.")
        )
    due_ms = time.time_ns() // 1_000_000 + days * loans.DAY_MS
    store = Store.open(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            lent = loans.add(transaction, item, owner, due_ms, days, renewals)
    finally:
        store.close()
    if not lent:
        raise PlatformError(say(f"{item} 已借出。", f"{item} is lent already."))
    click.echo(say(f"{item} 借至 {local(due_ms)}", f"{item} is lent until {local(due_ms)}"))


@loan_group.command(name="return", help=say("登记归还", "Take an item back"))
@_item
@directory_option
@database_option
def bring_back(item: str, directory: Path, database: str | None) -> None:
    """End the loan."""
    store = Store.open(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            known = loans.bring_back(transaction, item)
    finally:
        store.close()
    if not known:
        raise PlatformError(say(f"{item} 没有借出。", f"{item} is not lent."))
    click.echo(say(f"{item} 已归还", f"{item} is back"))


@loan_group.command(name="list", help=say("列出借阅", "List the loans"))
@directory_option
@database_option
@json_option
def list_loans(directory: Path, database: str | None, as_json: bool) -> None:
    """The one that is due first stands first."""
    store = Store.open_for_reading(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            found = loans.loans(transaction)
    finally:
        store.close()
    if as_json:
        rows = [
            {
                "item": row.item,
                "owner": shown((row.namespace, row.subject)),
                "due_ms": row.due_ms,
                "renewals_left": row.renewals_left,
            }
            for row in found
        ]
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    titles = [say("馆藏号", "item"), say("读者", "reader"), say("应还", "due"), say("剩余续借", "renewals left")]
    print_table(
        titles,
        [[row.item, shown((row.namespace, row.subject)), local(row.due_ms), row.renewals_left] for row in found],
        say(
            "没有借出；用 onecard platform loans add 登记。",
            "Nothing is lent: `onecard platform loans add` notes a loan.",
        ),
    )
