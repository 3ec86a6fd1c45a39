"""`onecard platform subsidies`: who was paid what, and the PINs by which cards may ask."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TextIO

import click

from agent.private_answers import MAX_NAME_CHARS
from profiles.amounts import yuan
from profiles.subsidies import MAX_PIN_DIGITS, MIN_PIN_DIGITS, SubsidyPaid
from tools.cli.times import local
from tools.cli.words import say
from tools.platform import subsidies
from tools.platform.command_options import database_option, directory_option, json_option, print_table
from tools.platform.errors import PlatformError
from tools.platform.ledger import Owner
from tools.platform.owners import OwnerType, shown
from tools.platform.service import Layout
from tools.platform.store import Store

_MAX_FEN = 1_000_000_000_00


@click.group(name="subsidies", help=say("惠民惠农补贴明细及服务密码", "Subsidies that were paid, and service PINs"))
def subsidy_group() -> None:
    """Hold the commands about subsidies."""


@subsidy_group.command(
    help=say(
        "登记持有人的账户：户名、账号末四位；服务密码从文件读取，- 为标准输入",
        "Say whose account it is: name and last digits; the service PIN comes from a file, or -",
    )
)
@click.argument("owner", type=OwnerType(), metavar=say("持有人", "HOLDER"))
@click.argument("name", metavar=say("户名", "NAME"))
@click.argument("account_end", metavar=say("账号末几位", "LAST-DIGITS"))
@click.option(
    "--pin",
    type=click.File(encoding="utf-8", errors="replace"),
    help=say("服务密码所在文件", "A file with the service PIN"),
)
@directory_option
@database_option
def holder(
    owner: Owner, name: str, account_end: str, pin: TextIO | None, directory: Path, database: str | None
) -> None:
    """A PIN is not given on the command line: other users of the machine see what commands are given."""
    if not (0 < len(name) <= MAX_NAME_CHARS and name.isprintable()):
        raise PlatformError(say("户名应为 1 至 32 个字符。", "A name has 1 to 32 characters."))
    if not (account_end.isascii() and account_end.isdigit() and len(account_end) <= 4):
        raise PlatformError(say("只登记账号的末四位数字。", "Give no more than the last four digits of the account."))
    digits = None if pin is None else pin.read(MAX_PIN_DIGITS + 2).strip()
    if digits is not None and not (
        MIN_PIN_DIGITS <= len(digits) <= MAX_PIN_DIGITS and digits.isascii() and digits.isdigit()
    ):
        raise PlatformError(say("服务密码应为 4 至 12 位数字。", "A service PIN has 4 to 12 digits."))
    with _store(directory, database) as store, store.transaction() as transaction:
        subsidies.set_holder(transaction, owner, name, account_end, digits)
    if digits is None:
        click.echo(say("已登记，没有服务密码：只能用电子市民码查询", "registered without a PIN: by citizen code only"))
    else:
        click.echo(say("已登记，可凭卡和服务密码查询", "registered: by citizen code, or by card and PIN"))


@subsidy_group.command(help=say("登记一笔补贴", "Add a payment"))
@click.argument("owner", type=OwnerType(), metavar=say("持有人", "HOLDER"))
@click.argument("name", metavar=say("项目", "NAME"))
@click.argument("amount", metavar=say("金额", "YUAN"))
@click.option("--date", type=click.DateTime(["%Y-%m-%d"]), required=True, help=say("发放日期", "When it was paid"))
@directory_option
@database_option
def add(owner: Owner, name: str, amount: str, date: datetime, directory: Path, database: str | None) -> None:
    """One payment of a subsidy."""
    from drivers.keypad import fen

    amount_fen = fen(amount.encode())
    if amount_fen is None or not 0 < amount_fen <= _MAX_FEN:
        raise PlatformError(say(f"{amount} 不是金额，应如 1250.00。", f"{amount} is no amount; give one like 1250.00."))
    if not (0 < len(name) <= MAX_NAME_CHARS and name.isprintable()):
        raise PlatformError(say("项目名应为 1 至 32 个字符。", "A name has 1 to 32 characters."))
    with _store(directory, database) as store, store.transaction() as transaction:
        subsidies.add(transaction, owner, SubsidyPaid(name, f"{date:%Y%m%d}", amount_fen))
    click.echo(say(f"已登记：{yuan(amount_fen)} 元", f"added: {yuan(amount_fen)} yuan"))


@subsidy_group.command(name="list", help=say("列出登记的持有人", "List the holders"))
@directory_option
@database_option
@json_option
def list_holders(directory: Path, database: str | None, as_json: bool) -> None:
    """Pseudonyms, whether they have a PIN, and whether it is blocked; no names and no amounts."""
    store = Store.open_for_reading(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            found = subsidies.holders(transaction)
    finally:
        store.close()
    rows = [
        {
            "owner": shown((row.namespace, row.subject)),
            "pin": bool(row.has_pin),
            "blocked_until_ms": row.blocked_until_ms,
        }
        for row in found
    ]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    titles = [say("持有人", "holder"), say("服务密码", "PIN"), say("锁定至", "blocked until")]
    table = []
    for row in rows:
        until_ms = row["blocked_until_ms"]
        table.append([row["owner"], say("有", "yes") if row["pin"] else "-", local(until_ms) if until_ms else "-"])
    print_table(titles, table,
        say("还没有登记；用 onecard platform subsidies holder 登记。",
            "Nobody is there yet: `onecard platform subsidies holder` adds somebody."),)  # fmt: skip


def _store(directory: Path, database: str | None) -> closing[Store]:
    return closing(Store.open(database or Layout(directory).database_url))
