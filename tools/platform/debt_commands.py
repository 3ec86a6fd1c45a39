"""`onecard platform account credit` and `debts`: who may pay later, and the notice of what is to be settled."""

from __future__ import annotations

import json
from pathlib import Path

import click

from tools.cli.words import say
from tools.platform.accounts import CREDIT, account_of, grant_credit
from tools.platform.command_options import database_option, directory_option, json_option
from tools.platform.debts import Debt, debts
from tools.platform.ledger import Owner, enter
from tools.platform.money_commands import FenType, now_ms, owner_argument, yuan
from tools.platform.owners import shown
from tools.platform.service import Layout
from tools.platform.store import Store


@click.command(help=say("准予信用额度（先享受后付费）；0 为停止", "Grant credit up to so much; 0 ends it"))
@owner_argument
@click.argument("ceiling_fen", type=FenType(least_fen=0), metavar=say("元", "YUAN"))
@directory_option
@database_option
def credit(owner: Owner, ceiling_fen: int, directory: Path, database: str | None) -> None:
    """What is owed beyond a lower ceiling stays owed."""
    store = Store.open(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            grant_credit(transaction, owner, ceiling_fen)
            balance_fen = enter(transaction, account_of(owner, CREDIT), 0, now_ms())
    finally:
        store.close()
    owed, most = yuan(max(0, -balance_fen)), yuan(ceiling_fen)
    click.echo(say(f"信用额度 {most} 元，已欠 {owed} 元", f"credit up to {most} yuan; {owed} yuan are owed"))


@click.command(name="debts", help=say("结算通知：某人还欠什么", "The settlement notice: what somebody owes"))
@owner_argument
@directory_option
@database_option
@json_option
def list_debts(owner: Owner, directory: Path, database: str | None, as_json: bool) -> None:
    """The oldest first; each with the record that proves it."""
    store = Store.open_for_reading(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            found = debts(transaction, owner)
    finally:
        store.close()
    if as_json:
        click.echo(json.dumps([_facts(debt) for debt in found], ensure_ascii=False))
        return
    if not found:
        click.echo(say("没有欠款。", "Nothing is owed."))
        return
    total = yuan(sum(debt.left_fen for debt in found))
    click.echo(say(f"结算通知 {shown(owner)}：共欠 {total} 元", f"settlement notice {shown(owner)}: {total} yuan"))
    for debt in found:
        fact = _facts(debt)
        left, record = yuan(debt.left_fen), fact["record"]
        click.echo(
            say(
                f"  {fact['business_date']} {fact['merchant']}：{left} 元，{fact['due'] or '-'} 前结清，记录 {record}",
                f"  {fact['business_date']} {fact['merchant']}: {left} yuan, due {fact['due'] or '-'}, record {record}",
            )
        )


def _facts(debt: Debt) -> dict[str, object]:
    intent = debt.intent
    return {
        "terminal": intent.terminal,
        "merchant": intent.merchant,
        "business_date": intent.business_date,
        "owed_fen": debt.owed_fen,
        "left_fen": debt.left_fen,
        "due": debt.due,
        "record": "" if intent.record_id is None else intent.record_id.hex(),
    }
