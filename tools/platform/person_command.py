"""`onecard platform person`: what is kept about one person, for whoever answers that person's request."""

from __future__ import annotations

import json
from pathlib import Path

import click

from tools.cli.words import say
from tools.platform.command_options import database_option, directory_option, json_option, print_table
from tools.platform.ledger import Owner
from tools.platform.owners import OwnerType
from tools.platform.person import kept_about
from tools.platform.service import Layout
from tools.platform.store import Store


@click.command(help=say("平台就一个人所存的全部内容", "Everything that the platform keeps about one person"))
@click.argument("who", type=OwnerType(), metavar=say("人员", "PERSON"))
@directory_option
@database_option
@json_option
def person(who: Owner, directory: Path, database: str | None, as_json: bool) -> None:
    """Reads every journal; a running platform goes on meanwhile."""
    store = Store.open_for_reading(database or Layout(directory).database_url)
    try:
        with store.transaction() as transaction:
            kept = kept_about(transaction, who)
    finally:
        store.close()
    if as_json:
        click.echo(json.dumps(kept, ensure_ascii=False, default=_hex))
        return
    rows = [[table, len(found)] for table, found in kept.items()]
    none = say("平台没有此人的任何内容。", "The platform keeps nothing about this person.")
    print_table([say("表", "table"), say("行数", "rows")], list(map(list, rows)), none)
    if rows:
        click.echo(say("全部内容：加 --json。", "All of it: add --json."))


def _hex(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(type(value).__name__)
