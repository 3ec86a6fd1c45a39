"""`onecard platform returns`: what tills have claimed of others' sales, and of which their journals tell no end."""

from __future__ import annotations

import json
from pathlib import Path

import click

from tools.cli.times import local
from tools.cli.words import say
from tools.platform.command_options import database_option, directory_option, json_option, print_table
from tools.platform.errors import PlatformError
from tools.platform.money_commands import now_ms, yuan
from tools.platform.returns import free, open_claims
from tools.platform.service import Layout
from tools.platform.store import Store


@click.group(name="returns", help=say("别的收款台售出的退货", "Returns of what another till sold"))
def return_group() -> None:
    """Hold the commands about returns."""


@return_group.command(name="list", help=say("列出还没有结果的退货", "List the returns without an end"))
@directory_option
@database_option
@json_option
def list_returns(directory: Path, database: str | None, as_json: bool) -> None:
    """The oldest first; nobody else gives back meanwhile what they claim."""
    store = Store.open_for_reading(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            found = open_claims(transaction)
    finally:
        store.close()
    if as_json:
        rows = [
            {
                "return": claim.return_id.hex(),
                "terminal": claim.terminal,
                "sold_by": claim.of_terminal,
                "intent": claim.of_intent.hex(),
                "funds": dict(claim.funds),
                "since_ms": claim.changed_ms,
            }
            for claim in found
        ]
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    print_table(
        [say("退货", "return"), say("终端", "terminal"), say("售出终端", "sold by"), say("款项", "intent"),
         say("金额（元）", "yuan"), say("始于", "since")],
        [[claim.return_id.hex()[-8:], claim.terminal, claim.of_terminal, claim.of_intent.hex()[-8:],
          yuan(sum(claim.funds.values())), local(claim.changed_ms)] for claim in found],
        say("没有未了结的退货。", "No return is open."),
    )  # fmt: skip


@return_group.command(
    name="free",
    help=say(
        "终端不会再上报：放弃它占用的退货，并记告警",
        "Its terminal never reports again: let others give it back; alarms",
    ),
)
@click.argument("return_id", metavar=say("退货", "RETURN"))
@directory_option
@database_option
def free_return(return_id: str, directory: Path, database: str | None) -> None:
    """The end of its id, as the table shows it, is enough where it is the only one."""
    store = Store.open(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            found = [each for each in open_claims(transaction) if each.return_id.hex().endswith(return_id.lower())]
            if len(found) != 1 or not free(transaction, found[0], now_ms()):
                raise PlatformError(
                    say("没有这笔未了结的退货，或不止一笔。", "There is no such open return, or several.")
                )
    finally:
        store.close()
    amount = yuan(sum(found[0].funds.values()))
    click.echo(say(f"已放弃对 {amount} 元的占用", f"freed: {amount} yuan may be given back by others"))
